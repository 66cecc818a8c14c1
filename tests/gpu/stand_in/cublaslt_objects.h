// SPDX-License-Identifier: Apache-2.0
#pragma once

// What cuBLASLt's handles stand for, here. Of any thread.

#include <cublasLt.h>

#include "tests/gpu/stand_in/numbers.h"

struct cublasLtContext {
  int device;
};

namespace lockstep::stand_in {

struct Layout {
  Element type;
  int64_t rows, columns, leading;
  int32_t batches = 1;
  int64_t stride = 0;

  int64_t At(int64_t batch, int64_t row, int64_t column) const {
    return batch * stride + column * leading + row;
  }
  size_t bytes() const {
    return static_cast<size_t>(At(batches - 1, rows - 1, columns - 1) + 1) *
           SizeOf(type);
  }
  bool operator==(const Layout&) const = default;
};

struct Product {
  Element compute;
  cublasOperation_t op_a = CUBLAS_OP_N, op_b = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;

  bool has_bias() const {
    return epilogue == CUBLASLT_EPILOGUE_BIAS ||
           epilogue == CUBLASLT_EPILOGUE_RELU_BIAS;
  }
};

struct Wishes {
  uint64_t workspace = 0;
  uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_MASK;
  uint32_t alignment[4] = {256, 256, 256, 256};  // of A, B, C and D
};

// Whether it has been made and is not destroyed.
bool IsLive(const void* made);

inline Layout& LayoutOf(cublasLtMatrixLayout_t layout) {
  return *reinterpret_cast<Layout*>(layout);
}
inline Product& ProductOf(cublasLtMatmulDesc_t product) {
  return *reinterpret_cast<Product*>(product);
}
inline Wishes& WishesOf(cublasLtMatmulPreference_t wishes) {
  return *reinterpret_cast<Wishes*>(wishes);
}

}  // namespace lockstep::stand_in
