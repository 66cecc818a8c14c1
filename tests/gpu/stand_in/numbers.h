// SPDX-License-Identifier: Apache-2.0
#pragma once

// Elements of the types that cuBLASLt and cuDNN know here, by number, and the
// product that both are made of: plain loops in float, in double for doubles.

#include <cstdint>
#include <vector>

#include "runtime/core/float16.h"

namespace lockstep::stand_in {

enum class Element { kNone, kFloat, kHalf, kBfloat16, kDouble };

constexpr size_t SizeOf(Element type) {
  switch (type) {
    case Element::kNone: return 0;
    case Element::kFloat: return 4;
    case Element::kDouble: return 8;
    default: return 2;
  }
}

template <class T>
T Load(Element type, const void* data, int64_t i) {
  switch (type) {
    case Element::kFloat:
      return static_cast<T>(static_cast<const float*>(data)[i]);
    case Element::kHalf:
      return static_cast<T>(float{static_cast<const Half*>(data)[i]});
    case Element::kBfloat16:
      return static_cast<T>(float{static_cast<const BFloat16*>(data)[i]});
    default: return static_cast<T>(static_cast<const double*>(data)[i]);
  }
}

template <class T>
void Store(Element type, void* data, int64_t i, T value) {
  const auto narrow = static_cast<float>(value);
  switch (type) {
    case Element::kFloat: static_cast<float*>(data)[i] = narrow; break;
    case Element::kHalf: static_cast<Half*>(data)[i] = narrow; break;
    case Element::kBfloat16: static_cast<BFloat16*>(data)[i] = narrow; break;
    default: static_cast<double*>(data)[i] = static_cast<double>(value);
  }
}

// alpha product + beta before; what is multiplied by a beta of 0 is not read.
template <class T>
void Blend(Element type, void* data, int64_t i, T alpha, T product, T beta) {
  T value = alpha * product;
  if (beta != T(0)) value += beta * Load<T>(type, data, i);
  Store(type, data, i, value);
}

// sums[m, n] += a[m, k] b[k, n]
template <class T>
void AddProduct(const std::vector<T>& a, const std::vector<T>& b, size_t m,
                size_t k, size_t n, T* sums) {
  for (size_t i = 0; i < m; ++i) {
    for (size_t j = 0; j < k; ++j) {
      const T x = a[i * k + j];
      const T* const row = b.data() + j * n;
      for (size_t l = 0; l < n; ++l) sums[i * n + l] += x * row[l];
    }
  }
}

}  // namespace lockstep::stand_in
