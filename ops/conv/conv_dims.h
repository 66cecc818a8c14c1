// SPDX-License-Identifier: Apache-2.0
#pragma once

// The dimensions of a two-dimensional convolution, and which of its three
// arrays is computed. Values.
//
//   LS_ASSIGN_OR_RETURN(const ConvDims d, ConvDims::From(attrs, image,
//   filter)); if (d.IsEmpty()) ... for (int64_t y = 0; y < d.h.out; ++y) ...

#include "ops/conv/window.h"

namespace lockstep::detail {

struct ConvDims {
  int64_t batch = 0, in_channels = 0, out_channels = 0, groups = 1;
  Window h, w;
  bool nchw = false;

  // From the shapes of an image and a filter, perhaps partial: what is unknown
  // is kUnknownDim. INVALID_ARGUMENT when they do not fit.
  static Result<ConvDims> From(const AttrMap& attrs, const Shape& image,
                               const Shape& filter);
  Shape OutputShape() const;
  bool IsEmpty() const;  // nothing to multiply
};

// What is computed, from the other two of image x, filter f and output y.
enum class ConvKind { kForward, kBackwardInput, kBackwardFilter };

}  // namespace lockstep::detail
