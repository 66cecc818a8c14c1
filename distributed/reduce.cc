// SPDX-License-Identifier: Apache-2.0
#include "distributed/reduce.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>

#include "runtime/core/simd.h"

namespace lockstep {
namespace {

// Elements combined at a time: the accumulators stay in the first-level cache.
constexpr int64_t kBlock = 2048;

// What contributions of type T are combined in.
template <class T>
using Accumulator = std::conditional_t<
    std::is_same_v<T, double>, double,
    std::conditional_t<
        std::is_integral_v<T>,
        std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>, float>>;

// Elements do not depend on each other, also where `out` is `a` or `b`.
LS_SIMD_CLONES
void AddFloats(const float* a, const float* b, float* out, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = a[i] + b[i];
}

LS_SIMD_CLONES
void AddBothFloats(float* x, float* y, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const float sum = x[i] + y[i];
    x[i] = sum;
    y[i] = sum;
  }
}

LS_SIMD_CLONES
void AddScaledFloats(const float* a, float fa, const float* b, float fb,
                     float* out, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) out[i] = fa * a[i] + fb * b[i];
}

LS_SIMD_CLONES
void ScaleFloats(const float* in, float factor, float* out, int64_t n) {
#pragma GCC ivdep
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

// What the tree of one block works on.
template <class T>
struct Leaves {
  ReduceOp op;
  std::span<const void* const> sources;
  std::span<const double> factors;
  int64_t at;
  int64_t n;

  const T* source(size_t r) const {
    return static_cast<const T*>(sources[r]) + at;
  }
  double factor(size_t r) const { return factors.empty() ? 1.0 : factors[r]; }
};

template <class T, class A>
void Load(const Leaves<T>& leaves, size_t r, A* to) {
  const T* from = leaves.source(r);
  const double factor = leaves.factor(r);
  const int64_t n = leaves.n;
  if (factor == 0.0) {
    std::fill(to, to + n, A(0));
  } else if (factor == 1.0) {
    for (int64_t i = 0; i < n; ++i) to[i] = static_cast<A>(from[i]);
  } else if constexpr (std::is_same_v<T, float>) {
    ScaleFloats(from, static_cast<float>(factor), to, n);
  } else {
    const A f = static_cast<A>(factor);
    for (int64_t i = 0; i < n; ++i) {
      to[i] = static_cast<A>(static_cast<T>(f * static_cast<A>(from[i])));
    }
  }
}

// The most frequent node of all, in one pass.
bool AddPair(const Leaves<float>& leaves, size_t r, float* to) {
  if (leaves.op != ReduceOp::kSum && leaves.op != ReduceOp::kMean) return false;
  const double fa = leaves.factor(r);
  const double fb = leaves.factor(r + 1);
  if (fa == 0.0 || fb == 0.0) return false;
  if (fa == 1.0 && fb == 1.0) {
    AddFloats(leaves.source(r), leaves.source(r + 1), to, leaves.n);
  } else {
    AddScaledFloats(leaves.source(r), static_cast<float>(fa),
                    leaves.source(r + 1), static_cast<float>(fb), to, leaves.n);
  }
  return true;
}

// Sources [first, last) to `to`.
template <class T, class A>
void CombineTree(const Leaves<T>& leaves, size_t first, size_t last, A* to) {
  const size_t count = last - first;
  if (count == 1) return Load(leaves, first, to);
  if constexpr (std::is_same_v<T, float>) {
    if (count == 2 && AddPair(leaves, first, to)) return;
  }
  const size_t middle = first + std::bit_ceil(count) / 2;
  alignas(64) A right[kBlock];
  CombineTree(leaves, first, middle, to);
  CombineTree(leaves, middle, last, right);
  switch (leaves.op) {
    case ReduceOp::kSum:
    case ReduceOp::kMean: return Add(to, right, leaves.n);
    case ReduceOp::kMin: return Min(to, right, leaves.n);
    case ReduceOp::kMax: return Max(to, right, leaves.n);
  }
}

template <class T>
void CombineBlock(const Leaves<T>& leaves, T* out) {
  using A = Accumulator<T>;
  alignas(64) A acc[kBlock];
  CombineTree(leaves, 0, leaves.sources.size(), acc);
  if (leaves.op == ReduceOp::kMean) {
    const A ranks = static_cast<A>(leaves.sources.size());
    for (int64_t i = 0; i < leaves.n; ++i) acc[i] /= ranks;
  }
  for (int64_t i = 0; i < leaves.n; ++i) out[i] = static_cast<T>(acc[i]);
}

template <class T>
void Combine(ReduceOp op, std::span<const void* const> sources,
             std::span<const double> factors, void* out, int64_t count) {
  T* to = static_cast<T*>(out);
  if constexpr (std::is_same_v<T, float>) {
    if (op == ReduceOp::kSum && sources.size() == 2 &&
        AddPair({op, sources, factors, 0, count}, 0, to)) {
      return;
    }
  }
  for (int64_t at = 0; at < count; at += kBlock) {
    CombineBlock<T>({op, sources, factors, at, std::min(kBlock, count - at)},
                    to + at);
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

void AddBoth(void* x, void* y, int64_t count) {
  AddBothFloats(static_cast<float*>(x), static_cast<float*>(y), count);
}

template <class T>
const ReduceKernels* KernelsFor() {
  if constexpr (std::is_integral_v<T>) {
    static constexpr ReduceKernels kernels{Combine<T>, nullptr, nullptr};
    return &kernels;
  } else if constexpr (std::is_same_v<T, float>) {
    static constexpr ReduceKernels kernels{Combine<T>, Scale<T>, AddBoth};
    return &kernels;
  } else {
    static constexpr ReduceKernels kernels{Combine<T>, Scale<T>, nullptr};
    return &kernels;
  }
}

char* OutputAt(std::span<const Piece> pieces, const Part& part,
               size_t element_bytes) {
  return static_cast<char*>(pieces[part.piece].out) +
         static_cast<size_t>(part.begin) * element_bytes;
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
  auto* out = static_cast<char*>(to);
  ForEachPart(pieces, begin, end, end - begin, [&](const Part& part) {
    const char* in = static_cast<const char*>(pieces[part.piece].in) +
                     static_cast<size_t>(part.begin) * element_bytes;
    const size_t bytes = static_cast<size_t>(part.count) * element_bytes;
    if (factor == 1.0) {
      std::memcpy(out, in, bytes);
    } else {
      kernels->scale(in, factor, out, part.count);
    }
    out += bytes;
  });
}

void CollectOutputs(std::span<const Piece> pieces, size_t element_bytes,
                    int64_t begin, int64_t end, void* to) {
  auto* out = static_cast<char*>(to);
  ForEachPart(pieces, begin, end, end - begin, [&](const Part& part) {
    const size_t bytes = static_cast<size_t>(part.count) * element_bytes;
    std::memcpy(out, OutputAt(pieces, part, element_bytes), bytes);
    out += bytes;
  });
}

void ScatterPieces(std::span<const Piece> pieces, size_t element_bytes,
                   int64_t begin, int64_t end, const void* from) {
  const auto* in = static_cast<const char*>(from);
  ForEachPart(pieces, begin, end, end - begin, [&](const Part& part) {
    const size_t bytes = static_cast<size_t>(part.count) * element_bytes;
    std::memcpy(OutputAt(pieces, part, element_bytes), in, bytes);
    in += bytes;
  });
}

Status DeliverPieces(std::span<const Piece> pieces, size_t element_bytes,
                     int64_t begin, int64_t end, const void* combined,
                     const ElementUpdate* update) {
  if (update == nullptr) {
    ScatterPieces(pieces, element_bytes, begin, end, combined);
    return Ok();
  }
  const auto* in = static_cast<const char*>(combined);
  Status first;
  ForEachPart(pieces, begin, end, end - begin, [&](const Part& part) {
    if (first.ok()) first = (*update)(part, in);
    in += static_cast<size_t>(part.count) * element_bytes;
  });
  return first;
}

Slice SliceOf(int64_t count, int rank, int size) {
  if (rank >= size) return {count, count};
  const int64_t blocks = (count + kSliceAlignment - 1) / kSliceAlignment;
  const int64_t first = blocks * rank / size;
  const int64_t last = blocks * (rank + 1) / size;
  return {std::min(count, first * kSliceAlignment),
          std::min(count, last * kSliceAlignment)};
}

}  // namespace lockstep
