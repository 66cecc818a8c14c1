// SPDX-License-Identifier: Apache-2.0
#pragma once

// BroadcastIndex: where the operands of an element-wise kernel are for element
// i of its output. For .cu files; passed to kernels by value.
//
//   BroadcastIndex<2> at({&a_shape, &b_shape}, y_shape);
//   y[i] = a[at.Of(0, i)] + b[at.Of(1, i)];

#include <cstdint>

#include "runtime/core/host_device.h"
#include "runtime/core/shape.h"

namespace lockstep::gpu {

template <int kOperands>
class BroadcastIndex {
 public:
  BroadcastIndex() = default;
  // Requires fully known shapes that broadcast to `out`.
  BroadcastIndex(const Shape* const (&operands)[kOperands], const Shape& out) {
    size_ = 1;
    int64_t strides[kOperands];
    for (int64_t& stride : strides) stride = 1;
    // From the innermost dimension; neighbours that every operand either runs
    // through or repeats are one.
    for (int d = 0; d < out.rank(); ++d) {
      const int64_t n = out.dim(out.rank() - 1 - d);
      if (n == 1) continue;
      size_ *= n;
      int64_t step[kOperands];
      for (int o = 0; o < kOperands; ++o) {
        const Shape& s = *operands[o];
        const bool there = d < s.rank() && s.dim(s.rank() - 1 - d) != 1;
        step[o] = there ? strides[o] : 0;
        if (there) strides[o] *= n;
      }
      Add(n, step);
    }
  }

  int64_t size() const { return size_; }
  // Its loops, from the innermost.
  int rank() const { return rank_; }
  int64_t dim(int d) const { return dims_[d]; }
  int64_t stride(int d, int o) const { return strides_[d][o]; }
  // Whether operand `o`'s element of i is its i-th.
  LS_HOST_DEVICE int64_t Of(int o, int64_t i) const {
    if (rank_ == 1) return i * strides_[0][o];
    int64_t at = 0;
    for (int d = 0; d < rank_; ++d) {
      at += i % dims_[d] * strides_[d][o];
      i /= dims_[d];
    }
    return at;
  }

 private:
  void Add(int64_t n, const int64_t (&step)[kOperands]) {
    if (rank_ > 0) {
      bool merges = true;
      for (int o = 0; o < kOperands; ++o) {
        merges = merges && step[o] == strides_[rank_ - 1][o] * dims_[rank_ - 1];
      }
      if (merges) {
        dims_[rank_ - 1] *= n;
        return;
      }
    }
    dims_[rank_] = n;
    for (int o = 0; o < kOperands; ++o) strides_[rank_][o] = step[o];
    ++rank_;
  }

  int rank_ = 0;
  int64_t size_ = 0;
  int64_t dims_[Shape::kMaxRank] = {};
  int64_t strides_[Shape::kMaxRank][kOperands] = {};
};

}  // namespace lockstep::gpu
