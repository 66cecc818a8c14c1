// SPDX-License-Identifier: Apache-2.0
#pragma once

// A product of MatMul, c = a b + bias, that leaves out zeros, in runs where one
// of its factors has many. As in SplitMatMul, small results are made of two
// halves of the inner dimension, so that a thread reads the weights that it has
// updated; larger ones are divided by rows alone, and those of a transposed b
// by columns, which are rows of the weights. The bits are the same on any
// number of threads. Used by one thread at a time.
//
//   if (SkippingMatMul::May(dims)) s.skipping.Prepare(dims, epilogue);
//   p.RequestScratch(s.skipping.scratch_bytes());
//   ...
//   if (s.skipping.Run(a, b, bias, c, k.scratch())) return Ok();

#include "ops/linalg/skip_zeros.h"
#include "ops/linalg/split_matmul.h"

namespace lockstep::detail {

class SkippingMatMul {
 public:
  // For one product.
  static bool May(const MatMulDims& dims);

  void Prepare(const MatMulDims& dims, const MatMulEpilogue& epilogue);
  size_t scratch_bytes() const { return scratch_bytes_; }
  // False, and nothing done, where it is not prepared or does not pay for the
  // values in this run. `bias` is null where there is none.
  bool Run(const float* a, const float* b, const float* bias, float* c,
           void* scratch) const;

 private:
  // Part of c from part of the sums.
  struct Task {
    bool upper;  // the second half of the sums
    int64_t row, rows, column, columns, inner, inners;
  };
  Task TaskAt(int64_t index) const;

  void SkipLeft(const Factor& a, const Factor& b, float* c, float* other,
                char* memory) const;
  void SkipRight(const Factor& a, const Factor& b, const ColumnLists& lists,
                 float* c, char* memory) const;

  MatMulDims dims_;
  bool relu_ = false;
  MaySkip may_;
  int64_t halves_ = 1;
  int64_t blocks_ = 1;  // of rows or columns, in each half
  bool by_columns_ = false;
  int64_t workers_ = 1, right_workers_ = 1;
  size_t other_bytes_ = 0, lists_bytes_ = 0, scratch_bytes_ = 0;
};

}  // namespace lockstep::detail
