// SPDX-License-Identifier: Apache-2.0
#pragma once

// The arithmetic of softmax over rows, shared by Softmax, LogSoftmax and the
// cross-entropy losses; float and double. For authors of kernels: include in
// one .cc of the family each, functions are local to it.

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/math/vector_math.h"

namespace lockstep {
namespace {

// Rows that fit the first cache, to be worked on at once.
inline int64_t SoftmaxRowsAtOnce(int64_t classes) {
  return std::max<int64_t>(1, 4096 / std::max<int64_t>(1, classes));
}

struct SoftmaxExpFn {
  static float Apply(float x) { return vm::Exp(x); }
  static double Apply(double x) { return vm::Exp(x); }
};

// d[r] = x[r] - max of x[r], for each row of [rows, classes]. d may be x.
template <class T>
LS_SIMD_CLONES void SubtractRowMax(T* d, const T* x, int64_t rows,
                                   int64_t classes) {
  for (int64_t r = 0; r < rows; ++r) {
    const T* from = x + r * classes;
    T* to = d + r * classes;
    T top = -std::numeric_limits<T>::infinity();
#pragma omp simd reduction(max : top)
    for (int64_t c = 0; c < classes; ++c) top = from[c] > top ? from[c] : top;
#pragma omp simd
    for (int64_t c = 0; c < classes; ++c) to[c] = from[c] - top;
  }
}

template <class T>
LS_SIMD_CLONES T RowSum(const T* x, int64_t n) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += x[i];
  return sum;
}

}  // namespace
}  // namespace lockstep
