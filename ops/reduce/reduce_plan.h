// SPDX-License-Identifier: Apache-2.0
#pragma once

// ReducePlan: how a reduction over arbitrary axes walks its input; for authors
// of reducing kernels. Made in prepare, run from any number of threads with
// one result: the work is cut by sizes alone and combined in a fixed order.
//
// A monoid for elements T says what is accumulated:
//   using Acc = double;                       // or T ...
//   static Acc Init();                        // the value of no elements
//   static Acc Step(Acc a, T x);              // 16-bit floats: float x
//   static Acc Merge(Acc a, Acc b);
//   static R Finish(Acc a, int64_t count);    // of `count` elements
//
//   ReducePlan plan(shape, reduced_axes);
//   c.RequestScratch(plan.ScratchBytes(sizeof(M::Acc)));
//   plan.Run<M>(x, y, k.scratch());

#include <algorithm>
#include <array>
#include <cstdint>

#include "ops/array/axes.h"
#include "runtime/core/float16_arrays.h"
#include "runtime/core/shape.h"
#include "runtime/core/simd.h"
#include "runtime/core/threads.h"
#include "runtime/op/reduce_rule.h"

namespace lockstep {

class ReducePlan {
 public:
  ReducePlan() = default;
  // Requires a fully known shape.
  ReducePlan(const Shape& input, AxisSet reduced);

  int64_t outputs() const { return outputs_; }
  int64_t count() const { return count_; }  // elements reduced into one
  // An output's elements are accumulated in so many chunks of so many.
  int64_t chunk() const { return chunk_; }
  int64_t chunks() const { return chunks_; }
  size_t ScratchBytes(size_t acc_bytes) const {
    return chunks_ == 1 ? 0
                        : static_cast<size_t>(chunks_ * outputs_) * acc_bytes;
  }
  template <class M, class T, class R>
  void Run(const T* x, R* y, void* scratch) const;

 private:
  static constexpr int64_t kColumns = 256;  // accumulated side by side
  static constexpr int64_t kShortRun = 32;
  struct Dims {
    int rank = 0;
    int64_t size = 1;  // product
    std::array<int64_t, Shape::kMaxRank> dim{};
    std::array<int64_t, Shape::kMaxRank> stride{};
    void Add(int64_t n, int64_t step) {
      dim[static_cast<size_t>(rank)] = n;
      stride[static_cast<size_t>(rank++)] = step;
      size *= n;
    }
    // Where the i-th element begins in the input; Add from inner to outer.
    int64_t Offset(int64_t i) const {
      int64_t at = 0;
      for (size_t d = 0; d < static_cast<size_t>(rank); ++d) {
        at += i % dim[d] * stride[d];
        i /= dim[d];
      }
      return at;
    }
  };

  // Outputs of one run of a few elements each, one behind the other.
  bool HasShortRuns() const {
    return run_reduced_ && run_ > 0 && run_ <= kShortRun && run_ == count_ &&
           kept_.rank <= 1 && chunks_ == 1;
  }
  template <class M, class T>
  typename M::Acc ReduceRuns(const T* x, int64_t begin, int64_t end) const;
  template <class M, class T>
  void ReduceColumns(const T* x, int64_t begin, int64_t end, int64_t width,
                     typename M::Acc* acc) const;

