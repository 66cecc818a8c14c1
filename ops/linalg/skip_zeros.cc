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
static_assert(kMinColumns == kColumns / 2);

// One line of so many is looked at, and so many elements in a hundred of those
// may be other than 0. Multiplying by what is left takes as long an element as
// a dense product at best, and a third longer as a rule.
constexpr int64_t kSampled = 16, kMostInHundred = 40;
constexpr int64_t kFiniteGrain = 1 << 15;

typedef float Vector __attribute__((vector_size(64)));
typedef int32_t Integers __attribute__((vector_size(64)));
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

// Adds what is not 0 of x, elements l to l + 15 of row i, of which `n` are
// listed.
LS_AVX512 inline int32_t AddVector(__m512 x, __mmask16 mask, int64_t l,
                                   int64_t i, int32_t n, Entries& e) {
  const __m512i lanes =
      _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i at =
      _mm512_add_epi32(lanes, _mm512_set1_epi32(static_cast<int32_t>(l)));
  _mm512_storeu_ps(e.value[i] + n, _mm512_maskz_compress_ps(mask, x));
  _mm512_storeu_si512(e.at[i] + n, _mm512_maskz_compress_epi32(mask, at));
  return n + std::popcount(static_cast<uint32_t>(mask));
}

LS_AVX512 void ListRow(const float* row, int64_t inner, int64_t i, Entries& e) {
  int32_t n = 0;
  for (int64_t l = 0; l < inner; l += kLanes) {
    __m512 x;
    const __mmask16 mask = NonzeroOf(row + l, inner - l, &x);
    n = AddVector(x, mask, l, i, n, e);
  }
  e.count[i] = n;
}

