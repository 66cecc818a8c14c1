// SPDX-License-Identifier: Apache-2.0
#pragma once

// The arithmetic of collectives: how the ranks' contributions are combined,
// and how several arrays are handled as if they were one. Pure functions.
//
// Contributions are always combined along one binary tree over the ranks,
// whichever rank does it and however the work is cut: equal inputs give equal
// bits. The left part of a node has the largest power of two of ranks that is
// less than all: (0 + 1) + (2 + 3), ((0 + 1) + (2 + 3)) + 4. So ranks 2^k n to
// 2^k (n + 1) - 1 are a subtree, which one of them can combine beforehand.
// Half and bfloat16 are combined in float and rounded once.
//
//   const ReduceKernels* k = FindReduceKernels(kFloat);
//   k->combine(ReduceOp::kSum, {a, b, c}, {}, out, n);   // (a + b) + c

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "runtime/core/dtype.h"
#include "runtime/core/status.h"

namespace lockstep {

// kMean divides the sum by the number of ranks (integers: towards zero). NaN
// in any contribution gives NaN. Integer sums wrap around.
enum class ReduceOp : int32_t { kSum, kMean, kMin, kMax };
std::string_view ReduceOpName(ReduceOp op);  // "sum"

// One array of several that take part in a collective together. `in` and `out`
// may be the same.
struct Piece {
  const void* in = nullptr;
  void* out = nullptr;
  int64_t count = 0;
  // Arrays of as many elements that an ElementUpdate keeps for itself.
  std::span<void* const> state = {};
};
int64_t TotalCount(std::span<const Piece> pieces);

struct ReduceKernels {
  // out[i] = op over factors[r] * sources[r][i]; no factors: all are 1. A
  // product is rounded to the dtype, as `scale` does, and zero for factor 0,
  // whatever the source holds. `out` may be one of the sources.
  void (*combine)(ReduceOp op, std::span<const void* const> sources,
                  std::span<const double> factors, void* out, int64_t count);
  // out[i] = factor * in[i]; zeros for factor 0, whatever `in` holds. Null for
  // integers.
  void (*scale)(const void* in, double factor, void* out, int64_t count);
  // x[i] = y[i] = x[i] + y[i] in one pass, with combine's bits. Null where it
  // would be no faster than combine and a copy.
  void (*add_both)(void* x, void* y, int64_t count);
};
// Bytes of the widest element that can be reduced.
inline constexpr size_t kMaxReducedBytes = 8;
// Null for dtypes that cannot be reduced (strings, bool, complex).
const ReduceKernels* FindReduceKernels(DType dtype);

// Elements [begin, end) of the pieces' inputs laid end to end, times `factor`,
// to `to`. `kernels` may be null when factor is 1.
void GatherPieces(std::span<const Piece> pieces, size_t element_bytes,
                  const ReduceKernels* kernels, double factor, int64_t begin,
                  int64_t end, void* to);
// Elements [begin, end) of the pieces' outputs to `to`.
void CollectOutputs(std::span<const Piece> pieces, size_t element_bytes,
                    int64_t begin, int64_t end, void* to);
// The reverse, to the pieces' outputs.
void ScatterPieces(std::span<const Piece> pieces, size_t element_bytes,
                   int64_t begin, int64_t end, const void* from);

// A run of elements of one piece.
struct Part {
  size_t piece = 0;
  int64_t begin = 0;  // in the piece
  int64_t count = 0;
};
// Calls f(Part) for the parts of the pieces, laid end to end, that cover
// elements [begin, end), in order; each at most `most` long.
template <class F>
void ForEachPart(std::span<const Piece> pieces, int64_t begin, int64_t end,
                 int64_t most, F f) {
  int64_t start = 0;
  for (size_t p = 0; p < pieces.size() && start < end; ++p) {
    const int64_t last = std::min(end, start + pieces[p].count);
    for (int64_t at = std::max(begin, start); at < last; at += most) {
      f(Part{p, at - start, std::min(most, last - at)});
    }
    start += pieces[p].count;
  }
}

// The part of `count` elements that rank `rank` of `size` combines; none of
// rank `size` and those behind it. Borders are multiples of so many elements:
// ranks write to separate cache lines.
inline constexpr int64_t kSliceAlignment = 64;
struct Slice {
  int64_t begin = 0;
  int64_t end = 0;
};
Slice SliceOf(int64_t count, int rank, int size);
// Slices are exchanged in rounds of at most `most` elements of each.
inline Slice RoundOf(const Slice& slice, int64_t round, int64_t most) {
  return {std::min(slice.end, slice.begin + round * most),
          std::min(slice.end, slice.begin + (round + 1) * most)};
}
// Enough for the longest slice; one when there is nothing.
inline int64_t RoundsFor(int64_t count, int size, int64_t most) {
  int64_t longest = 1;
  for (int r = 0; r < size; ++r) {
    const Slice slice = SliceOf(count, r, size);
    longest = std::max(longest, slice.end - slice.begin);
  }
  return (longest + most - 1) / most;
}

// Makes a part's outputs out of its combined contributions.
using ElementUpdate = std::function<Status(const Part&, const void* combined)>;
// Elements [begin, end) of the pieces are combined at `combined`: gives them to
// `update`, or where that is null to the outputs.
Status DeliverPieces(std::span<const Piece> pieces, size_t element_bytes,
                     int64_t begin, int64_t end, const void* combined,
                     const ElementUpdate* update);

}  // namespace lockstep
