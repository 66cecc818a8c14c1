// SPDX-License-Identifier: Apache-2.0
#pragma once

// The dimensions of a convolution of images or volumes, and which of its three
// arrays is computed. Values.
//
//   LS_ASSIGN_OR_RETURN(const auto d, ConvDims::From(attrs, image, filter));
//   if (d.IsEmpty()) ...
//   for (int64_t y = 0; y < d.h.out; ++y) ...

#include "ops/conv/window.h"

namespace lockstep::detail {

struct ConvDims {
  int64_t batch = 0, in_channels = 0, out_channels = 0, groups = 1;
  Window h, w;
  bool nchw = false;  // channels before the windows' dimensions
  // Images are volumes one deep.
  bool volume = false;
  Window depth{.in = 1, .out = 1};

  // From the shapes of an image and a filter, of rank 4, or of a volume and
  // its filter, of rank 5. What is unknown is kUnknownDim. INVALID_ARGUMENT
  // when they do not fit.
  static Result<ConvDims> From(const AttrMap& attrs, const Shape& image,
                               const Shape& filter);
  Shape OutputShape() const;
  bool IsEmpty() const;  // nothing to multiply
  // Of one channel of an image, of the output; of the filter.
  int64_t in_positions() const { return depth.in * h.in * w.in; }
  int64_t out_positions() const { return depth.out * h.out * w.out; }
  int64_t taps() const { return depth.size * h.size * w.size; }
};

// What is computed, from the other two of image x, filter f and output y.
enum class ConvKind { kForward, kBackwardInput, kBackwardFilter };

}  // namespace lockstep::detail
