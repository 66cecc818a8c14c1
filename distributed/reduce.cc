// SPDX-License-Identifier: Apache-2.0
#include "distributed/reduce.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "runtime/core/simd.h"

namespace lockstep {
namespace {

// Elements combined at a time: the accumulators stay in the first-level cache.
constexpr int64_t kBlock = 2048;
constexpr int64_t kSliceAlignment = 64;  // elements

// What contributions of type T are combined in.
template <class T>
using Accumulator = std::conditional_t<
    std::is_same_v<T, double>, double,
    std::conditional_t<
        std::is_integral_v<T>,
        std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>, float>>;

LS_SIMD_CLONES
void AddFloats(const float* a, const float* b, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = a[i] + b[i];
}

LS_SIMD_CLONES
void ScaleFloats(const float* in, float factor, float* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i] = factor * in[i];
}

template <class A>
void Add(A* acc, const A* next, int64_t n) {
  if constexpr (std::is_same_v<A, float>) {
    AddFloats(acc, next, acc, n);
  } else if constexpr (std::is_integral_v<A>) {
    // Unsigned: overflow wraps.
    for (int64_t i = 0; i < n; ++i) {
      acc[i] = static_cast<A>(static_cast<uint64_t>(acc[i]) +
                              static_cast<uint64_t>(next[i]));
    }
  } else {
    for (int64_t i = 0; i < n; ++i) acc[i] += next[i];
  }
}

// The comparisons are written so that a NaN on either side is kept.
template <class A>
void Min(A* acc, const A* next, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const bool take = next[i] < acc[i] || next[i] != next[i];
    acc[i] = take ? next[i] : acc[i];
  }
}

template <class A>
void Max(A* acc, const A* next, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const bool take = next[i] > acc[i] || next[i] != next[i];
    acc[i] = take ? next[i] : acc[i];
  }
}

template <class T, class A>
const A* Load(const T* from, A* buffer, int64_t n) {
  if constexpr (std::is_same_v<T, A>) {
    return from;
  } else {
    for (int64_t i = 0; i < n; ++i) buffer[i] = static_cast<A>(from[i]);
    return buffer;
  }
}

template <class T>
void CombineBlock(ReduceOp op, std::span<const void* const> sources, int64_t at,
                  T* out, int64_t n) {
  using A = Accumulator<T>;
  alignas(64) A acc[kBlock];
  alignas(64) A next[kBlock];
  const A* first = Load(static_cast<const T*>(sources[0]) + at, acc, n);
  if (first != acc) std::memcpy(acc, first, static_cast<size_t>(n) * sizeof(A));
  for (size_t s = 1; s < sources.size(); ++s) {
    const A* b = Load(static_cast<const T*>(sources[s]) + at, next, n);
    switch (op) {
      case ReduceOp::kSum:
      case ReduceOp::kMean: Add(acc, b, n); break;
      case ReduceOp::kMin: Min(acc, b, n); break;
      case ReduceOp::kMax: Max(acc, b, n); break;
    }
  }
  if (op == ReduceOp::kMean) {
    const A ranks = static_cast<A>(sources.size());
    for (int64_t i = 0; i < n; ++i) acc[i] /= ranks;
  }
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<T>(acc[i]);
}

template <class T>
void Combine(ReduceOp op, std::span<const void* const> sources, void* out,
             int64_t count) {
  T* to = static_cast<T*>(out);
  if constexpr (std::is_same_v<T, float>) {
    if (op == ReduceOp::kSum && sources.size() == 2) {
      AddFloats(static_cast<const float*>(sources[0]),
                static_cast<const float*>(sources[1]), to, count);
      return;
    }
  }
  for (int64_t at = 0; at < count; at += kBlock) {
    CombineBlock<T>(op, sources, at, to + at, std::min(kBlock, count - at));
  }
}

