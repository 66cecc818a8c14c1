// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one matrix product behind MatMul, _FusedMatMul and BatchMatMulV2: float
// by oneDNN, other dtypes by loops of our own. Made in prepare, used in run.
//
//   LS_ASSIGN_OR_RETURN(MatMulDims d, MatMulDimsOf(a_shape, b_shape, ta, tb));
//   return PrepareMatMul<T>(p, d, {});
//   ...
//   return RunMatMul<T>(k);

#include <array>
#include <vector>

#include "ops/dnnl/dnnl_create.h"
#include "ops/math/elementwise.h"
#include "runtime/op/kernel.h"

namespace lockstep::detail {

// c[i] = a[i] b[i] for each batch i; the batch shapes broadcast to `batch`.
struct MatMulDims {
  int64_t m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;
  bool conjugate_a = false, conjugate_b = false;  // of complex numbers
  Shape batch_a, batch_b, batch;
};

// From fully known shapes of rank >= 2, checked by the op's shape rule.
Result<MatMulDims> MatMulDimsOf(const Shape& a, const Shape& b,
                                bool transpose_a, bool transpose_b);

// What follows the product, float only.
struct MatMulEpilogue {
  bool bias = false;  // input 2: [n]
  bool relu = false;
};

struct MatMulState {
  MatMulDims dims;
  MatMulEpilogue epilogue;
  DnnlProgram program;  // float with elements to multiply
  std::vector<std::array<int64_t, 2>> offsets;  // others: of a and b, a batch
};

// Where each batch's operands begin, in elements of a and b.
std::vector<std::array<int64_t, 2>> MatMulOffsets(const MatMulDims& dims);

// One product c = a b by loops of our own, for every dtype; `scratch` has
// MultiplyPlainScratch bytes.
template <class T>
void MultiplyPlain(const MatMulDims& dims, const T* a, const T* b, T* c,
                   void* scratch);
template <class T>
size_t MultiplyPlainScratch(const MatMulDims& dims) {
  return static_cast<size_t>(dims.k * dims.n) * sizeof(ArithmeticType<T>);
}

// Makes the kernel's MatMulState and requests its scratch.
template <class T>
Status PrepareMatMul(PrepareContext& p, const MatMulDims& dims,
                     const MatMulEpilogue& epilogue);
// output 0 = input 0 * input 1 (+ input 2).
template <class T>
Status RunMatMul(KernelContext& k);

}  // namespace lockstep::detail
