// SPDX-License-Identifier: Apache-2.0
#include "ops/linalg/skip_zeros.h"

#include <algorithm>
#include <atomic>
#include <bit>

#include "runtime/core/allocator.h"
#include "runtime/core/simd.h"
#include "runtime/core/threads.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define LS_LISTS_BY_MASKS
#endif

namespace lockstep::detail {
namespace {

// A tile of b, kInner rows by kColumns, stays in the first-level cache, or
// close to it, while kRows rows of a go over it.
constexpr int64_t kLanes = 16, kVectors = 6, kColumns = kLanes * kVectors;
constexpr int64_t kInner = 128, kRows = 128;

// One line of so many is looked at, and so many elements in a hundred of those
// may be other than 0. Multiplying by what is left takes as long an element as
// a dense product at best, and a third longer as a rule.
constexpr int64_t kSampled = 16, kMostInHundred = 40;
constexpr int64_t kFiniteGrain = 1 << 15;

typedef float Vector __attribute__((vector_size(64)));
typedef float Unaligned
    __attribute__((vector_size(64), aligned(alignof(float)), may_alias));

// What is not 0 in a tile of a: for each of its rows the values and the rows of
// b's tile that they are for, `count` of them, and room for what is written
// beyond. Rows are no power of two apart, or they would share a few sets of the
// cache.
struct Entries {
  float value[kRows][kInner + kLanes];
  int32_t at[kRows][kInner + kLanes];
  int32_t count[kRows];

