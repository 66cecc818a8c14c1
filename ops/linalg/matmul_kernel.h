// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one matrix product behind MatMul, _FusedMatMul and BatchMatMulV2: float,
// and BFloat16 on processors that have it, by oneDNN, other dtypes, very small
// ones and floats with many zeros by loops of our own. Made in prepare, used in
// run.
//
//   LS_ASSIGN_OR_RETURN(MatMulDims d, MatMulDimsOf(a_shape, b_shape, ta, tb));
//   return PrepareMatMul<T>(p, d, {});
//   ...
//   return RunMatMul<T>(k);

#include <array>
#include <vector>

#include "ops/linalg/plain_matmul.h"
#include "ops/linalg/skipping_matmul.h"
#include "ops/linalg/split_matmul.h"
#include "runtime/op/kernel.h"

namespace lockstep::detail {

// From fully known shapes of rank >= 2, checked by the op's shape rule.
Result<MatMulDims> MatMulDimsOf(const Shape& a, const Shape& b,
                                bool transpose_a, bool transpose_b);

struct MatMulState {
  MatMulDims dims;
  MatMulEpilogue epilogue;
  bool plain = false;
  SkippingMatMul skipping;                      // in runs where it pays
  SplitMatMul split;                            // prepared or not
  DnnlProgram program;                          // in all other cases
  std::vector<std::array<int64_t, 2>> offsets;  // plain: of a and b, a batch
};

// Where each batch's operands begin, in elements of a and b.
std::vector<std::array<int64_t, 2>> MatMulOffsets(const MatMulDims& dims);

// Makes the kernel's MatMulState and requests its scratch.
template <class T>
Status PrepareMatMul(PrepareContext& p, const MatMulDims& dims,
                     const MatMulEpilogue& epilogue);
// output 0 = input 0 * input 1 (+ input 2) (+ input 3).
template <class T>
Status RunMatMul(KernelContext& k);

}  // namespace lockstep::detail
