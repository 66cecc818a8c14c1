// SPDX-License-Identifier: Apache-2.0
#pragma once

// A product of MatMul, c = a b + bias, by MultiplySkippingZeros, in runs whose
// a has many zeros. As in SplitMatMul, small results are made of two halves of
// the inner dimension, so that a thread reads the weights that it has updated;
// larger ones are divided by rows alone. The bits are the same on any number
// of threads. Used by one thread at a time.
//
//   if (SkippingMatMul::May(dims)) s.skipping.Prepare(dims, epilogue);
//   p.RequestScratch(s.skipping.scratch_bytes());
//   ...
//   if (s.skipping.Pays(a, b)) {
//     s.skipping.Run(a, b, bias, c, k.scratch());
//   }

#include "ops/linalg/skip_zeros.h"
#include "ops/linalg/split_matmul.h"

namespace lockstep::detail {

class SkippingMatMul {
 public:
  // For one product with a b that is not transposed.
  static bool May(const MatMulDims& dims);

  void Prepare(const MatMulDims& dims, const MatMulEpilogue& epilogue);
  size_t scratch_bytes() const { return scratch_bytes_; }
  // Whether it is prepared and the values in this run are such.
  bool Pays(const float* a, const float* b) const;
  // `bias` is null where there is none.
  void Run(const float* a, const float* b, const float* bias, float* c,
           void* scratch) const;

 private:
  // Some rows of one half of the sums.
  void RunTask(int64_t task, LeftFactor a, const float* b, float* c,
               void* scratch) const;

  LeftFactor Left(const float* a) const {
    return LeftFactor::Of(a, dims_.m, dims_.k, dims_.transpose_a);
  }

  MatMulDims dims_;
  bool relu_ = false;
  int64_t halves_ = 0;  // 0: not prepared
  int64_t blocks_ = 0;  // of rows, in each half
  int64_t workers_ = 0;
  size_t other_bytes_ = 0, scratch_bytes_ = 0;
};

}  // namespace lockstep::detail
