// SPDX-License-Identifier: Apache-2.0
#pragma once

// StridedRange: what Python's x[begin:end:stride, ...] selects, with
// TensorFlow's masks; shared by StridedSlice, its gradient and assignment.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/op/shape_context.h"

namespace lockstep {

struct StridedMasks {
  int64_t begin = 0, end = 0, ellipsis = 0, new_axis = 0, shrink_axis = 0;
  static StridedMasks From(const AttrMap& attrs);
};

// For each axis of the input: where it begins, its stride, and how many
// elements are taken (unknown where the input's size is).
struct StridedRange {
  std::vector<int64_t> begin, stride, count;
  std::vector<int> output_axis;  // where it is in `output`; -1: shrunk
  Shape output;  // with shrunk axes left out and new ones put in
};

// `begin`, `end` and `strides` have one length. INVALID_ARGUMENT for a stride
// of 0, too many indices, or a shrunk index out of range.
Result<StridedRange> ResolveStrides(const Shape& input,
                                    std::span<const int64_t> begin,
                                    std::span<const int64_t> end,
                                    std::span<const int64_t> strides,
                                    const StridedMasks& masks);

}  // namespace lockstep
