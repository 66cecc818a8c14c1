// SPDX-License-Identifier: Apache-2.0

// Select, ClipByValue, AddN, Cast.
//   condition, t, e: broadcast to y's shape   inputs of AddN: y's shape

#include "ops/math/functors.h"
#include "ops/math/gpu.h"
#include "ops/math/gpu_float16.h"
#include "ops/math/gpu_index.h"
#include "ops/math/move_functors.h"

namespace lockstep::gpu {
namespace {

struct SelectOf {
  template <class T>
  static Status Run(KernelContext& k) {
    const BroadcastIndex<3> at = k.state<BroadcastIndex<3>>();
    const bool* c = k.in<bool>(0);
    const T* t = k.in<T>(1);
    const T* e = k.in<T>(2);
    T* y = k.out<T>(0);
    return Each(k, at.size(), [=] LS_DEVICE(int64_t i) {
      y[i] = SelectFn::Apply<T>(c[at.Of(0, i)], t[at.Of(1, i)], e[at.Of(2, i)]);
    });
  }
};

struct ClipOf {
  template <class T>
  static Status Run(KernelContext& k) {
    using V = ValueType<T>;
    const BroadcastIndex<3> at = k.state<BroadcastIndex<3>>();
    const T* t = k.in<T>(0);
    const T* low = k.in<T>(1);
    const T* high = k.in<T>(2);
    T* y = k.out<T>(0);
    return Each(k, at.size(), [=] LS_DEVICE(int64_t i) {
      const V x = static_cast<V>(t[at.Of(0, i)]);
      const V from = static_cast<V>(low[at.Of(1, i)]);
      const V to = static_cast<V>(high[at.Of(2, i)]);
      const V below = x > to ? to : x;
      y[i] = T(below < from ? from : below);
    });
  }
};

// So many inputs are added at a time; more, to the sum of those before.
constexpr int kAtATime = 8;

template <class T>
struct Addends {
  const T* x[kAtATime] = {};
  int count = 0;
};

struct AddNOf {
  template <class T>
  static Status Run(KernelContext& k) {
    int next = 0;
    // The output may be in the place of inputs of any round: until the last one
    // the sum is elsewhere.
    while (next < k.num_inputs()) {
      Addends<T> in;
      const bool first = next == 0;
      const bool last = k.num_inputs() - next <= kAtATime;
      const T* before = static_cast<const T*>(k.scratch());
      T* y = last ? k.out<T>(0) : static_cast<T*>(k.scratch());
      for (; in.count < kAtATime && next < k.num_inputs(); ++next) {
        in.x[in.count++] = k.in<T>(next);
      }
      LS_RETURN_IF_ERROR(
          Each(k, k.output(0).NumElements(), [=] LS_DEVICE(int64_t i) {
            T sum = first ? in.x[0][i] : before[i];
            for (int j = first ? 1 : 0; j < in.count; ++j) {
              sum = AddFn::Apply<T>(sum, in.x[j][i]);
            }
            y[i] = sum;
          }));
    }
    return Ok();
  }
};

template <class From>
struct CastInto {
  template <class To>
  static Status Run(KernelContext& k) {
    const From* x = k.in<From>(0);
    To* y = k.out<To>(0);
    return Each(k, k.input(0).NumElements(), [=] LS_DEVICE(int64_t i) {
      y[i] = CastTo<To>::template Apply<From>(x[i]);
    });
  }
};
struct CastFrom {
  template <class From>
  static Status Run(KernelContext& k) {
    return ForType<CastInto<From>, Half, BFloat16, float, double, int32_t,
                   int64_t, uint8_t, bool>(k.output(0).dtype(), k);
  }
};

}  // namespace

Status PrepareSelect(PrepareContext& p) {
  Shape condition = p.input_shape(0);
  const Shape& y = p.output_shape(0);
  if (p.def().name == "Select" && condition.rank() == 1) {
    while (condition.rank() < y.rank()) condition.AddDim(1);  // one a row
  }
  p.MakeState<BroadcastIndex<3>>(
      BroadcastIndex<3>({&condition, &p.input_shape(1), &p.input_shape(2)}, y));
  return Ok();
}
Status Select(KernelContext& k) {
  return ForWidth<SelectOf>(k.output(0).dtype(), k);
}

Status PrepareClip(PrepareContext& p) {
  p.MakeState<BroadcastIndex<3>>(BroadcastIndex<3>(
      {&p.input_shape(0), &p.input_shape(1), &p.input_shape(2)},
      p.output_shape(0)));
  return Ok();
}
Status ClipByValue(KernelContext& k) {
  return ForNumber<ClipOf>(k.output(0).dtype(), k);
}

Status PrepareAddN(PrepareContext& p) {
  if (p.num_inputs() > kAtATime) {
    p.RequestScratch(static_cast<size_t>(p.output_shape(0).NumElements()) *
                     DTypeSize(p.output_dtype(0)));
  }
  return Ok();
}
Status AddN(KernelContext& k) {
  return ForNumber<AddNOf>(k.output(0).dtype(), k);
}

Status Cast(KernelContext& k) {
  return ForType<CastFrom, Half, BFloat16, float, double, int32_t, int64_t,
                 uint8_t, bool>(k.input(0).dtype(), k);
}

}  // namespace lockstep::gpu
