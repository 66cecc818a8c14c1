// SPDX-License-Identifier: Apache-2.0
#include "ops/conv/conv_op.h"

namespace lockstep::detail {
namespace {

// A depthwise filter as that of a convolution in groups of one channel.
Result<Shape> GroupedFilter(const Shape& filter, int64_t image_channels,
                            const Shape& image) {
  int64_t channels = filter.dim(2);
  if (channels < 0) channels = image_channels;
  if (image_channels >= 0 && channels != image_channels) {
    return InvalidArgument("input depth must be evenly divisible by filter ",
                           "depth: ", image_channels, " vs ", channels,
                           ": filter has ", channels, " input channels, input ",
                           "has ", image_channels, " (shape ", image, ")");
  }
  const int64_t multiplier = filter.dim(3);
  return Shape{
      filter.dim(0), filter.dim(1), 1,
      channels < 0 || multiplier < 0 ? kUnknownDim : channels * multiplier};
}

}  // namespace

Result<ConvDims> CheckedConvDims(const AttrMap& attrs, bool depthwise,
                                 const Shape& image, const Shape& filter,
                                 const Shape* dy) {
  Shape full = filter;
  if (depthwise) {
    LS_ASSIGN_OR_RETURN(const WindowAttrs a, WindowAttrs::From(attrs));
    LS_ASSIGN_OR_RETURN(
        full, GroupedFilter(filter, image.dim(a.channel_dim()), image));
  }
  LS_ASSIGN_OR_RETURN(const ConvDims dims, ConvDims::From(attrs, image, full));
  const Shape wanted = dims.OutputShape();
  if (dy != nullptr && !wanted.IsCompatibleWith(*dy)) {
    return InvalidArgument("out_backprop has shape ", *dy,
                           ", the convolution of ", image, " with filter ",
                           filter, " gives ", wanted);
  }
  return dims;
}

Status ConvShapeOf(ShapeContext& c, const ConvRoles& roles) {
  Shape sizes = Shape::UnknownOfRank(roles.rank);
  if (roles.sizes >= 0) {
    LS_ASSIGN_OR_RETURN(const Shape given, c.InputAsShape(roles.sizes));
    auto merged = Shape::Merge(given, sizes);
    if (!merged.ok()) {
      return InvalidArgument("sizes must have ", roles.rank, " numbers, are ",
                             given);
    }
    sizes = *merged;
  }
  Shape image = sizes, filter = sizes, dy;
  if (roles.image >= 0) {
    LS_ASSIGN_OR_RETURN(image, c.WithRank(roles.image, roles.rank));
  }
  if (roles.filter >= 0) {
    LS_ASSIGN_OR_RETURN(filter, c.WithRank(roles.filter, roles.rank));
  }
  if (roles.dy >= 0) {
    LS_ASSIGN_OR_RETURN(dy, c.WithRank(roles.dy, roles.rank));
  }
  LS_ASSIGN_OR_RETURN(const ConvDims dims,
                      CheckedConvDims(c.attrs(), roles.depthwise, image, filter,
                                      roles.dy >= 0 ? &dy : nullptr));
  return c.SetOutput(0, roles.sizes >= 0 ? sizes : dims.OutputShape());
}

Result<ConvDims> PreparedConvDims(const PrepareContext& p,
                                  const ConvRoles& roles) {
  const Shape& made = p.output_shape(0);
  return CheckedConvDims(p.attrs(), roles.depthwise,
                         roles.image >= 0 ? p.input_shape(roles.image) : made,
                         roles.filter >= 0 ? p.input_shape(roles.filter) : made,
                         roles.dy >= 0 ? &p.input_shape(roles.dy) : nullptr);
}

}  // namespace lockstep::detail
