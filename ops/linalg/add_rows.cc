// SPDX-License-Identifier: Apache-2.0
#include "ops/linalg/add_rows.h"

#include <iterator>

#include "runtime/core/simd.h"

namespace lockstep::detail {
namespace {

typedef int32_t Integers __attribute__((vector_size(64)));

// to[j] = element at[j] of a and b, one behind the other.
[[gnu::always_inline]] inline void Shuffle(const Vector16& a, const Vector16& b,
                                           const Integers& at, Vector16* to) {
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

// sums = or += the row times the columns: V vectors.
template <int V, bool kWhole>
[[gnu::always_inline]] inline void AddRow(const EntryRow& row,
                                          const float* columns, bool first,
                                          const LastVector& last, float* sums) {
  constexpr int kAlone = kWhole ? V : V - 1;
  float* const end = sums + (V - 1) * kLanes - last.back;
  Vector16 acc[V] = {};
  if (!first) {
#pragma GCC unroll 6
    for (int v = 0; v < kAlone; ++v) Load16(sums + v * kLanes, &acc[v]);
    if constexpr (!kWhole) {
      Vector16 there;
      Load16(end, &there);
      Shuffle(there, Vector16{}, last.to_front, &acc[V - 1]);
    }
  }
  const int32_t *at = row.at, *const done = at + row.count;
  for (const float* value = row.value; at < done; ++at, ++value) {
    const float* b = columns + *at * (V * kLanes);
#pragma GCC unroll 6
    for (int v = 0; v < V; ++v) {
      acc[v] += *value * *reinterpret_cast<const Vector16*>(b + v * kLanes);
    }
  }
#pragma GCC unroll 6
  for (int v = 0; v < kAlone; ++v) Store16(acc[v], sums + v * kLanes);
  if constexpr (!kWhole) {
    Vector16 both;
    Shuffle(acc[V - 2], acc[V - 1], last.to_back, &both);
    Store16(both, end);
  }
}

template <int V>
LS_SIMD_CLONES void AddToVectors(const EntryRow* rows, int64_t count,
                                 const float* columns, int64_t width,
                                 bool first, float* sums, int64_t stride) {
  const LastVector last(width - (V - 1) * kLanes);
  for (int64_t i = 0; i < count; ++i, sums += stride) {
    if (V == 1 || last.back == 0) {
      AddRow<V, true>(rows[i], columns, first, last, sums);
    } else if constexpr (V > 1) {
      AddRow<V, false>(rows[i], columns, first, last, sums);
    }
  }
}

constexpr decltype(&AddToVectors<1>) kAddToVectors[] = {
    AddToVectors<1>, AddToVectors<2>, AddToVectors<3>,
    AddToVectors<4>, AddToVectors<5>, AddToVectors<6>};
static_assert(std::size(kAddToVectors) == kMostVectors);

// As many of 16 columns and rows as there are.
template <bool kWhole>
[[gnu::always_inline]] inline void StoreSquare(const float* sums,
                                               int64_t columns, int64_t width,
                                               int64_t rows, float* c,
                                               int64_t stride) {
  Vector16 square[kLanes] = {};
#pragma GCC unroll 16
  for (int64_t r = 0; r < (kWhole ? kLanes : columns); ++r) {
    Load16(sums + r * width, &square[r]);
  }
  Transpose16(square);
#pragma GCC unroll 16
  for (int64_t r = 0; r < (kWhole ? kLanes : rows); ++r) {
    StoreSome(square[r], kWhole ? kLanes : columns, c + r * stride);
  }
}

}  // namespace

void AddRows(const EntryRow* rows, int64_t count, const float* columns,
             int64_t width, bool first, float* sums, int64_t stride) {
  kAddToVectors[VectorsOf(width) - 1](rows, count, columns, width, first, sums,
                                      stride);
}

LS_SIMD_CLONES void StoreTransposed(const float* sums, int64_t columns,
                                    int64_t width, int64_t rows, float* c,
                                    int64_t stride) {
  for (int64_t j = 0; j < columns; j += kLanes) {
    for (int64_t i = 0; i < rows; i += kLanes) {
      const float* from = sums + j * width + i;
      float* const to = c + i * stride + j;
      const int64_t across = std::min(kLanes, columns - j);
      const int64_t down = std::min(kLanes, rows - i);
      if (across == kLanes && down == kLanes) {
        StoreSquare<true>(from, across, width, down, to, stride);
      } else {
        StoreSquare<false>(from, across, width, down, to, stride);
      }
    }
  }
}

}  // namespace lockstep::detail
