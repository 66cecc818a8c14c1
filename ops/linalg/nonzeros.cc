// SPDX-License-Identifier: Apache-2.0
#include "ops/linalg/nonzeros.h"

#include <bit>

#include "runtime/core/simd.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define LS_LISTS_BY_MASKS
#endif

namespace lockstep::detail {
namespace {

constexpr int64_t kSampled = 16;  // one line of so many is looked at

// Written in any case and kept where it is wanted: a branch would be
// mispredicted.
void Add(int64_t row, float x, int64_t column, bool wanted, Entries* e) {
  const int32_t n = e->count[row];
  e->value[row][n] = x;
  e->at[row][n] = static_cast<int32_t>(column);
  e->count[row] = n + wanted;
}

void ListPlain(const Factor& a, int64_t rows, int64_t columns, bool zeros,
               Entries* e) {
  std::fill_n(e->count, rows, 0);
  for (int64_t l = 0; l < columns; ++l) {
    for (int64_t i = 0; i < rows; ++i) {
      const float x = a.data[i * a.row + l * a.step];
      Add(i, x, l, zeros || x != 0, e);
    }
  }
}

#ifdef LS_LISTS_BY_MASKS
#define LS_AVX512 __attribute__((target("avx512f")))

// Loads 16 floats, or what is `left` of them; the mask tells which are not 0.
LS_AVX512 inline __mmask16 NonzeroOf(const float* x, int64_t left, __m512* v) {
  const auto there =
      static_cast<__mmask16>(left >= kLanes ? 0xffff : (1 << left) - 1);
  *v = _mm512_maskz_loadu_ps(there, x);
  return _mm512_cmp_ps_mask(*v, _mm512_setzero_ps(), _CMP_NEQ_UQ);
}

// Adds what is not 0 of x, elements l to l + 15 of row i, of which `n` are
// listed.
LS_AVX512 inline int32_t AddVector(__m512 x, __mmask16 mask, int64_t l,
                                   int64_t i, int32_t n, Entries* e) {
  const __m512i lanes =
      _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i at =
      _mm512_add_epi32(lanes, _mm512_set1_epi32(static_cast<int32_t>(l)));
  _mm512_storeu_ps(e->value[i] + n, _mm512_maskz_compress_ps(mask, x));
  _mm512_storeu_si512(e->at[i] + n, _mm512_maskz_compress_epi32(mask, at));
  return n + std::popcount(static_cast<uint32_t>(mask));
}

LS_AVX512 void ListRow(const float* row, int64_t columns, int64_t i,
                       Entries* e) {
  int32_t n = 0;
  for (int64_t l = 0; l < columns; l += kLanes) {
    __m512 x;
    const __mmask16 mask = NonzeroOf(row + l, columns - l, &x);
    n = AddVector(x, mask, l, i, n, e);
  }
  e->count[i] = n;
}

// Rows that are stored as columns.
LS_AVX512 void ListTransposed(const Factor& a, int64_t rows, int64_t columns,
                              Entries* e) {
  int32_t n[kGroup] = {};
  for (int64_t l = 0; l < columns; l += kLanes) {
    __m512 x[kLanes] = {};
    uint32_t any = 0;
    for (int64_t j = 0; j < std::min(kLanes, columns - l); ++j) {
      any |= NonzeroOf(a.data + (l + j) * a.step, rows, &x[j]);
    }
    if (any == 0) continue;
    Transpose16(x);
    for (int64_t r = 0; r < rows; ++r) {
      const __mmask16 mask =
          _mm512_cmp_ps_mask(x[r], _mm512_setzero_ps(), _CMP_NEQ_UQ);
      n[r] = AddVector(x[r], mask, l, r, n[r], e);
    }
  }
  std::copy_n(n, rows, e->count);
}

void ListByMasks(const Factor& a, int64_t rows, int64_t columns, Entries* e) {
  if (a.step == 1) {
    for (int64_t i = 0; i < rows; ++i) {
      ListRow(a.data + i * a.row, columns, i, e);
    }
  } else {
    ListTransposed(a, rows, columns, e);
  }
}
#endif

LS_SIMD_CLONES int64_t CountNonzero(const float* x, int64_t count) {
  int32_t nonzero = 0;
  for (int64_t i = 0; i < count; ++i) nonzero += x[i] != 0;
  return nonzero;
}

}  // namespace

void ListNonzeros(const Factor& a, int64_t rows, int64_t columns, Entries* e) {
#ifdef LS_LISTS_BY_MASKS
  static const bool by_masks = __builtin_cpu_supports("avx512f");
  if (by_masks) {
    ListByMasks(a, rows, columns, e);
    return;
  }
#endif
  ListPlain(a, rows, columns, /*zeros=*/false, e);
}

void ListAll(const Factor& a, int64_t rows, int64_t columns, Entries* e) {
  ListPlain(a, rows, columns, /*zeros=*/true, e);
}

double DensityOf(const Factor& a, int64_t rows, int64_t columns) {
  const bool along_rows = a.step == 1;
  const int64_t lines = along_rows ? rows : columns;
  const int64_t length = along_rows ? columns : rows;
  const int64_t apart = along_rows ? a.row : a.step;
  int64_t looked = 0, nonzero = 0;
  for (int64_t i = 0; i < lines; i += kSampled, looked += length) {
    nonzero += CountNonzero(a.data + i * apart, length);
  }
  return static_cast<double>(nonzero) / static_cast<double>(looked);
}

}  // namespace lockstep::detail
