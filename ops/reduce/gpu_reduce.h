// SPDX-License-Identifier: Apache-2.0
#pragma once

// GpuReduction: a reduction over any axes on a GPU. For .cu files. The order in
// which elements are combined is decided by shapes alone, so equal operands
// give equal bits. A monoid as ops/reduce/reduce_plan.h has them, for the
// device, says what is accumulated.
//
//   GpuReduction& r = p.MakeState<GpuReduction>(shape, axes);
//   p.RequestScratch(r.ScratchBytes(sizeof(Acc)));
//   return Reduce<SumOf<T>>(k, k.state<GpuReduction>(), x, y);

#include <algorithm>

#include "ops/array/axes.h"
#include "ops/math/gpu_float16.h"

namespace lockstep::gpu {

// Some of the dimensions of an array: where their i-th position is.
class DimsIndex {
 public:
  void Add(int64_t n, int64_t stride) {  // from the innermost on
    dims_[rank_] = n;
    strides_[rank_++] = stride;
    size_ *= n;
  }
  int64_t size() const { return size_; }
  LS_HOST_DEVICE int64_t Of(int64_t i) const {
    if (rank_ == 1) return i * strides_[0];
    int64_t at = 0;
    for (int d = 0; d < rank_; ++d) {
      at += i % dims_[d] * strides_[d];
      i /= dims_[d];
    }
    return at;
  }

 private:
  int rank_ = 0;
  int64_t size_ = 1;
  int64_t dims_[Shape::kMaxRank] = {};
  int64_t strides_[Shape::kMaxRank] = {};
};

struct GpuReduction {
  DimsIndex kept, reduced;
  // The elements of one output are next to each other.
  bool rows = false;
  // Each output is combined from so many parts, of `part` elements but the
  // last one.
  int64_t parts = 1, part = 1;

  GpuReduction() = default;
  // Requires a fully known shape.
  GpuReduction(const Shape& shape, AxisSet axes) {
    int64_t stride = 1, group = 1;
    bool of_reduced = false, first = true;
    const auto close = [&] {
      if (group != 1) {
        (of_reduced ? reduced : kept).Add(group, stride);
        if (first) rows = of_reduced;
        first = false;
      }
      stride *= group;
      group = 1;
    };
    for (int d = shape.rank() - 1; d >= 0; --d) {
      const bool r = axes.test(static_cast<size_t>(d));
      if (shape.dim(d) == 1) continue;
      if (group != 1 && r != of_reduced) close();
      of_reduced = r;
      group *= shape.dim(d);
    }
    close();
    Cut();
  }

  size_t ScratchBytes(size_t acc_bytes) const {
    return parts == 1 ? 0
                      : static_cast<size_t>(parts * kept.size()) * acc_bytes;
  }

 private:
  // So that a GPU has enough to do, and a thread not too little.
  void Cut() {
    const int64_t outputs = std::max<int64_t>(1, kept.size());
    const int64_t count = std::max<int64_t>(1, reduced.size());
    const int64_t least = rows ? 4096 : 64;
    const int64_t wanted = (rows ? 1024 : 65536) / outputs;
    parts = std::clamp<int64_t>(std::min(wanted, count / least), 1, 1024);
    part = (count + parts - 1) / parts;
    parts = (count + part - 1) / part;
  }
};

template <class M, class T, class R>
Status Reduce(KernelContext& k, const GpuReduction& r, const T* x, R* y) {
  using Acc = typename M::Acc;
  const int64_t outputs = r.kept.size(), count = r.reduced.size();
  const int64_t parts = r.parts, part = r.part;
  Acc* partial = static_cast<Acc*>(k.scratch());  // [parts, outputs]
  if (r.rows) {
    LS_RETURN_IF_ERROR(Groups(
        k, outputs * parts, part, [=] LS_DEVICE(int64_t i, const Group& g) {
          const int64_t o = i % outputs, begin = i / outputs * part;
          const int64_t end = begin + part < count ? begin + part : count;
          const T* from = x + r.kept.Of(o);
          Acc acc = M::Init();
          for (int64_t j = begin + g.lane(); j < end; j += g.width()) {
            acc = M::Step(acc, from[r.reduced.Of(j)]);
          }
          acc = g.Reduce(acc, [](Acc a, Acc b) { return M::Merge(a, b); });
          if (g.lane() != 0) return;
          if (parts == 1) {
            y[o] = M::Finish(acc, count);
          } else {
            partial[i] = acc;
          }
        }));
  } else {
    LS_RETURN_IF_ERROR(Each(k, outputs * parts, [=] LS_DEVICE(int64_t i) {
      const int64_t o = i % outputs, begin = i / outputs * part;
      const int64_t end = begin + part < count ? begin + part : count;
      const T* from = x + r.kept.Of(o);
      Acc acc = M::Init();
      for (int64_t j = begin; j < end; ++j) {
        acc = M::Step(acc, from[r.reduced.Of(j)]);
      }
      if (parts == 1) {
        y[o] = M::Finish(acc, count);
      } else {
        partial[i] = acc;
      }
    }));
  }
  if (parts == 1) return Ok();
  return Each(k, outputs, [=] LS_DEVICE(int64_t o) {
    Acc acc = partial[o];
    for (int64_t p = 1; p < parts; ++p) {
      acc = M::Merge(acc, partial[p * outputs + o]);
    }
    y[o] = M::Finish(acc, count);
  });
}

// Floats are summed up in double, integers so that they wrap around.
template <class T>
struct SumOf {
  using Acc = std::conditional_t<kIsFloat<T>, double, ArithmeticType<T>>;
  LS_HOST_DEVICE static Acc Init() { return Acc(0); }
  LS_HOST_DEVICE static Acc Step(Acc a, T x) { return a + static_cast<Acc>(x); }
  LS_HOST_DEVICE static Acc Merge(Acc a, Acc b) { return a + b; }
  LS_HOST_DEVICE static T Finish(Acc a, int64_t) {
    if constexpr (kIsFloat16<T>) {
      return T(static_cast<float>(a));
    } else {
      return static_cast<T>(a);
    }
  }
};

}  // namespace lockstep::gpu