  int64_t outputs_ = 1;
  int64_t count_ = 1;
  // The innermost dimension: run_ elements side by side, all reduced into one
  // output or each belonging to an output of its own.
  bool run_reduced_ = false;
  int64_t run_ = 1;
  Dims kept_;  // around the run, innermost first
  Dims reduced_;
  // Each output is reduced in chunks of this many positions, of which there
  // are chunks_, whose partial results are merged in order.
  int64_t chunk_ = 1;
  int64_t chunks_ = 1;
};

namespace detail {

// Lanes that do not depend on the vector width, merged as a tree.
inline constexpr int64_t kLanes = kReduceLanes;
template <class M, class T>
LS_SIMD_CLONES void StepLanesSimd(const T* x, int64_t n, typename M::Acc* all) {
  using Acc = typename M::Acc;
  Acc lanes[kLanes];
  for (int64_t l = 0; l < kLanes; ++l) lanes[l] = all[l];
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
#pragma omp simd
    for (int64_t l = 0; l < kLanes; ++l) lanes[l] = M::Step(lanes[l], x[i + l]);
  }
  for (int64_t l = 0; i + l < n; ++l) lanes[l] = M::Step(lanes[l], x[i + l]);
  for (int64_t l = 0; l < kLanes; ++l) all[l] = lanes[l];
}
template <class M, class T>
void StepLanes(const T* x, int64_t n, typename M::Acc* all) {
  if constexpr (kIsFloat16<T>) {
    static_assert(kFloat16Block % kLanes == 0);
    ForFloatBlocks(x, n, [&](const float* block, int64_t, int64_t m) {
      StepLanesSimd<M>(block, m, all);
    });
  } else {
    StepLanesSimd<M>(x, n, all);
  }
}
template <class M>
typename M::Acc MergeLanes(typename M::Acc* lanes) {
  for (int64_t width = kLanes / 2; width > 0; width /= 2) {
    for (int64_t l = 0; l < width; ++l) {
      lanes[l] = M::Merge(lanes[l], lanes[l + width]);
    }
  }
  return lanes[0];
}
template <class M, class T>
typename M::Acc ReduceRun(const T* x, int64_t n) {
  typename M::Acc lanes[kLanes];
  std::fill_n(lanes, kLanes, M::Init());
  StepLanes<M, T>(x, n, lanes);
  return MergeLanes<M>(lanes);
}

template <class M, class T>
LS_SIMD_CLONES void StepColumnsSimd(const T* x, typename M::Acc* acc,
                                    int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) acc[i] = M::Step(acc[i], x[i]);
}
template <class M, class T>
void StepColumns(const T* x, typename M::Acc* acc, int64_t n) {
  if constexpr (kIsFloat16<T>) {
    ForFloatBlocks(x, n, [&](const float* block, int64_t first, int64_t m) {
      StepColumnsSimd<M>(block, acc + first, m);
    });
  } else {
    StepColumnsSimd<M>(x, acc, n);
  }
}

// Rows of a few columns: accumulators stay in registers from row to row.
template <class M, class T>
LS_SIMD_CLONES void StepRowsSimd(const T* x, int64_t rows, int64_t stride,
                                 typename M::Acc* acc, int64_t n) {
  for (int64_t c = 0; c < n; c += kLanes) {
    const int64_t some = std::min(kLanes, n - c);
    typename M::Acc lanes[kLanes];
    for (int64_t l = 0; l < some; ++l) lanes[l] = acc[c + l];
    if (some == kLanes) {
      for (int64_t row = 0; row < rows; ++row) {
        const T* from = x + row * stride + c;
#pragma omp simd
        for (int64_t l = 0; l < kLanes; ++l) {
          lanes[l] = M::Step(lanes[l], from[l]);
        }
      }
    } else {
      for (int64_t row = 0; row < rows; ++row) {
        const T* from = x + row * stride + c;
        for (int64_t l = 0; l < some; ++l) {
          lanes[l] = M::Step(lanes[l], from[l]);
        }
      }
    }
    for (int64_t l = 0; l < some; ++l) acc[c + l] = lanes[l];
  }
}
template <class M, class T>
void StepRows(const T* x, int64_t rows, int64_t stride, typename M::Acc* acc,
              int64_t n) {
  constexpr int64_t kFew = 4 * kLanes;
  if constexpr (!kIsFloat16<T>) {
    if (n <= kFew) return StepRowsSimd<M>(x, rows, stride, acc, n);
  }
  for (int64_t row = 0; row < rows; ++row) {
    StepColumns<M, T>(x + row * stride, acc, n);
  }
}

// Runs of a few elements side by side, each with an output of its own, with the
// bits of ReduceRun: a lane is kept for several runs at a time.
template <class M, class T, class R>
LS_SIMD_CLONES void ReduceShortRuns(const T* x, int64_t run, int64_t n, R* y) {
  constexpr int64_t kRuns = 16;
  typename M::Acc lanes[kLanes][kRuns];
  int64_t o = 0;
  for (; o + kRuns <= n; o += kRuns) {
    const T* from = x + o * run;
    for (int64_t i = 0; i < run; ++i) {
      auto& lane = lanes[i % kLanes];
      const bool first = i < kLanes;
#pragma omp simd
      for (int64_t r = 0; r < kRuns; ++r) {
        lane[r] = M::Step(first ? M::Init() : lane[r], from[r * run + i]);
      }
    }
    int64_t used = std::min(run, kLanes);
    for (int64_t width = kLanes / 2; width > 0; width /= 2) {
      for (int64_t l = 0; l + width < used; ++l) {
#pragma omp simd
        for (int64_t r = 0; r < kRuns; ++r) {
          lanes[l][r] = M::Merge(lanes[l][r], lanes[l + width][r]);
        }
      }
      used = std::min(used, width);
    }
    for (int64_t r = 0; r < kRuns; ++r) {
      y[o + r] = M::Finish(lanes[0][r], run);
    }
  }
  for (; o < n; ++o) y[o] = M::Finish(ReduceRun<M>(x + o * run, run), run);
}

}  // namespace detail

