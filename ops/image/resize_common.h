// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the ops that give images another size share: how sizes become scales,
// shape rules, attributes and types. For authors of ops/image/resize*.cc.

#include <algorithm>
#include <vector>

#include "ops/array/array.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/rank_words.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

struct Scaling {
  float scale = 1;
  bool half_pixel = false, align_corners = false;

  Scaling(const AttrMap& attrs, int64_t in, int64_t out)
      : half_pixel(GetOr<bool>(attrs, "half_pixel_centers", false)),
        align_corners(GetOr<bool>(attrs, "align_corners", false)) {
    const bool between = align_corners && out > 1;
    scale = between ? static_cast<float>(in - 1) / static_cast<float>(out - 1)
                    : static_cast<float>(in) / static_cast<float>(out);
  }
};

inline Status CheckResize(const ShapeContext& c, const Shape& in,
                          const Shape& out) {
  if (GetOr(c.attrs(), "half_pixel_centers", false) &&
      GetOr(c.attrs(), "align_corners", false)) {
    return InvalidArgument(
        "If half_pixel_centers is True, align_corners must be False.");
  }
  for (int i : {1, 2}) {
    if (out.dim(i) == 0) {
      return InvalidArgument("output dimensions must be positive, is ", out);
    }
    if (in.dim(i) == 0) {
      return InvalidArgument("input image must be of non-zero size, is ", in);
    }
  }
  return Ok();
}

// Input 0 at the size that input 1 tells.
template <bool kGradient>
Status SizeShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape images,
                      WithRank(c, 0, 4, "input must be 4-dimensional"));
  LS_ASSIGN_OR_RETURN(const Shape size,
                      WithRank(c, 1, 1, "shape_t must be 1-dimensional"));
  if (size.dim(0) >= 0 && size.dim(0) != 2) {
    return InvalidArgument("shape_t must have two elements", size);
  }
  LS_ASSIGN_OR_RETURN(const auto numbers, c.InputInts(1));
  if (!numbers) {
    return c.SetOutput(
        0, Shape{images.dim(0), kUnknownDim, kUnknownDim, images.dim(3)});
  }
  if (std::ranges::any_of(*numbers, [](int64_t n) { return n <= 0; })) {
    return InvalidArgument("output dimensions must be positive, are [",
                           Join(*numbers, ","), "]");
  }
  const Shape out{images.dim(0), (*numbers)[0], (*numbers)[1], images.dim(3)};
  LS_RETURN_IF_ERROR(kGradient ? CheckResize(c, out, images)
                               : CheckResize(c, images, out));
  return c.SetOutput(0, out);
}

// Of grads and the image before: the latter's shape.
inline Status GradShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape grads, c.WithRank(0, 4));
  LS_ASSIGN_OR_RETURN(const Shape image, c.WithRank(1, 4));
  LS_RETURN_IF_ERROR(CheckResize(c, image, grads));
  for (int i : {0, 3}) {
    if (grads.dim(i) >= 0 && image.dim(i) >= 0 &&
        grads.dim(i) != image.dim(i)) {
      return InvalidArgument("grads have shape ", grads, ", the image ", image);
    }
  }
  return c.SetOutput(0, image);
}

inline NodeBuilder& WithAttrs(NodeBuilder& node, const GradContext& g) {
  for (const char* name : {"align_corners", "half_pixel_centers"}) {
    node.Attr(name, g.node()->attrs().find(name)->second);
  }
  return node;
}
inline Output HeightAndWidth(const Scope& s, Output images) {
  return ops::Slice(s, ops::Shape(s, images), Tensor::Of<int32_t>({1}, {1}),
                    Tensor::Of<int32_t>({1}, {2}));
}

#define LS_RESIZE_ATTRS \
  .Attr("align_corners: bool = false").Attr("half_pixel_centers: bool = false")
#define LS_IMAGE_TYPES                                                       \
  int8_t, uint8_t, int16_t, uint16_t, int32_t, int64_t, Half, float, double, \
      BFloat16
constexpr const char* kImageTypes =
    "T: {int8, uint8, int16, uint16, int32, int64, half, float, double, "
    "bfloat16}";

}  // namespace
}  // namespace lockstep
