// SPDX-License-Identifier: Apache-2.0
#pragma once

// The arithmetic of collectives: how the ranks' contributions are combined,
// and how several arrays are handled as if they were one. Pure functions.
//
// Contributions are always combined in the order of the ranks, one after the
// other, whichever rank does it and however the work is cut: equal inputs give
// equal bits. Half and bfloat16 are combined in float and rounded once.
//
//   const ReduceKernels* k = FindReduceKernels(kFloat);
//   k->combine(ReduceOp::kSum, {a, b, c}, out, n);   // (a + b) + c

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/core/dtype.h"

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
};
int64_t TotalCount(std::span<const Piece> pieces);

struct ReduceKernels {
  // out[i] = op over sources[0][i], sources[1][i], ... `out` may be one of the
  // sources.
  void (*combine)(ReduceOp op, std::span<const void* const> sources, void* out,
                  int64_t count);
  // out[i] = factor * in[i]; zeros for factor 0, whatever `in` holds. Null for
  // integers.
  void (*scale)(const void* in, double factor, void* out, int64_t count);
};
// Null for dtypes that cannot be reduced (strings, bool, complex).
const ReduceKernels* FindReduceKernels(DType dtype);

// Elements [begin, end) of the pieces' inputs laid end to end, times `factor`,
// to `to`. `kernels` may be null when factor is 1.
void GatherPieces(std::span<const Piece> pieces, size_t element_bytes,
                  const ReduceKernels* kernels, double factor, int64_t begin,
                  int64_t end, void* to);
// The reverse, to the pieces' outputs.
void ScatterPieces(std::span<const Piece> pieces, size_t element_bytes,
                   int64_t begin, int64_t end, const void* from);

// The part of `count` elements that rank `rank` of `size` combines. Borders
// are multiples of 64 elements, so that ranks write to separate cache lines.
struct Slice {
  int64_t begin = 0;
  int64_t end = 0;
};
Slice SliceOf(int64_t count, int rank, int size);

}  // namespace lockstep
