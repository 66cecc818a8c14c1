// SPDX-License-Identifier: Apache-2.0
#pragma once

// BroadcastWalk: how element-wise kernels step through operands that NumPy
// broadcasting spreads over one output. For authors of kernels; made once in
// prepare, read by run from any thread.
//
// Dimensions are collapsed as far as the operands allow, so that two equal
// shapes or a scalar operand become one run. Within a run every operand
// advances by 1 or by 0 elements.
//
//   const BroadcastWalk& w = k.state<BroadcastWalk>();
//   w.ForRuns(16384, [&](int64_t at, const int64_t* from, int64_t n) {
//     // y[at .. at+n) from a[from[0] + i * w.step(0)], b[from[1] + ...]
//   });

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "runtime/core/shape.h"
#include "runtime/core/threads.h"

namespace lockstep {

class BroadcastWalk {
 public:
  static constexpr int kMaxOperands = 3;

  // Requires 1 to kMaxOperands fully known shapes that broadcast to `out`.
  BroadcastWalk(std::span<const Shape> operands, const Shape& out);

  int64_t size() const { return size_; }  // elements of the output
  int64_t run() const { return run_; }    // elements of one run
  // 1, or 0 where operand `i` repeats one element along a run.
  int64_t step(int i) const { return step_[static_cast<size_t>(i)]; }

  // Elements [begin, begin + n) of the output, if it were operand 0 alone.
  template <class U>
  void Spread(const U* from, int64_t begin, int64_t n, U* to) const {
    Cursor c = Seek(begin / run_);
    for (int64_t in_run = begin % run_; n > 0; in_run = 0) {
      const int64_t part = std::min(n, run_ - in_run);
      const U* row = from + c.from[0];
      if (step_[0] == 0) {
        std::fill_n(to, part, *row);
      } else {
        std::copy_n(row + in_run, part, to);
      }
      to += part;
      n -= part;
      Advance(c);
    }
  }

  // Calls f(at, from, n) for consecutive pieces of the output, on several
  // threads when there are more than about `grain` elements.
  template <class F>
  void ForRuns(int64_t grain, const F& f) const {
    if (rank_ == 0) return OneRun(grain, f);
    const int64_t rows = size_ / run_;
    const int64_t rows_grain = std::max<int64_t>(1, grain / run_);
    ParallelFor(rows, rows_grain, [&](int64_t begin, int64_t end) {
      Cursor c = Seek(begin);
      for (int64_t row = begin; row < end; ++row) {
        f(row * run_, c.from.data(), run_);
        Advance(c);
      }
    });
  }

 private:
  using Offsets = std::array<int64_t, kMaxOperands>;
  struct Cursor {
    std::array<int64_t, Shape::kMaxRank> index{};
    Offsets from{};
  };

  template <class F>
  void OneRun(int64_t grain, const F& f) const {
    if (size_ <= grain) {
      const Offsets from{};
      if (size_ > 0) f(int64_t{0}, from.data(), size_);
      return;
    }
    ParallelFor(size_, grain, [&](int64_t begin, int64_t end) {
      Offsets from{};
      for (size_t i = 0; i < from.size(); ++i) from[i] = begin * step_[i];
      f(begin, from.data(), end - begin);
    });
  }
  Cursor Seek(int64_t row) const;
  void Advance(Cursor& c) const {
    for (int d = rank_ - 1; d >= 0; --d) {
      const size_t u = static_cast<size_t>(d);
      for (size_t i = 0; i < kMaxOperands; ++i) c.from[i] += strides_[u][i];
      if (++c.index[u] < dims_[u]) return;
      c.index[u] = 0;
      for (size_t i = 0; i < kMaxOperands; ++i) {
        c.from[i] -= strides_[u][i] * dims_[u];
      }
    }
  }

  int64_t size_ = 0;
  int64_t run_ = 1;
  Offsets step_{};
  // The dimensions around the run, outermost first.
  int rank_ = 0;
  std::array<int64_t, Shape::kMaxRank> dims_{};
  std::array<Offsets, Shape::kMaxRank> strides_{};
};

}  // namespace lockstep
