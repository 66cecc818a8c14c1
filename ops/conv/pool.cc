// SPDX-License-Identifier: Apache-2.0
#include "ops/conv/pool.h"

namespace lockstep {

Result<PoolDims> PoolDims::From(const AttrMap& attrs, const Shape& image) {
  LS_ASSIGN_OR_RETURN(const WindowAttrs a, WindowAttrs::From(attrs));
  LS_ASSIGN_OR_RETURN(const auto size, a.Spatial(attrs, "ksize"));
  PoolDims d;
  LS_ASSIGN_OR_RETURN(d.h, a.Along(0, image.dim(a.spatial_dim(0)), size[0]));
  LS_ASSIGN_OR_RETURN(d.w, a.Along(1, image.dim(a.spatial_dim(1)), size[1]));
  const int64_t n = image.dim(0), c = image.dim(a.channel_dim());
  d.output = a.Image(n, d.h.out, d.w.out, c);
  d.images = a.nchw ? n * c : n;
  d.channels = a.nchw ? 1 : c;
  return d;
}

Status CheckPooled(const AttrMap& attrs, const Shape& image,
                   const Shape& pooled) {
  LS_ASSIGN_OR_RETURN(const auto d, PoolDims::From(attrs, image));
  if (d.output.IsCompatibleWith(pooled)) return Ok();
  return InvalidArgument("the gradient has shape ", pooled, ", pooling ", image,
                         " gives ", d.output);
}

}  // namespace lockstep
