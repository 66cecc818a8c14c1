// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sixteen floats at a time, in whatever registers the processor has: for
// functions with LS_SIMD_CLONES, into which these are compiled.

#include <algorithm>
#include <cstdint>

namespace lockstep::detail {

inline constexpr int64_t kLanes = 16;

typedef float Vector16 __attribute__((vector_size(64)));
typedef float UnalignedVector16
    __attribute__((vector_size(64), aligned(alignof(float)), may_alias));

[[gnu::always_inline]] inline void Load16(const float* x, Vector16* v) {
  *v = *reinterpret_cast<const UnalignedVector16*>(x);
}
[[gnu::always_inline]] inline void Store16(const Vector16& v, float* x) {
  *reinterpret_cast<UnalignedVector16*>(x) = v;
}

// The first `count` elements; the others are 0, or left as they are.
[[gnu::always_inline]] inline void LoadSome(const float* x, int64_t count,
                                            Vector16* v) {
  if (count >= kLanes) {
    Load16(x, v);
    return;
  }
  alignas(64) float some[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) some[i] = x[i];
  Load16(some, v);
}
[[gnu::always_inline]] inline void StoreSome(const Vector16& v, int64_t count,
                                             float* x) {
  if (count >= kLanes) {
    Store16(v, x);
    return;
  }
  alignas(64) float all[kLanes];
  Store16(v, all);
  for (int64_t i = 0; i < count; ++i) x[i] = all[i];
}

// Sixteen vectors become those of their first, second ... elements: each round
// rotates the four bits of a vector's number and the four of an element's by
// one. V is a vector of 16 floats of any name.
template <class V>
[[gnu::always_inline]] inline void Transpose16(V* r) {
  V t[kLanes];
#pragma GCC unroll 4
  for (int round = 0; round < 4; ++round) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      t[2 * i] = __builtin_shufflevector(r[i], r[i + 8], 0, 16, 1, 17, 2, 18, 3,
                                         19, 4, 20, 5, 21, 6, 22, 7, 23);
      t[2 * i + 1] =
          __builtin_shufflevector(r[i], r[i + 8], 8, 24, 9, 25, 10, 26, 11, 27,
                                  12, 28, 13, 29, 14, 30, 15, 31);
    }
    std::copy_n(t, kLanes, r);
  }
}

}  // namespace lockstep::detail
