// SPDX-License-Identifier: Apache-2.0
#pragma once

// Arrays of 16-bit floats as floats and back (round to nearest even), by the
// processor's instructions where it has them; thread-safe. Loops over Half
// whose elements convert by themselves call a function for each.
//
//   float room[kFloat16Block];
//   for (int64_t i = 0; i < n; i += kFloat16Block) {
//     const int64_t m = std::min(kFloat16Block, n - i);
//     Convert(x + i, room, m);
//     ...

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "runtime/core/float16.h"

namespace lockstep {

template <class T>
inline constexpr bool kIsFloat16 =
    std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

// Elements that fit the first-level cache as floats with others beside them.
inline constexpr int64_t kFloat16Block = 256;

// y[i] = x[i] for n elements; x and y do not overlap.
void Convert(const Half* x, float* y, int64_t n);
void Convert(const BFloat16* x, float* y, int64_t n);
void Convert(const float* x, Half* y, int64_t n);
void Convert(const float* x, BFloat16* y, int64_t n);

// f(values, first, count) for each block of x's n elements in order.
template <class T, class F>
void ForFloatBlocks(const T* x, int64_t n, const F& f) {
  float room[kFloat16Block];
  for (int64_t i = 0; i < n; i += kFloat16Block) {
    const int64_t m = std::min(kFloat16Block, n - i);
    Convert(x + i, room, m);
    f(static_cast<const float*>(room), i, m);
  }
}

}  // namespace lockstep
