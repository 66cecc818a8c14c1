// SPDX-License-Identifier: Apache-2.0
#pragma once

// StridedCopy: copies an n-dimensional block of elements between two arrays
// that lay it out differently. Transpose, Slice, Pad, Concat, Split, Tile,
// BroadcastTo, Reverse and their like are each one or several such copies.
//
// Strides are in elements and may be 0 (source: repeat) or negative. Made in
// prepare; Run may be called from one thread at a time and uses the team. On a
// stream (see KernelContext::stream) both arrays are in its device's memory.
//
//   // [rows, cols] -> its transpose
//   auto copy = StridedCopy::Make(kFloat, {cols, rows}, {rows, 1}, {1, cols});
//   copy->Run(y, x);

#include <span>
#include <vector>

#include "runtime/core/dtype.h"
#include "runtime/core/shape.h"

namespace lockstep {

class StridedCopy {
 public:
  // dst[sum i_d * dst_strides[d]] = src[sum i_d * src_strides[d]] for every
  // index i within `dims`. Requires spans of one length, destinations that do
  // not overlap. UNIMPLEMENTED for a dtype whose elements have no size.
  static Result<StridedCopy> Make(DType dtype, std::span<const int64_t> dims,
                                  std::span<const int64_t> dst_strides,
                                  std::span<const int64_t> src_strides);
  // The first elements of the block in both arrays; the arrays are disjoint.
  void Run(void* dst, const void* src) const { run_(*this, dst, src); }
  Status Run(void* dst, const void* src, void* stream) const {
    if (stream != nullptr) return RunOnStream(dst, src, stream);
    Run(dst, src);
    return Ok();
  }
  int64_t size() const { return size_; }  // elements copied

 private:
  struct Dim {
    int64_t size = 1;
    int64_t dst = 0;
    int64_t src = 0;
  };
  template <class U>
  static void RunUnit(const StridedCopy& c, void* dst, const void* src);
  template <class U>
  void CopyRow(U* dst, const U* src) const;
  template <class U>
  void CopyTile(U* dst, const U* src, int64_t begin, int64_t end) const;
  void Normalise(std::vector<Dim> dims);
  Status RunOnStream(void* dst, const void* src, void* stream) const;

  int64_t size_ = 0;
  size_t unit_bytes_ = 0;
  std::vector<Dim> outer_;  // outermost first
  Dim tile_;  // when its size is not 1: copied together with inner_, in blocks
  Dim inner_;
  void (*run_)(const StridedCopy&, void*, const void*) = nullptr;
};

// Strides of a row-major array of this shape.
std::vector<int64_t> RowMajorStrides(const Shape& shape);

}  // namespace lockstep
