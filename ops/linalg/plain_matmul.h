// SPDX-License-Identifier: Apache-2.0
#pragma once

// Matrix products by loops of our own, for every dtype: what oneDNN does not
// do, and float products so small that oneDNN would spend more on setting
// them up than on multiplying.
//
// Each element is one sum in the order of k, so it does not depend on the
// other rows and columns, nor on the number of threads.
//
//   std::vector<char> scratch(MultiplyPlainScratch<float>(dims));
//   MultiplyPlain<float>(dims, a, b, c, scratch.data());

#include "ops/math/elementwise.h"
#include "runtime/core/shape.h"

// M(type) for every dtype that products are made of.
// clang-format off
#define LS_MATMUL_TYPES(M)                                               \
  M(float) M(double)                                                     \
  M(int8_t) M(int16_t) M(int32_t) M(int64_t)                             \
  M(uint8_t) M(uint16_t) M(uint32_t) M(uint64_t)                         \
  M(Half) M(BFloat16) M(std::complex<float>) M(std::complex<double>)
// clang-format on

namespace lockstep::detail {

// Float products up to this many multiplications are done by our own loops.
inline constexpr int64_t kPlainProducts = 1 << 16;

// c[i] = a[i] b[i] for each batch i; the batch shapes broadcast to `batch`.
struct MatMulDims {
  int64_t m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;
  bool conjugate_a = false, conjugate_b = false;  // of complex numbers
  Shape batch_a, batch_b, batch;
};

// What is done to a sum before it is written, with `bias` one for each column.
template <class A>
struct PlainEpilogue {
  const A* bias = nullptr;  // null: none
  bool relu = false;        // of numbers that have an order
};

// One product c = a b, whatever the batches; `scratch` has
// MultiplyPlainScratch bytes, aligned to 64.
template <class T>
void MultiplyPlain(const MatMulDims& dims, const T* a, const T* b, T* c,
                   void* scratch,
                   const PlainEpilogue<ArithmeticType<T>>& epilogue = {});

// Columns that are multiplied side by side: one vector, or all.
template <class A>
int64_t PlainPanelWidth(int64_t n) {
  return kIsComplex<A> ? n : static_cast<int64_t>(64 / sizeof(A));
}

template <class T>
size_t MultiplyPlainScratch(const MatMulDims& d) {
  using A = ArithmeticType<T>;
  const int64_t width = std::max<int64_t>(PlainPanelWidth<A>(d.n), 1);
  const int64_t columns = (d.n + width - 1) / width * width;
  const int64_t left = sizeof(A) == sizeof(T) ? 0 : d.m * d.k;
  return static_cast<size_t>(d.k * columns + left) * sizeof(A);
}

}  // namespace lockstep::detail
