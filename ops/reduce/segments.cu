// SPDX-License-Identifier: Apache-2.0

// ArgMax, ArgMin; UnsortedSegmentSum, -Prod, -Max, -Min.
//   x: [outer, n, inner]   y: [outer, inner]
//   data: [ids, width]   ids: [ids]   output: [segments, width]
// Each element of an output is one thread's, which goes over the ids in order:
// no atomics, the same bits each time. An id outside the segments is left out.

#include <limits>

#include "ops/array/axes.h"
#include "ops/math/gpu_float16.h"
#include "ops/reduce/gpu.h"
#include "ops/reduce/gpu_reduce.h"

namespace lockstep::gpu {
namespace {

struct ArgState {
  int64_t outer, n, inner;
};

// The best value so far and its number: of equal ones the first.
template <class V>
struct Best {
  V value;
  int64_t at;
};
static_assert(sizeof(Best<double>) <= 16);

template <bool kMax, class V>
LS_HOST_DEVICE Best<V> Better(Best<V> a, Best<V> b) {
  const bool second = kMax ? b.value > a.value : b.value < a.value;
  const bool earlier = b.value == a.value && b.at < a.at;
  return second || earlier ? b : a;
}

template <bool kMax, class T, class R>
Status RunArg(KernelContext& k) {
  using V = ValueType<T>;
  using L = std::numeric_limits<V>;
  const ArgState s = k.state<ArgState>();
  const T* x = k.in<T>(0);
  R* y = k.out<R>(0);
  const V worst = kMax ? L::lowest() : L::max();
  return Groups(
      k, s.outer * s.inner, s.n, [=] LS_DEVICE(int64_t i, const Group& g) {
        const T* from = x + i / s.inner * s.n * s.inner + i % s.inner;
        // What no number beats, is at 0.
        Best<V> best{worst, 0};
        for (int64_t j = g.lane(); j < s.n; j += g.width()) {
          const V v = from[j * s.inner];
          if (kMax ? v > best.value : v < best.value) best = {v, j};
        }
        best = g.Reduce(
            best, [](Best<V> a, Best<V> b) { return Better<kMax>(a, b); });
        if (g.lane() == 0) y[i] = static_cast<R>(best.at);
      });
}

template <bool kMax>
struct ArgOf {
  template <class T>
  static Status Run(KernelContext& k) {
    return k.output(0).dtype() == kInt64 ? RunArg<kMax, T, int64_t>(k)
                                         : RunArg<kMax, T, int32_t>(k);
  }
};

template <class T>
struct PlusOf {
  using Acc = ArithmeticType<T>;
  LS_HOST_DEVICE static Acc Init() { return Acc(0); }
  LS_HOST_DEVICE static Acc Step(Acc a, Acc x) { return a + x; }
};
template <class T>
struct TimesOf {
  using Acc = ArithmeticType<T>;
  LS_HOST_DEVICE static Acc Init() { return Acc(1); }
  LS_HOST_DEVICE static Acc Step(Acc a, Acc x) { return a * x; }
};
template <class T, bool kMax>
struct ExtremeOf {
  using Acc = ValueType<T>;
  LS_HOST_DEVICE static Acc Init();
  LS_HOST_DEVICE static Acc Step(Acc a, Acc x) {
    return kMax ? (x > a ? x : a) : (x < a ? x : a);
  }
};
// The least and the greatest value that T itself has.
template <class T>
LS_HOST_DEVICE ValueType<T> LeastOf() {
  if constexpr (std::is_same_v<T, Half>) {
    return -65504.0f;
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    return -3.3895313892515355e38f;
  } else {
    return std::numeric_limits<T>::lowest();
  }
}
template <class T, bool kMax>
LS_HOST_DEVICE ValueType<T> ExtremeOf<T, kMax>::Init() {
  if constexpr (kMax) {
    return LeastOf<T>();
  } else if constexpr (kIsFloat<T>) {
    return -LeastOf<T>();
  } else {
    return std::numeric_limits<T>::max();
  }
}
template <class T>
using LargestOf = ExtremeOf<T, true>;
template <class T>
using SmallestOf = ExtremeOf<T, false>;

template <template <class> class M, class T, class I>
Status RunSegments(KernelContext& k) {
  using F = M<T>;
  using Acc = typename F::Acc;
  const int64_t n = k.input(1).NumElements();
  const int64_t outputs = k.output(0).NumElements();
  const int64_t segments = k.output(0).shape().dim(0);
  if (segments == 0) return Ok();
  const int64_t width = outputs / segments;
  const T* data = k.in<T>(0);
  const I* ids = k.in<I>(1);
  T* y = k.out<T>(0);
  return Each(k, outputs, [=] LS_DEVICE(int64_t i) {
    const int64_t segment = i / width, column = i % width;
    Acc acc = F::Init();
    for (int64_t j = 0; j < n; ++j) {
      if (static_cast<int64_t>(ids[j]) == segment) {
        acc = F::Step(acc, static_cast<Acc>(data[j * width + column]));
      }
    }
    y[i] = static_cast<T>(acc);
  });
}

template <template <class> class M>
struct SegmentsOf {
  template <class T>
  static Status Run(KernelContext& k) {
    return k.input(1).dtype() == kInt64 ? RunSegments<M, T, int64_t>(k)
                                        : RunSegments<M, T, int32_t>(k);
  }
};

DType TypeOf(KernelContext& k) { return k.input(0).dtype(); }

}  // namespace

Status PrepareArgExtreme(PrepareContext& p) {
  const Shape& s = p.input_shape(0);
  LS_ASSIGN_OR_RETURN(const int axis,
                      ResolveAxis(IntAt(*p.input_value(1), 0), s.rank()));
  p.MakeState<ArgState>(ArgState{DimProduct(s, 0, axis), s.dim(axis),
                                 DimProduct(s, axis + 1, s.rank())});
  return Ok();
}
Status ArgMax(KernelContext& k) { return ForNumber<ArgOf<true>>(TypeOf(k), k); }
Status ArgMin(KernelContext& k) {
  return ForNumber<ArgOf<false>>(TypeOf(k), k);
}

Status UnsortedSegmentSum(KernelContext& k) {
  return ForNumber<SegmentsOf<PlusOf>>(TypeOf(k), k);
}
Status UnsortedSegmentProd(KernelContext& k) {
  return ForNumber<SegmentsOf<TimesOf>>(TypeOf(k), k);
}
Status UnsortedSegmentMax(KernelContext& k) {
  return ForNumber<SegmentsOf<LargestOf>>(TypeOf(k), k);
}
Status UnsortedSegmentMin(KernelContext& k) {
  return ForNumber<SegmentsOf<SmallestOf>>(TypeOf(k), k);
}

}  // namespace lockstep::gpu
