// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a window (a filter, a pool) moves over an image, from the attributes
// that convolution and pooling share: strides, padding, explicit_paddings,
// dilations, data_format. For authors of ops.
//
//   LS_ASSIGN_OR_RETURN(WindowAttrs a, WindowAttrs::From(attrs, "strides"));
//   LS_ASSIGN_OR_RETURN(Window h, a.Along(0, image_height, filter_height));
//   h.out;   // output height

#include <array>
#include <string>

#include "runtime/core/shape.h"
#include "runtime/op/attr.h"

namespace lockstep {

// Along one dimension. Sizes may be kUnknownDim.
struct Window {
  int64_t in = 0;
  int64_t out = 0;
  int64_t size = 1;
  int64_t stride = 1;
  int64_t dilation = 1;
  int64_t pad_before = 0;
  int64_t pad_after = 0;
};

enum class Padding { kSame, kValid, kExplicit };

struct WindowAttrs {
  bool nchw = false;
  Padding padding = Padding::kValid;
  std::array<int64_t, 2> strides{1, 1};  // along height and width
  std::array<int64_t, 2> dilations{1, 1};
  std::array<int64_t, 4> pads{};  // explicit: top, bottom, left, right

  // INVALID_ARGUMENT for lists of another length than four, for numbers below
  // one, and for anything but 1 in the batch and depth dimensions.
  static Result<WindowAttrs> From(const AttrMap& attrs);
  // The two spatial numbers of list attribute `name`, checked likewise.
  Result<std::array<int64_t, 2>> Spatial(const AttrMap& attrs,
                                         std::string_view name) const;

  int channel_dim() const { return nchw ? 1 : 3; }
  int spatial_dim(int i) const { return (nchw ? 2 : 1) + i; }
  Shape Image(int64_t n, int64_t h, int64_t w, int64_t c) const {
    return nchw ? Shape{n, c, h, w} : Shape{n, h, w, c};
  }
  // The window of `size` along height (0) or width (1) of an image; unknown
  // sizes give an unknown output. INVALID_ARGUMENT when it does not fit.
  Result<Window> Along(int i, int64_t in, int64_t size) const;
};

// The error of a filter that multiplies nothing.
Status NoFilterElements();

// Volumes are [N,D,H,W,C] or, data_format NCDHW, [N,C,D,H,W].
bool VolumeChannelsFirst(const AttrMap& attrs);
// Along depth, height and width of a volume, of list attribute `name`.
// INVALID_ARGUMENT unless it has 5 positive numbers, 1 for batch and channels.
Result<std::array<int64_t, 3>> SpatialOfVolume(const AttrMap& attrs,
                                               const char* name);
// The windows of these sizes along a volume's depth, height and width, by the
// attributes strides, padding and dilations; the last may be missing.
Result<std::array<Window, 3>> WindowsOfVolume(
    const AttrMap& attrs, const Shape& volume,
    const std::array<int64_t, 3>& sizes);

}  // namespace lockstep
