// SPDX-License-Identifier: Apache-2.0
#include "ops/linalg/plain_matmul.h"

#include <complex>

#include "runtime/core/simd.h"
#include "runtime/core/threads.h"

namespace lockstep::detail {
namespace {

constexpr int64_t kRowGrain = 8;         // rows of the largest tile
constexpr int64_t kWorkGrain = 1 << 17;  // products that are worth a thread

template <class A>
struct Lanes {
  static constexpr int64_t kCount = static_cast<int64_t>(64 / sizeof(A));
  typedef A Vector __attribute__((vector_size(64)));
  typedef A Unaligned
      __attribute__((vector_size(64), aligned(alignof(A)), may_alias));
};

// The operands as the loops read them. a's element (i, l) is
// a[i * row + l * step]. Panel p of b are its columns from p * width on: row l
// of it begins at panels + p * panel + l * stride; of the last one, when it is
// `tail` columns wide, at last + l * width, filled up by zeros.
template <class A>
struct Operands {
  const A* a;
  int64_t row, step;
  const A* panels;
  int64_t panel, stride;
  const A* last;
  int64_t whole, tail;
  int64_t m, n, k;
  PlainEpilogue<A> epilogue;
};

template <class A>
A Conjugated(A a, bool conjugate) {
  if constexpr (kIsComplex<A>) {
    return conjugate ? std::conj(a) : a;
  } else {
    return a;
  }
}

template <class T, class A>
void StoreRow(T* c, const A* sums, int64_t count) {
  for (int64_t j = 0; j < count; ++j) c[j] = static_cast<T>(sums[j]);
}

// kRows rows of c, kPanels panels wide; the last panel `width` columns.
template <int kRows, int kPanels, class T, class A>
[[gnu::always_inline]] inline void Tile(const Operands<A>& o, int64_t i,
                                        int64_t j, const A* const* b,
                                        const int64_t* stride, int64_t width,
                                        T* c) {
  using Vector = typename Lanes<A>::Vector;
  using Unaligned = typename Lanes<A>::Unaligned;
  constexpr int64_t kLanes = Lanes<A>::kCount;
  Vector sums[kRows][kPanels] = {};
  const A* a = o.a + i * o.row;
  for (int64_t l = 0; l < o.k; ++l) {
    Vector right[kPanels];
#pragma GCC unroll 2
    for (int p = 0; p < kPanels; ++p) {
      right[p] = *reinterpret_cast<const Unaligned*>(b[p] + l * stride[p]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const A left = a[r * o.row + l * o.step];
#pragma GCC unroll 2
      for (int p = 0; p < kPanels; ++p) sums[r][p] += left * right[p];
    }
  }
  for (int p = 0; p < kPanels; ++p) {
    const int64_t at = j + p * kLanes;
    const int64_t count = p + 1 < kPanels ? kLanes : width;
    for (int r = 0; r < kRows; ++r) {
      alignas(64) A row[kLanes];
      *reinterpret_cast<Vector*>(row) = sums[r][p];
      if (o.epilogue.bias != nullptr) {
        for (int64_t x = 0; x < count; ++x) row[x] += o.epilogue.bias[at + x];
      }
      if constexpr (std::is_floating_point_v<A>) {
        if (o.epilogue.relu) {
          for (int64_t x = 0; x < kLanes; ++x) {
            row[x] = row[x] < 0 ? A(0) : row[x];
          }
        }
      }
      StoreRow(c + (i + r) * o.n + at, row, count);
    }
  }
}

// kRows rows of c from row i on.
template <int kRows, class T, class A>
[[gnu::always_inline]] inline void RowsOfTiles(const Operands<A>& o, int64_t i,
                                               T* c) {
  constexpr int64_t kLanes = Lanes<A>::kCount;
  constexpr int kPair = kRows > 4 ? 1 : 2;
  int64_t p = 0;
  if constexpr (kPair == 2) {
    for (; p + 2 <= o.whole; p += 2) {
      const A* b[2] = {o.panels + p * o.panel, o.panels + (p + 1) * o.panel};
      const int64_t stride[2] = {o.stride, o.stride};
      Tile<kRows, 2, T, A>(o, i, p * kLanes, b, stride, kLanes, c);
    }
  }
  for (; p < o.whole; ++p) {
    const A* b = o.panels + p * o.panel;
    Tile<kRows, 1, T, A>(o, i, p * kLanes, &b, &o.stride, kLanes, c);
  }
  if (o.tail > 0) {
    Tile<kRows, 1, T, A>(o, i, p * kLanes, &o.last, &kLanes, o.tail, c);
  }
}

template <class T, class A>
LS_SIMD_CLONES void MultiplyRows(const Operands<A>& o, int64_t begin,
                                 int64_t end, T* c) {
  int64_t i = begin;
  // A pair of panels makes better use of what is read, eight rows of a narrow
  // product.
  if (o.whole < 2) {
    for (; i + 8 <= end; i += 8) RowsOfTiles<8, T, A>(o, i, c);
  }
  for (; i + 4 <= end; i += 4) RowsOfTiles<4, T, A>(o, i, c);
  for (; i < end; ++i) RowsOfTiles<1, T, A>(o, i, c);
}

// Of complex numbers, with b all in one panel.
template <class T>
LS_SIMD_CLONES void MultiplyComplexRows(const Operands<T>& o, bool conjugate,
                                        int64_t begin, int64_t end, T* c) {
  constexpr int64_t kColumns = 256;  // held in the first cache
  T sums[kColumns];
  for (int64_t i = begin; i < end; ++i) {
    for (int64_t j0 = 0; j0 < o.n; j0 += kColumns) {
      const int64_t width = std::min(kColumns, o.n - j0);
      for (int64_t j = 0; j < width; ++j) sums[j] = T(0);
      for (int64_t l = 0; l < o.k; ++l) {
        const T factor = Conjugated(o.a[i * o.row + l * o.step], conjugate);
        const T* bl = o.panels + l * o.stride + j0;
        for (int64_t j = 0; j < width; ++j) sums[j] += factor * bl[j];
      }
      T* out = c + i * o.n + j0;
      for (int64_t j = 0; j < width; ++j) {
        out[j] = o.epilogue.bias != nullptr ? sums[j] + o.epilogue.bias[j0 + j]
                                            : sums[j];
      }
    }
  }
}

// Columns [first, first + count) of b as a panel `width` wide, widened.
template <class T, class A>
void PackPanel(const MatMulDims& d, const T* b, int64_t first, int64_t count,
               int64_t width, int64_t begin, int64_t end, A* panel) {
  const int64_t row = d.transpose_b ? 1 : d.n, step = d.transpose_b ? d.k : 1;
  for (int64_t l = begin; l < end; ++l) {
    const T* from = b + l * row + first * step;
    A* to = panel + l * width;
    for (int64_t j = 0; j < count; ++j) {
      to[j] = Conjugated(static_cast<A>(from[j * step]), d.conjugate_b);
    }
    for (int64_t j = count; j < width; ++j) to[j] = A(0);
  }
}

// Says where b's panels lie and packs those that cannot be read in place.
template <class T, class A>
void PackRight(const MatMulDims& d, const T* b, A* packed, Operands<A>* o) {
  const int64_t width = PlainPanelWidth<A>(d.n);
  o->whole = d.n / width;
  o->tail = d.n % width;
  if (!d.transpose_b && !d.conjugate_b && sizeof(A) == sizeof(T)) {
    o->panels = reinterpret_cast<const A*>(b);  // T or its unsigned twin
    o->panel = width;
    o->stride = d.n;
    o->last = packed;
    if (o->tail > 0) {
      PackPanel(d, b, o->whole * width, o->tail, width, 0, d.k, packed);
    }
    return;
  }
  o->panels = packed;
  o->panel = d.k * width;
  o->stride = width;
  o->last = packed + o->whole * o->panel;
  ParallelFor(d.k, std::max<int64_t>(1, 16384 / std::max<int64_t>(d.n, 1)),
              [&](int64_t begin, int64_t end) {
                for (int64_t p = 0; p * width < d.n; ++p) {
                  PackPanel(d, b, p * width, std::min(width, d.n - p * width),
                            width, begin, end, packed + p * o->panel);
                }
              });
}

}  // namespace

template <class T>
void MultiplyPlain(const MatMulDims& d, const T* a, const T* b, T* c,
                   void* scratch,
                   const PlainEpilogue<ArithmeticType<T>>& epilogue) {
  using A = ArithmeticType<T>;
  if (d.m == 0 || d.n == 0) return;
  Operands<A> o{.row = d.transpose_a ? 1 : d.k,
                .step = d.transpose_a ? d.m : 1,
                .m = d.m,
                .n = d.n,
                .k = d.k,
                .epilogue = epilogue};
  A* packed = static_cast<A*>(scratch);
  if constexpr (sizeof(A) == sizeof(T)) {
    o.a = reinterpret_cast<const A*>(a);
  } else {
    ParallelFor(d.m * d.k, 16384, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) packed[i] = static_cast<A>(a[i]);
    });
    o.a = packed;
    packed += d.m * d.k;
  }
  PackRight(d, b, packed, &o);
  const int64_t row = std::max<int64_t>(d.n * d.k, 1);
  const int64_t rows = std::max<int64_t>(kWorkGrain / row, 1);
  ParallelFor(d.m, (rows + kRowGrain - 1) / kRowGrain * kRowGrain,
              [&](int64_t begin, int64_t end) {
                if constexpr (kIsComplex<A>) {
                  MultiplyComplexRows<T>(o, d.conjugate_a, begin, end, c);
                } else {
                  MultiplyRows<T, A>(o, begin, end, c);
                }
              });
}

#define LS_INSTANTIATE(T)                                                   \
  template void MultiplyPlain<T>(const MatMulDims&, const T*, const T*, T*, \
                                 void*,                                     \
                                 const PlainEpilogue<ArithmeticType<T>>&);
LS_MATMUL_TYPES(LS_INSTANTIATE)
#undef LS_INSTANTIATE

}  // namespace lockstep::detail
