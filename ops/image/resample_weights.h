// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which sources a target of a resized image's row or column is the weighted sum
// of; for ops/image/resample.cc. Free functions, thread-safe.
//
//   const Sums rows = CubicSums(attrs, 32, 64);
//   for (size_t i = rows.begin[t]; i < rows.begin[t + 1]; ++i) {
//     y += rows.weights[i] * x[rows.first[t] + (i - rows.begin[t])];
//   }

#include <vector>

#include "runtime/core/status.h"
#include "runtime/op/attr.h"

namespace lockstep {

// Sums of neighbouring sources along one dimension, one for each target.
struct Sums {
  std::vector<int64_t> first;       // source of each target
  std::vector<size_t> begin = {0};  // of its weights, and the end of the last
  std::vector<float> weights;
  void End(int64_t source) {
    first.push_back(source);
    begin.push_back(weights.size());
  }
  int64_t targets() const { return static_cast<int64_t>(first.size()); }
};

// From `in` sources to `out` targets, as ResizeBicubic and ResizeArea with
// these attributes. Keys, "Cubic convolution interpolation for digital image
// processing", 1981.
Sums CubicSums(const AttrMap& attrs, int64_t in, int64_t out);
Sums AreaSums(const AttrMap& attrs, int64_t in, int64_t out);

// Of ScaleAndTranslate.
struct ResampleKernel {
  const char* name;
  float radius;
  float (*at)(float x);  // x >= 0
};
// The one that attribute kernel_type names; INVALID_ARGUMENT for none.
Result<const ResampleKernel*> ResampleKernelOf(const AttrMap& attrs);
Sums KernelSums(const ResampleKernel& kernel, bool antialias, float scale,
                float translation, int64_t in, int64_t out);

}  // namespace lockstep
