// SPDX-License-Identifier: Apache-2.0

// Sum, Mean, Prod, Max, Min, All, Any over any axes; L2Loss over all.
//   x: [...]   y: [the axes that are kept]

#include <limits>

#include "ops/math/gpu_float16.h"
#include "ops/reduce/gpu.h"
#include "ops/reduce/gpu_reduce.h"

namespace lockstep::gpu {
namespace {

template <class T>
struct MeanOf : SumOf<T> {
  using Acc = typename SumOf<T>::Acc;
  LS_HOST_DEVICE static T Finish(Acc a, int64_t count) {
    return SumOf<T>::Finish(a / static_cast<double>(count), count);
  }
};

template <class T>
struct ProdOf : SumOf<T> {
  using Acc = typename SumOf<T>::Acc;
  LS_HOST_DEVICE static Acc Init() { return Acc(1); }
  LS_HOST_DEVICE static Acc Step(Acc a, T x) { return a * static_cast<Acc>(x); }
  LS_HOST_DEVICE static Acc Merge(Acc a, Acc b) { return a * b; }
};

template <class T>
struct HalfSquareOf : SumOf<T> {
  using Acc = typename SumOf<T>::Acc;
  LS_HOST_DEVICE static Acc Step(Acc a, T x) {
    const Acc v = static_cast<Acc>(x);
    return a + v * v;
  }
  LS_HOST_DEVICE static T Finish(Acc a, int64_t count) {
    return SumOf<T>::Finish(a / 2, count);
  }
};

template <class T, bool kMax>
struct ExtremeOf {
  using Acc = ValueType<T>;
  LS_HOST_DEVICE static Acc Init() {
    using L = std::numeric_limits<Acc>;
    if constexpr (kIsFloat<T>) {
      return kMax ? -L::infinity() : L::infinity();
    } else {
      return kMax ? L::lowest() : L::max();
    }
  }
  LS_HOST_DEVICE static Acc Step(Acc a, T x) {
    return Merge(a, static_cast<Acc>(x));
  }
  LS_HOST_DEVICE static Acc Merge(Acc a, Acc b) {  // NaN stays
    return (kMax ? b > a : b < a) || b != b ? b : a;
  }
  LS_HOST_DEVICE static T Finish(Acc a, int64_t) { return T(a); }
};
template <class T>
using MaxOf = ExtremeOf<T, true>;
template <class T>
using MinOf = ExtremeOf<T, false>;

template <bool kAll>
struct LogicalOf {
  using Acc = int;
  LS_HOST_DEVICE static Acc Init() { return kAll ? 1 : 0; }
  LS_HOST_DEVICE static Acc Step(Acc a, bool x) { return Merge(a, x ? 1 : 0); }
  LS_HOST_DEVICE static Acc Merge(Acc a, Acc b) { return kAll ? a & b : a | b; }
  LS_HOST_DEVICE static bool Finish(Acc a, int64_t) { return a != 0; }
};

template <template <class> class M>
struct ReductionOf {
  template <class T>
  static Status Run(KernelContext& k) {
    return Reduce<M<T>>(k, k.state<GpuReduction>(), k.in<T>(0), k.out<T>(0));
  }
};

DType TypeOf(KernelContext& k) { return k.input(0).dtype(); }

Status Prepare(PrepareContext& p, AxisSet axes) {
  GpuReduction& r = p.MakeState<GpuReduction>(p.input_shape(0), axes);
  p.RequestScratch(r.ScratchBytes(sizeof(double)));
  return Ok();
}

}  // namespace

Status PrepareReduction(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(const std::vector<int64_t> axes,
                      ToInt64s(*p.input_value(1)));
  LS_ASSIGN_OR_RETURN(const AxisSet set,
                      ResolveAxes(axes, p.input_shape(0).rank()));
  return Prepare(p, set);
}
Status PrepareL2Loss(PrepareContext& p) { return Prepare(p, AxisSet().set()); }

Status Sum(KernelContext& k) {
  return ForNumber<ReductionOf<SumOf>>(TypeOf(k), k);
}
Status Prod(KernelContext& k) {
  return ForNumber<ReductionOf<ProdOf>>(TypeOf(k), k);
}
Status Max(KernelContext& k) {
  return ForNumber<ReductionOf<MaxOf>>(TypeOf(k), k);
}
Status Min(KernelContext& k) {
  return ForNumber<ReductionOf<MinOf>>(TypeOf(k), k);
}
Status Mean(KernelContext& k) {
  return ForFloat<ReductionOf<MeanOf>>(TypeOf(k), k);
}
Status L2Loss(KernelContext& k) {
  return ForFloat<ReductionOf<HalfSquareOf>>(TypeOf(k), k);
}
Status All(KernelContext& k) {
  return Reduce<LogicalOf<true>>(k, k.state<GpuReduction>(), k.in<bool>(0),
                                 k.out<bool>(0));
}
Status Any(KernelContext& k) {
  return Reduce<LogicalOf<false>>(k, k.state<GpuReduction>(), k.in<bool>(0),
                                  k.out<bool>(0));
}

}  // namespace lockstep::gpu
