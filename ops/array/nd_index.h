// SPDX-License-Identifier: Apache-2.0
#pragma once

// NdIndex: how rows of an index tensor [..., k] number slices of a tensor, by
// their positions along its first k axes; shared by GatherNd, ScatterNd and
// the scatter updates of variables. For authors of ops.
//
//   const NdIndex s(indices_shape, whole_shape);
//   LS_RETURN_IF_ERROR(s.Check<int32_t>(indices));
//   float* slice = whole + s.OffsetOf(index, row);    // s.slice elements

#include <array>

#include "ops/array/axes.h"
#include "runtime/core/tensor.h"

namespace lockstep {

struct NdIndex {
  int64_t rows = 1, k = 0, slice = 1;  // slice: its elements
  // Of the first k axes, in elements.
  std::array<int64_t, Shape::kMaxRank> dims{}, strides{};

  NdIndex() = default;
  // Requires known shapes, and k <= whole.rank().
  NdIndex(const Shape& indices, const Shape& whole);

  // Element offset of row `row`; -1 when a position is out of range.
  template <class I>
  int64_t OffsetOf(const I* index, int64_t row) const {
    int64_t at = 0;
    for (int64_t d = 0; d < k; ++d) {
      const size_t u = static_cast<size_t>(d);
      const int64_t i = static_cast<int64_t>(index[row * k + d]);
      if (i < 0 || i >= dims[u]) return -1;
      at += i * strides[u];
    }
    return at;
  }

  // INVALID_ARGUMENT naming the first row that is out of range of `what`, or
  // element, where each stands for a vector of its own.
  template <class I>
  Status Check(const Tensor& indices, const char* what = "shape",
               bool elements = false) const {
    const I* index = static_cast<const I*>(indices.data());
    for (int64_t row = 0; row < rows; ++row) {
      if (OffsetOf(index, row) >= 0) continue;
      if (elements) {
        return InvalidArgument("indices[", row,
                               "] = ", static_cast<int64_t>(index[row]),
                               " is not in [0, ", dims[0], ")");
      }
      return InvalidArgument(
          "indices[", row, "] = [",
          Join(std::vector<int64_t>(index + row * k, index + (row + 1) * k),
               ", "),
          "] does not index into ", what, " [",
          Join(std::span(dims.data(), static_cast<size_t>(k)), ","), "]");
    }
    return Ok();
  }

  // The shape of all slices together: `indices`' before k, then that of `whole`
  // behind its first k axes. INVALID_ARGUMENT when k is too large.
  static Result<Shape> SlicesShape(const Shape& indices, const Shape& whole);
};

}  // namespace lockstep