template <class T>
void Scale(const void* in, double factor, void* out, int64_t count) {
  const T* from = static_cast<const T*>(in);
  T* to = static_cast<T*>(out);
  if (factor == 0.0) {
    std::fill(to, to + count, T(0.0f));
  } else if constexpr (std::is_same_v<T, float>) {
    ScaleFloats(from, static_cast<float>(factor), to, count);
  } else {
    using A = Accumulator<T>;
    const A f = static_cast<A>(factor);
    for (int64_t i = 0; i < count; ++i) {
      to[i] = static_cast<T>(f * static_cast<A>(from[i]));
    }
  }
}

template <class T>
const ReduceKernels* KernelsFor() {
  if constexpr (std::is_integral_v<T>) {
    static constexpr ReduceKernels kernels{Combine<T>, nullptr};
    return &kernels;
  } else {
    static constexpr ReduceKernels kernels{Combine<T>, Scale<T>};
    return &kernels;
  }
}

// Calls f(piece, first element in the piece, number, elements before) for the
// parts of the pieces that cover [begin, end).
template <class F>
void ForEachPart(std::span<const Piece> pieces, int64_t begin, int64_t end,
                 F f) {
  int64_t start = 0;
  for (const Piece& piece : pieces) {
    if (start >= end) return;
    const int64_t from = std::max(begin, start);
    const int64_t to = std::min(end, start + piece.count);
    if (from < to) f(piece, from - start, to - from, from - begin);
    start += piece.count;
  }
}

}  // namespace

std::string_view ReduceOpName(ReduceOp op) {
  switch (op) {
    case ReduceOp::kSum: return "sum";
    case ReduceOp::kMean: return "mean";
    case ReduceOp::kMin: return "min";
    case ReduceOp::kMax: return "max";
  }
  return "unknown reduction";
}

int64_t TotalCount(std::span<const Piece> pieces) {
  int64_t total = 0;
  for (const Piece& piece : pieces) total += piece.count;
  return total;
}

const ReduceKernels* FindReduceKernels(DType dtype) {
  const ReduceKernels* found = nullptr;
  if (dtype == kBool) return nullptr;
  const Status visited = VisitDType(dtype, [&]<class T>(std::type_identity<T>) {
    if constexpr (!std::is_same_v<T, bool>) found = KernelsFor<T>();
    return Ok();
  });
  return visited.ok() ? found : nullptr;
}

void GatherPieces(std::span<const Piece> pieces, size_t element_bytes,
                  const ReduceKernels* kernels, double factor, int64_t begin,
                  int64_t end, void* to) {
  ForEachPart(pieces, begin, end,
              [&](const Piece& piece, int64_t at, int64_t n, int64_t done) {
                const char* in = static_cast<const char*>(piece.in) +
                                 static_cast<size_t>(at) * element_bytes;
                char* out = static_cast<char*>(to) +
                            static_cast<size_t>(done) * element_bytes;
                if (factor == 1.0) {
                  std::memcpy(out, in, static_cast<size_t>(n) * element_bytes);
                } else {
                  kernels->scale(in, factor, out, n);
                }
              });
}

void ScatterPieces(std::span<const Piece> pieces, size_t element_bytes,
                   int64_t begin, int64_t end, const void* from) {
  ForEachPart(pieces, begin, end,
              [&](const Piece& piece, int64_t at, int64_t n, int64_t done) {
                std::memcpy(static_cast<char*>(piece.out) +
                                static_cast<size_t>(at) * element_bytes,
                            static_cast<const char*>(from) +
                                static_cast<size_t>(done) * element_bytes,
                            static_cast<size_t>(n) * element_bytes);
              });
}

Slice SliceOf(int64_t count, int rank, int size) {
  const int64_t blocks = (count + kSliceAlignment - 1) / kSliceAlignment;
  const int64_t first = blocks * rank / size;
  const int64_t last = blocks * (rank + 1) / size;
  return {std::min(count, first * kSliceAlignment),
          std::min(count, last * kSliceAlignment)};
}

}  // namespace lockstep
