// SPDX-License-Identifier: Apache-2.0
#include "ops/math/broadcast.h"

namespace lockstep {

BroadcastWalk::BroadcastWalk(std::span<const Shape> operands,
                             const Shape& out) {
  size_ = out.NumElements();
  if (size_ == 0) return;
  struct Dim {
    int64_t size;
    Offsets strides;  // in elements; 0 where the operand repeats
  };
  std::array<Dim, Shape::kMaxRank> dims{};
  int rank = 0;  // of `dims`, innermost first
  Offsets count{};
  count.fill(1);
  for (int back = 1; back <= out.rank(); ++back) {
    Dim dim{out.dim(out.rank() - back), {}};
    for (size_t i = 0; i < operands.size(); ++i) {
      const Shape& s = operands[i];
      const int64_t own = back <= s.rank() ? s.dim(s.rank() - back) : 1;
      dim.strides[i] = own == 1 ? 0 : count[i];
      count[i] *= own;
    }
    if (dim.size == 1) continue;
    // Merge with the dimension inside it when every operand goes on evenly.
    bool merge = rank > 0;
    if (merge) {
      Dim& inner = dims[static_cast<size_t>(rank - 1)];
      for (size_t i = 0; i < operands.size(); ++i) {
        merge = merge && dim.strides[i] == inner.strides[i] * inner.size;
      }
      if (merge) inner.size *= dim.size;
    }
    if (!merge) dims[static_cast<size_t>(rank++)] = dim;
  }
  if (rank == 0) {
    run_ = 1;
    return;
  }
  run_ = dims[0].size;
  step_ = dims[0].strides;
  rank_ = rank - 1;
  for (int d = 0; d < rank_; ++d) {
    const Dim& dim = dims[static_cast<size_t>(rank_ - d)];
    dims_[static_cast<size_t>(d)] = dim.size;
    strides_[static_cast<size_t>(d)] = dim.strides;
  }
}

BroadcastWalk::Cursor BroadcastWalk::Seek(int64_t row) const {
  Cursor c;
  for (int d = rank_ - 1; d >= 0; --d) {
    const size_t u = static_cast<size_t>(d);
    c.index[u] = row % dims_[u];
    row /= dims_[u];
    for (size_t i = 0; i < kMaxOperands; ++i) {
      c.from[i] += strides_[u][i] * c.index[u];
    }
  }
  return c;
}

}  // namespace lockstep
