// SPDX-License-Identifier: Apache-2.0
#pragma once

// A product of a few rows by a large matrix, c = a b + bias, cut along the
// inner dimension: one half of a's columns by the upper half of b's rows, the
// other by the lower, and the two added. A thread then reads the rows of the
// weights that it has in its own cache because it has updated them (see
// matmul_update.cc), instead of columns that the other threads have.
//
// With more than two threads there are more than parts, and oneDNN divides the
// whole product better: the result is the same on one and on two threads, and
// another, the same again, on more. Used by one thread at a time.

#include <vector>

#include "ops/dnnl/dnnl_create.h"
#include "ops/linalg/plain_matmul.h"

namespace lockstep::detail {

// What follows the product, of float and BFloat16.
struct MatMulEpilogue {
  bool bias = false;  // input 2: [n], of the result's type
  bool residual =
      false;  // the input behind it: [m,n], of one product of floats
  bool relu = false;
  bool wide = false;  // of BFloat16: the result is float
};

// c = c + other + bias, and no less than 0 with `relu`. `other`, the second
// half of the product's sums, and `bias` may be null.
void FinishProduct(const MatMulDims& dims, const float* other,
                   const float* bias, bool relu, float* c);

class SplitMatMul {
 public:
  // For one product with a large b that is not transposed and few rows, on no
  // more threads than there are parts.
  static bool Pays(const MatMulDims& dims);

  Status Prepare(const MatMulDims& dims, const MatMulEpilogue& epilogue);
  bool prepared() const { return !tasks_.empty(); }
  size_t scratch_bytes() const { return scratch_bytes_; }
  // `bias` is null where there is none.
  Status Run(const float* a, const float* b, const float* bias, float* c,
             void* scratch);

 private:
  struct Task {
    DnnlProgram program;
    int64_t a = 0, b = 0;  // where its operands begin
    size_t scratch = 0;
    Status done = Ok();
  };

  MatMulDims dims_;
  bool relu_ = false;
  std::vector<Task> tasks_;
  size_t scratch_bytes_ = 0;
};

}  // namespace lockstep::detail
