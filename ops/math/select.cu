// SPDX-License-Identifier: Apache-2.0

// Select, ClipByValue, AddN, Cast.
//   condition, t, e: broadcast to y's shape   inputs of AddN: y's shape

#include "ops/math/gpu.h"
#include "ops/math/gpu_float16.h"
#include "ops/math/gpu_index.h"

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
      y[i] = c[at.Of(0, i)] ? t[at.Of(1, i)] : e[at.Of(2, i)];
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
    using C = ArithmeticType<T>;
    T* y = k.out<T>(0);
    int next = 0;
    // Whichever input is computed in place is read in the first round.
    while (next < k.num_inputs()) {
      Addends<T> in;
      const bool first = next == 0;
      for (; in.count < kAtATime && next < k.num_inputs(); ++next) {
        in.x[in.count++] = k.in<T>(next);
      }
      LS_RETURN_IF_ERROR(
          Each(k, k.output(0).NumElements(), [=] LS_DEVICE(int64_t i) {
            C sum = first ? C(0) : static_cast<C>(y[i]);
            for (int j = 0; j < in.count; ++j)
              sum += static_cast<C>(in.x[j][i]);
            y[i] = static_cast<T>(sum);
          }));
    }
    return Ok();
  }
};

// 16-bit floats go by way of float. What no integer is, is what the device
// makes of it.
template <class From, class To>
LS_HOST_DEVICE To Converted(From x) {
  const ValueType<From> v = x;
  if constexpr (std::is_same_v<To, bool>) {
    return v != ValueType<From>(0);
  } else if constexpr (kIsFloat16<To>) {
    return To(static_cast<float>(v));
  } else {
    return static_cast<To>(v);
  }
}

template <class From>
struct CastTo {
  template <class To>
  static Status Run(KernelContext& k) {
    const From* x = k.in<From>(0);
    To* y = k.out<To>(0);
    return Each(k, k.input(0).NumElements(),
                [=] LS_DEVICE(int64_t i) { y[i] = Converted<From, To>(x[i]); });
  }
};
struct CastFrom {
  template <class From>
  static Status Run(KernelContext& k) {
    return ForType<CastTo<From>, Half, BFloat16, float, double, int32_t,
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

Status AddN(KernelContext& k) {
  return ForNumber<AddNOf>(k.output(0).dtype(), k);
}

Status Cast(KernelContext& k) {
  return ForType<CastFrom, Half, BFloat16, float, double, int32_t, int64_t,
                 uint8_t, bool>(k.input(0).dtype(), k);
}

}  // namespace lockstep::gpu