// Sixteen vectors become those of their first, second ... elements: each round
// rotates the four bits of a vector's number and the four of an element's by
// one.
LS_AVX512 inline void Transpose(__m512* r) {
  __m512 t[kLanes];
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

// Up to sixteen rows from the i-th, of which `there` are, that are stored as
// columns.
LS_AVX512 void ListColumns(const LeftFactor& a, int64_t i, int64_t there,
                           int64_t inner, Entries& e) {
  int32_t n[kLanes] = {};
  for (int64_t l = 0; l < inner; l += kLanes) {
    __m512 x[kLanes] = {};
    uint32_t any = 0;
    for (int64_t j = 0; j < std::min(kLanes, inner - l); ++j) {
      any |= NonzeroOf(a.data + (l + j) * a.step + i, there, &x[j]);
    }
    if (any == 0) continue;
    Transpose(x);
    for (int64_t r = 0; r < there; ++r) {
      const __mmask16 mask =
          _mm512_cmp_ps_mask(x[r], _mm512_setzero_ps(), _CMP_NEQ_UQ);
      n[r] = AddVector(x[r], mask, l, i + r, n[r], e);
    }
  }
  std::copy_n(n, there, e.count + i);
}

void ListByMasks(const LeftFactor& a, int64_t rows, int64_t inner, Entries& e) {
  if (a.step == 1) {
    for (int64_t i = 0; i < rows; ++i) ListRow(a.data + i * a.row, inner, i, e);
  } else {
    for (int64_t i = 0; i < rows; i += kLanes) {
      ListColumns(a, i, std::min(kLanes, rows - i), inner, e);
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
  alignas(64) float columns[kInner * kColumns];
};

// `width` columns of a tile of b, one row after the other, filled up to whole
// vectors: whatever b's width is, no vector lies across two cache lines.
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

// to[j] = element at[j] of a and b, one behind the other.
[[gnu::always_inline]] inline void Shuffle(const Vector& a, const Vector& b,
                                           const Integers& at, Vector* to) {
#if defined(__clang__)  // which knows constant places only
  for (int j = 0; j < kLanes; ++j) {
    (*to)[j] = at[j] < kLanes ? a[at[j]] : b[at[j] - kLanes];
  }
#else
  *to = __builtin_shuffle(a, b, at);
#endif
}

// The last vector of a row, of which only the first `count` elements are the
// row's: it is read and written with elements of the one before.
struct LastVector {
  Integers to_front, to_back;
  int64_t back;  // elements of the one before

  explicit LastVector(int64_t count) : back(kLanes - count) {
    for (int j = 0; j < kLanes; ++j) {
      to_front[j] = static_cast<int32_t>(j < count ? j + back : kLanes);
      to_back[j] = static_cast<int32_t>(j + count);
    }
  }
};

// sums = or += row i of the entries times the columns: V vectors.
template <int V, bool kWhole>
[[gnu::always_inline]] inline void AddRow(const Entries& e, int64_t i,
                                          const float* columns, bool first,
                                          const LastVector& last, float* sums) {
  constexpr int kAlone = kWhole ? V : V - 1;
  float* const end = sums + (V - 1) * kLanes - last.back;
  Vector acc[V] = {};
  if (!first) {
#pragma GCC unroll 6
    for (int v = 0; v < kAlone; ++v) {
      acc[v] = *reinterpret_cast<const Unaligned*>(sums + v * kLanes);
    }
    if (!kWhole) {
      const Vector there = *reinterpret_cast<const Unaligned*>(end);
      Shuffle(there, Vector{}, last.to_front, &acc[V - 1]);
    }
  }
  const int32_t *at = e.at[i], *const done = at + e.count[i];
  for (const float* value = e.value[i]; at < done; ++at, ++value) {
    const float* row = columns + *at * (V * kLanes);
#pragma GCC unroll 6
    for (int v = 0; v < V; ++v) {
      acc[v] += *value * *reinterpret_cast<const Vector*>(row + v * kLanes);
    }
  }
#pragma GCC unroll 6
  for (int v = 0; v < kAlone; ++v) {
    *reinterpret_cast<Unaligned*>(sums + v * kLanes) = acc[v];
  }
  if (!kWhole) {
    Vector both;
    Shuffle(acc[V - 2], acc[V - 1], last.to_back, &both);
    *reinterpret_cast<Unaligned*>(end) = both;
  }
}

// `width` columns of c, which take V vectors.
template <int V>
LS_SIMD_CLONES void AddColumns(const Entries& e, int64_t rows,
                               const float* columns, int64_t width, int64_t n,
                               bool first, float* c) {
  const LastVector last(width - (V - 1) * kLanes);
  for (int64_t i = 0; i < rows; ++i, c += n) {
    if (last.back == 0) {
      AddRow<V, true>(e, i, columns, first, last, c);
    } else {
      AddRow<V, false>(e, i, columns, first, last, c);
    }
  }
}
// Of kMinColumns, half of the most, at least.
constexpr decltype(&AddColumns<3>) kAddColumns[] = {
    AddColumns<3>, AddColumns<4>, AddColumns<5>, AddColumns<6>};

// Calls f(first column, columns, vectors before, vectors) for each part of the
// columns that is multiplied at once: of about the same width, as every part
// goes over the same entries.
template <class F>
void ForParts(int64_t n, const F& f) {
  const int64_t vectors = (n + kLanes - 1) / kLanes;
  const int64_t parts = (vectors + kVectors - 1) / kVectors;
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t begin = vectors * part / parts;
    const int64_t count = vectors * (part + 1) / parts - begin;
    f(begin * kLanes, std::min(count * kLanes, n - begin * kLanes), begin,
      count);
  }
}

// Tiles of the inner dimension.
int64_t TilesOf(int64_t k) { return (k + kInner - 1) / kInner; }

// c = a b, whose packed columns columns(first row, rows, first column, columns,
// vectors before) returns.
template <class F>
void Multiply(const LeftFactor& a, float* c, int64_t m, int64_t n, int64_t k,
              Entries& entries, const F& columns) {
  const int64_t tiles = TilesOf(k);
  for (int64_t i = 0; i < m; i += kRows) {
    const int64_t rows = std::min(kRows, m - i);
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t begin = k * t / tiles, inner = k * (t + 1) / tiles - begin;
      List({a.data + i * a.row + begin * a.step, a.row, a.step}, rows, inner,
           entries);
      ForParts(n, [&](int64_t j, int64_t width, int64_t before, int64_t count) {
        kAddColumns[count - kVectors / 2](
            entries, rows, columns(begin, inner, j, width, before), width, n,
            t == 0, c + i * n + j);
      });
    }
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
  return n >= kMinColumns && m * k >= 1 << 12 && m * n * k >= 1 << 21;
}

bool SkippingZerosPays(const LeftFactor& a, const float* b, int64_t m,
                       int64_t n, int64_t k) {
  return ManyZeros(a, m, k) && AllFinite(b, k * n);
}

size_t SkipZerosScratch() { return AlignedSize(sizeof(Memory)); }

void MultiplySkippingZeros(const LeftFactor& a, const float* b, float* c,
                           int64_t m, int64_t n, int64_t k, void* scratch) {
  auto& memory = *static_cast<Memory*>(scratch);
  Multiply(a, c, m, n, k, memory.entries,
           [&](int64_t begin, int64_t inner, int64_t j, int64_t width,
               int64_t) -> const float* {
             Pack(b + begin * n + j, n, inner, width, memory.columns);
             return memory.columns;
           });
}

size_t PackedFactorBytes(int64_t n, int64_t k) {
  const int64_t vectors = (n + kLanes - 1) / kLanes;
  return AlignedSize(static_cast<size_t>(vectors * kLanes * k) * sizeof(float));
}

void PackFactor(const float* b, int64_t n, int64_t k, float* to) {
  const int64_t vectors = (n + kLanes - 1) / kLanes, tiles = TilesOf(k);
  ParallelFor(tiles, 1, [&](int64_t first, int64_t last) {
    for (int64_t t = first; t < last; ++t) {
      const int64_t begin = k * t / tiles, inner = k * (t + 1) / tiles - begin;
      float* const tile = to + begin * vectors * kLanes;
      ForParts(n, [&](int64_t j, int64_t width, int64_t before, int64_t) {
        Pack(b + begin * n + j, n, inner, width,
             tile + before * kLanes * inner);
      });
    }
  });
}

void MultiplyPackedSkippingZeros(const LeftFactor& a, const float* packed,
                                 float* c, int64_t m, int64_t n, int64_t k,
                                 void* scratch) {
  const int64_t vectors = (n + kLanes - 1) / kLanes;
  Multiply(a, c, m, n, k, static_cast<Memory*>(scratch)->entries,
           [&](int64_t begin, int64_t inner, int64_t, int64_t,
               int64_t before) -> const float* {
             return packed + (begin * vectors + before * inner) * kLanes;
           });
}

}  // namespace lockstep::detail
