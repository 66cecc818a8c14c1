// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/float16_arrays.h"

#include <bit>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "runtime/core/simd.h"

namespace lockstep {
namespace {

#if defined(__x86_64__)
// Eight at a time; `n` is a multiple of that.
__attribute__((target("avx,f16c"))) void ConvertEights(const float* x, Half* y,
                                                       int64_t n) {
  for (int64_t i = 0; i < n; i += 8) {
    _mm_storeu_si128(
        reinterpret_cast<__m128i*>(y + i),
        _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
  }
}
__attribute__((target("avx,f16c"))) void ConvertEights(const Half* x, float* y,
                                                       int64_t n) {
  for (int64_t i = 0; i < n; i += 8) {
    _mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128(
                                reinterpret_cast<const __m128i*>(x + i))));
  }
}
bool ConvertsHalves() {
  // Processors that have AVX2 have F16C, whose name not all compilers know.
  static const bool can = __builtin_cpu_supports("avx2");
  return can;
}
#else
template <class S, class D>
void ConvertEights(const S*, D*, int64_t) {}
bool ConvertsHalves() { return false; }
#endif

template <class S, class D>
void ConvertHalves(const S* x, D* y, int64_t n) {
  if (!ConvertsHalves()) {
    for (int64_t i = 0; i < n; ++i) y[i] = x[i];
    return;
  }
  const int64_t eights = n / 8 * 8;
  ConvertEights(x, y, eights);
  if (eights == n) return;
  S from[8] = {};
  D to[8];
  std::copy(x + eights, x + n, from);
  ConvertEights(from, to, 8);
  std::copy(to, to + (n - eights), y + eights);
}

LS_SIMD_CLONES void Widen(const BFloat16* x, float* y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = x[i];
}

// As BFloat16's constructor, whose branch keeps loops from being vectorised.
LS_SIMD_CLONES void Narrow(const float* x, BFloat16* y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t b = std::bit_cast<uint32_t>(x[i]);
    const uint32_t rounded = (b + 0x7fffu + ((b >> 16) & 1u)) >> 16;
    const uint32_t nan = (b >> 16) | 0x40u;
    y[i].bits =
        static_cast<uint16_t>((b & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
  }
}

}  // namespace

void Convert(const Half* x, float* y, int64_t n) { ConvertHalves(x, y, n); }
void Convert(const float* x, Half* y, int64_t n) { ConvertHalves(x, y, n); }
void Convert(const BFloat16* x, float* y, int64_t n) { Widen(x, y, n); }
void Convert(const float* x, BFloat16* y, int64_t n) { Narrow(x, y, n); }

}  // namespace lockstep
