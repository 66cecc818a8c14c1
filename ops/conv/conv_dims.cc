// SPDX-License-Identifier: Apache-2.0
#include "ops/conv/conv_dims.h"

namespace lockstep::detail {
namespace {

// How many groups of channels a filter that takes `taken` of them makes.
Result<int64_t> GroupsOf(const ConvDims& d, int64_t taken, const Shape& image,
                         const Shape& filter) {
  if (d.in_channels < 0 || taken < 0) return 1;
  if (d.in_channels != taken && (taken == 0 || d.in_channels % taken != 0)) {
    return InvalidArgument(
        "input depth must be evenly divisible by filter ",
        "depth: ", d.in_channels, " vs ", taken, ": filter has ", taken,
        " input channels, input has ", d.in_channels, " (shape ", image, ")");
  }
  const int64_t groups =
      taken == 0 ? 1 : std::max<int64_t>(1, d.in_channels / taken);
  if (d.out_channels >= 0 && d.out_channels % groups != 0) {
    return InvalidArgument(
        "output depth must be evenly divisible by number of groups: ",
        d.out_channels, " vs ", groups, " (filter ", filter, ", input ", image,
        ")");
  }
  return groups;
}

Status MoveOverImage(const WindowAttrs& a, const Shape& image,
                     const Shape& filter, ConvDims* d) {
  LS_ASSIGN_OR_RETURN(d->h,
                      a.Along(0, image.dim(a.spatial_dim(0)), filter.dim(0)));
  LS_ASSIGN_OR_RETURN(d->w,
                      a.Along(1, image.dim(a.spatial_dim(1)), filter.dim(1)));
  return Ok();
}

Status MoveOverVolume(const AttrMap& attrs, const Shape& volume,
                      const Shape& filter, ConvDims* d) {
  LS_ASSIGN_OR_RETURN(
      const auto windows,
      WindowsOfVolume(attrs, volume,
                      {filter.dim(0), filter.dim(1), filter.dim(2)}));
  d->depth = windows[0];
  d->h = windows[1];
  d->w = windows[2];
  return Ok();
}

}  // namespace

Result<ConvDims> ConvDims::From(const AttrMap& attrs, const Shape& image,
                                const Shape& filter) {
  ConvDims d;
  d.volume = image.rank() == 5;
  WindowAttrs of_image;
  if (!d.volume) {
    LS_ASSIGN_OR_RETURN(of_image, WindowAttrs::From(attrs));
  }
  d.nchw = d.volume ? VolumeChannelsFirst(attrs) : of_image.nchw;
  d.batch = image.dim(0);
  d.in_channels = image.dim(d.nchw ? 1 : image.rank() - 1);
  d.out_channels = filter.dim(filter.rank() - 1);
  LS_ASSIGN_OR_RETURN(
      d.groups, GroupsOf(d, filter.dim(filter.rank() - 2), image, filter));
  LS_RETURN_IF_ERROR(d.volume ? MoveOverVolume(attrs, image, filter, &d)
                              : MoveOverImage(of_image, image, filter, &d));
  return d;
}

Shape ConvDims::OutputShape() const {
  Shape y{batch};
  if (nchw) y.AddDim(out_channels);
  if (volume) y.AddDim(depth.out);
  y.AddDim(h.out);
  y.AddDim(w.out);
  if (!nchw) y.AddDim(out_channels);
  return y;
}

bool ConvDims::IsEmpty() const {
  return batch * in_channels * out_channels * in_positions() *
             out_positions() ==
         0;
}

}  // namespace lockstep::detail