  void Add(int64_t row, float x, int64_t inner) {
    // Written in any case and kept where it is not 0: a branch would be
    // mispredicted.
    const int32_t n = count[row];
    value[row][n] = x;
    at[row][n] = static_cast<int32_t>(inner);
    count[row] = n + (x != 0);
  }
};

// Lists the elements in rows [0, rows) and columns [0, inner) of a that are not
// 0, those of a row in the order of the columns.
void ListPlain(const LeftFactor& a, int64_t rows, int64_t inner, Entries& e) {
  std::fill_n(e.count, rows, 0);
  if (a.step == 1) {
    for (int64_t i = 0; i < rows; ++i) {
      const float* row = a.data + i * a.row;
      for (int64_t l = 0; l < inner; ++l) e.Add(i, row[l], l);
    }
  } else {
    for (int64_t l = 0; l < inner; ++l) {
      const float* column = a.data + l * a.step;
      for (int64_t i = 0; i < rows; ++i) e.Add(i, column[i], l);
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

LS_AVX512 void ListRow(const float* row, int64_t inner, int64_t i, Entries& e) {
  const __m512i lanes =
      _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  int32_t n = 0;
  for (int64_t l = 0; l < inner; l += kLanes) {
    __m512 x;
    const __mmask16 mask = NonzeroOf(row + l, inner - l, &x);
    const __m512i at =
        _mm512_add_epi32(lanes, _mm512_set1_epi32(static_cast<int32_t>(l)));
    _mm512_storeu_ps(e.value[i] + n, _mm512_maskz_compress_ps(mask, x));
    _mm512_storeu_si512(e.at[i] + n, _mm512_maskz_compress_epi32(mask, at));
    n += std::popcount(static_cast<uint32_t>(mask));
  }
  e.count[i] = n;
}

LS_AVX512 void ListColumn(const float* column, int64_t rows, int64_t l,
                          Entries& e) {
  for (int64_t i = 0; i < rows; i += kLanes) {
    __m512 x;
    uint32_t mask = NonzeroOf(column + i, rows - i, &x);
    for (; mask != 0; mask &= mask - 1) {
      const int64_t row = i + std::countr_zero(mask);
      e.Add(row, column[row], l);
    }
  }
}
void ListByMasks(const LeftFactor& a, int64_t rows, int64_t inner, Entries& e) {
  if (a.step == 1) {
    for (int64_t i = 0; i < rows; ++i) ListRow(a.data + i * a.row, inner, i, e);
  } else {
    std::fill_n(e.count, rows, 0);
    for (int64_t l = 0; l < inner; ++l) {
      ListColumn(a.data + l * a.step, rows, l, e);
    }
  }
}
#endif

void List(const LeftFactor& a, int64_t rows, int64_t inner, Entries& e) {
#ifdef LS_LISTS_BY_MASKS
  static const bool by_masks = __builtin_cpu_supports("avx512f");
  if (by_masks) {
    ListByMasks(a, rows, inner, e);
    return;
  }
#endif
  ListPlain(a, rows, inner, e);
}

struct Memory {
  Entries entries;
  // Some columns of a tile of b, one row after the other, filled up to whole
  // vectors: whatever b's width is, no vector lies across two cache lines.
  alignas(64) float columns[kInner * kColumns];
};

// `width` columns of b, filled up to whole vectors.
LS_SIMD_CLONES void Pack(const float* b, int64_t n, int64_t inner,
                         int64_t width, float* to) {
  const int64_t whole = width / kLanes * kLanes;
  for (int64_t l = 0; l < inner; ++l, b += n) {
    for (int64_t j = 0; j < whole; j += kLanes, to += kLanes) {
      *reinterpret_cast<Vector*>(to) =
          *reinterpret_cast<const Unaligned*>(b + j);
    }
    if (whole == width) continue;
    for (int64_t j = 0; j < kLanes; ++j) {
      to[j] = whole + j < width ? b[whole + j] : 0;
    }
    to += kLanes;
  }
}

// sums[0, 16 V) = or += row i of the entries times the columns.
template <int V>
[[gnu::always_inline]] inline void AddRow(const Memory& m, int64_t i,
                                          bool first, float* sums) {
  Vector acc[V] = {};
  if (!first) {
#pragma GCC unroll 6
    for (int v = 0; v < V; ++v) {
      acc[v] = *reinterpret_cast<const Unaligned*>(sums + v * kLanes);
    }
  }
  const int32_t *at = m.entries.at[i], *const end = at + m.entries.count[i];
  for (const float* value = m.entries.value[i]; at < end; ++at, ++value) {
    const float* row = m.columns + *at * (V * kLanes);
#pragma GCC unroll 6
    for (int v = 0; v < V; ++v) {
      acc[v] += *value * *reinterpret_cast<const Vector*>(row + v * kLanes);
    }
  }
#pragma GCC unroll 6
  for (int v = 0; v < V; ++v) {
    *reinterpret_cast<Unaligned*>(sums + v * kLanes) = acc[v];
  }
}

// `width` columns of c, which take V vectors.
template <int V>
LS_SIMD_CLONES void AddColumns(const Memory& m, int64_t rows, int64_t width,
                               int64_t n, bool first, float* c) {
  if (width == V * kLanes) {
    for (int64_t i = 0; i < rows; ++i) AddRow<V>(m, i, first, c + i * n);
    return;
  }
  for (int64_t i = 0; i < rows; ++i, c += n) {
    float sums[V * kLanes] = {};
    if (!first) std::copy_n(c, width, sums);
    AddRow<V>(m, i, first, sums);
    std::copy_n(sums, width, c);
  }
}
constexpr decltype(&AddColumns<1>) kAddColumns[] = {
    AddColumns<1>, AddColumns<2>, AddColumns<3>,
    AddColumns<4>, AddColumns<5>, AddColumns<6>};

// Adds the product of one tile of a by all columns of b to rows of c. Columns
// are divided into parts of about the same width, as every part goes over the
// same entries.
void AddTile(Memory& m, int64_t rows, int64_t inner, const float* b, int64_t n,
             bool first, float* c) {
  const int64_t vectors = (n + kLanes - 1) / kLanes;
  const int64_t parts = (vectors + kVectors - 1) / kVectors;
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t begin = vectors * part / parts;
    const int64_t count = vectors * (part + 1) / parts - begin;
    const int64_t j = begin * kLanes, width = std::min(count * kLanes, n - j);
    Pack(b + j, n, inner, width, m.columns);
    kAddColumns[count - 1](m, rows, width, n, first, c + j);
  }
}

LS_SIMD_CLONES int64_t CountNonzero(const float* x, int64_t count) {
  int32_t nonzero = 0;
  for (int64_t i = 0; i < count; ++i) nonzero += x[i] != 0;
  return nonzero;
}

LS_SIMD_CLONES uint32_t LargestBits(const float* x, int64_t count) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    largest = std::max(largest, std::bit_cast<uint32_t>(x[i]) & 0x7fffffffu);
  }
  return largest;
}

bool ManyZeros(const LeftFactor& a, int64_t m, int64_t k) {
  const bool along_rows = a.step == 1;
  const int64_t lines = along_rows ? m : k, length = along_rows ? k : m;
  const int64_t apart = along_rows ? a.row : a.step;
  int64_t looked = 0, nonzero = 0;
  for (int64_t i = 0; i < lines; i += kSampled, looked += length) {
    nonzero += CountNonzero(a.data + i * apart, length);
  }
  return nonzero * 100 <= looked * kMostInHundred;
}

bool AllFinite(const float* x, int64_t count) {
  constexpr uint32_t kInfinity = 0x7f800000u;
  std::atomic<bool> finite = true;
  ParallelFor(count, kFiniteGrain, [&](int64_t begin, int64_t end) {
    if (LargestBits(x + begin, end - begin) >= kInfinity) finite = false;
  });
  return finite;
}

}  // namespace

bool MaySkipZeros(int64_t m, int64_t n, int64_t k) {
  return n >= kColumns / 2 && m * k >= 1 << 12 && m * n * k >= 1 << 21;
}

bool SkippingZerosPays(const LeftFactor& a, const float* b, int64_t m,
                       int64_t n, int64_t k) {
  return ManyZeros(a, m, k) && AllFinite(b, k * n);
}

size_t SkipZerosScratch() { return AlignedSize(sizeof(Memory)); }

void MultiplySkippingZeros(const LeftFactor& a, const float* b, float* c,
                           int64_t m, int64_t n, int64_t k, void* scratch) {
  auto& memory = *static_cast<Memory*>(scratch);
  const int64_t tiles = (k + kInner - 1) / kInner;
  for (int64_t i = 0; i < m; i += kRows) {
    const int64_t rows = std::min(kRows, m - i);
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t begin = k * t / tiles, inner = k * (t + 1) / tiles - begin;
      List({a.data + i * a.row + begin * a.step, a.row, a.step}, rows, inner,
           memory.entries);
      AddTile(memory, rows, inner, b + begin * n, n, t == 0, c + i * n);
    }
  }
}

}  // namespace lockstep::detail