// Positions [begin, end) of one output, counted along the runs.
template <class M, class T>
typename M::Acc ReducePlan::ReduceRuns(const T* x, int64_t begin,
                                       int64_t end) const {
  typename M::Acc acc = M::Init();
  while (begin < end) {
    const int64_t in_run = begin % run_;
    const int64_t n = std::min(end - begin, run_ - in_run);
    const T* from = x + reduced_.Offset(begin / run_) + in_run;
    acc = M::Merge(acc, detail::ReduceRun<M, T>(from, n));
    begin += n;
  }
  return acc;
}

// Rows [begin, end) of `width` outputs side by side.
template <class M, class T>
void ReducePlan::ReduceColumns(const T* x, int64_t begin, int64_t end,
                               int64_t width, typename M::Acc* acc) const {
  for (int64_t i = 0; i < width; ++i) acc[i] = M::Init();
  const int64_t beside = reduced_.rank > 0 ? reduced_.dim[0] : 1;
  while (begin < end) {
    const int64_t rows = std::min(end - begin, beside - begin % beside);
    detail::StepRows<M, T>(x + reduced_.Offset(begin), rows, reduced_.stride[0],
                           acc, width);
    begin += rows;
  }
}

template <class M, class T, class R>
void ReducePlan::Run(const T* x, R* y, void* scratch) const {
  using Acc = typename M::Acc;
  if (outputs_ == 0) return;
  if constexpr (!kIsFloat16<T>) {
    if (HasShortRuns()) {
      ParallelFor(outputs_, 16384 / run_, [&](int64_t first, int64_t last) {
        detail::ReduceShortRuns<M>(x + first * run_, run_, last - first,
                                   y + first);
      });
      return;
    }
  }
  Acc* const partial = static_cast<Acc*>(scratch);  // [chunks_, outputs_]
  const int64_t width = run_reduced_ ? 1 : std::min(run_, kColumns);
  const int64_t blocks = run_reduced_ ? 1 : (run_ + width - 1) / width;
  const int64_t positions = run_reduced_ ? count_ : reduced_.size;
  const int64_t items = kept_.size * blocks * chunks_;
  const int64_t item_size =
      std::max<int64_t>(1, std::min(chunk_, positions) * width);
  ParallelFor(items, std::max<int64_t>(1, 16384 / item_size),
              [&](int64_t first, int64_t last) {
                std::array<Acc, kColumns> acc;
                for (int64_t item = first; item < last; ++item) {
                  const int64_t chunk = item % chunks_;
                  const int64_t block = item / chunks_ % blocks;
                  const int64_t outer = item / chunks_ / blocks;
                  const int64_t begin = chunk * chunk_;
                  const int64_t end = std::min(positions, begin + chunk_);
                  const T* from = x + kept_.Offset(outer) + block * width;
                  int64_t n = 1, at = outer;
                  if (run_reduced_) {
                    acc[0] = ReduceRuns<M, T>(from, begin, end);
                  } else {
                    n = std::min(width, run_ - block * width);
                    at = outer * run_ + block * width;
                    ReduceColumns<M, T>(from, begin, end, n, acc.data());
                  }
                  for (int64_t i = 0; i < n; ++i) {
                    const Acc& a = acc[static_cast<size_t>(i)];
                    if (chunks_ == 1) {
                      y[at + i] = M::Finish(a, count_);
                    } else {
                      partial[chunk * outputs_ + at + i] = a;
                    }
                  }
                }
              });
  if (chunks_ == 1) return;
  for (int64_t o = 0; o < outputs_; ++o) {
    Acc a = partial[o];
    for (int64_t c = 1; c < chunks_; ++c) {
      a = M::Merge(a, partial[c * outputs_ + o]);
    }
    y[o] = M::Finish(a, count_);
  }
}

}  // namespace lockstep
