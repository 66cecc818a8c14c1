// SPDX-License-Identifier: Apache-2.0
#pragma once

// A rectangular part of a tensor, as checkpoints name the parts of a
// partitioned variable: a start and a length for each dimension.
//
// Thread-compatible.
//
//   LS_ASSIGN_OR_RETURN(ShapeAndSlice s, ParseShapeAndSlice("10 4 5,5:-"));
//   s.full;                // [10,4]
//   s.part;                // [5,4]
//   s.slice.ToString();    // "5,5:-"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/shape.h"
#include "runtime/core/status.h"
#include "runtime/core/tensor.h"

namespace lockstep {

struct TensorSlice {
  static constexpr int64_t kAll = -1;
  struct Extent {
    int64_t start = 0;
    int64_t length = kAll;  // kAll: the whole dimension, start is then 0
    bool operator==(const Extent&) const = default;
  };
  std::vector<Extent> extents;  // one for each dimension

  static TensorSlice Whole(int rank) {
    return {std::vector<Extent>(static_cast<size_t>(rank))};
  }
  // "0,5:-": start and length, or "-" for all, of each dimension.
  static Result<TensorSlice> Parse(std::string_view text);
  std::string ToString() const;
  // The shape of this part of a tensor of shape `full`; INVALID_ARGUMENT when
  // the ranks differ or the part reaches beyond it.
  Result<Shape> ShapeIn(const Shape& full) const;
  bool operator==(const TensorSlice&) const = default;
};

// What a Save or Restore op says of one tensor: "" for all of it, or the full
// shape's dims and a slice, "10 4 5,5:-".
struct ShapeAndSlice {
  bool whole = true;  // the text was empty; the rest is unset
  Shape full;
  TensorSlice slice;
  Shape part;
};
Result<ShapeAndSlice> ParseShapeAndSlice(std::string_view text);

// The number of elements that are in both parts; same requirements as below.
int64_t CountOverlap(const Shape& full, const TensorSlice& a,
                     const TensorSlice& b);
// Copies the elements that both parts of a tensor of shape `full` have from
// `from` (which holds `from_slice`) to `to`; returns how many there are.
// Requires slices that fit `full`, tensors of their shapes, equal dtypes.
int64_t CopyOverlap(const Shape& full, const TensorSlice& from_slice,
                    const Tensor& from, const TensorSlice& to_slice,
                    Tensor& to);

// The key of a part of tensor `name` in a checkpoint's index.
std::string SliceKey(std::string_view name, const TensorSlice& slice);

}  // namespace lockstep
