// SPDX-License-Identifier: Apache-2.0

// Activations and their gradients.   x, dy, y: [...]

#include "ops/math/function_functors.h"
#include "ops/math/gpu_float16.h"
#include "ops/nn/activation_functors.h"
#include "ops/nn/gpu.h"

namespace lockstep::gpu {
namespace {

template <class F>
struct ActivationOf {
  template <class T>
  static Status Run(KernelContext& k) {
    const T* x = k.in<T>(0);
    T* y = k.out<T>(0);
    return Each(k, k.input(0).NumElements(), [=] LS_DEVICE(int64_t i) {
      y[i] = InValueType<F>::template Apply<T>(x[i]);
    });
  }
};

template <class F>
struct GradientOf {
  template <class T>
  static Status Run(KernelContext& k) {
    const T* dy = k.in<T>(0);
    const T* x = k.in<T>(1);
    T* dx = k.out<T>(0);
    return Each(k, k.input(0).NumElements(), [=] LS_DEVICE(int64_t i) {
      dx[i] = F::template Apply<T>(dy[i], x[i]);
    });
  }
};

struct LeakyOf {
  template <class T>
  static Status Run(KernelContext& k) {
    using V = ValueType<T>;
    const V alpha = static_cast<V>(k.state<float>());
    const T* x = k.in<T>(0);
    T* y = k.out<T>(0);
    return Each(k, k.input(0).NumElements(), [=] LS_DEVICE(int64_t i) {
      const V v = x[i];
      y[i] = v > 0 ? x[i] : T(alpha * v);
    });
  }
};
struct LeakyGradientOf {
  template <class T>
  static Status Run(KernelContext& k) {
    using V = ValueType<T>;
    const V alpha = static_cast<V>(k.state<float>());
    const T* dy = k.in<T>(0);
    const T* x = k.in<T>(1);
    T* dx = k.out<T>(0);
    return Each(k, k.input(0).NumElements(), [=] LS_DEVICE(int64_t i) {
      const V v = x[i], d = dy[i];
      dx[i] = v > 0 ? dy[i] : T(alpha * d);
    });
  }
};

DType TypeOf(KernelContext& k) { return k.input(0).dtype(); }

}  // namespace

#define LS_ACTIVATION(Name)                                  \
  Status Name(KernelContext& k) {                            \
    return ForFloat<ActivationOf<Name##Fn>>(TypeOf(k), k);   \
  }                                                          \
  Status Name##Grad(KernelContext& k) {                      \
    return ForFloat<GradientOf<Name##GradFn>>(TypeOf(k), k); \
  }
LS_ACTIVATION(Elu)
LS_ACTIVATION(Relu)
LS_ACTIVATION(Relu6)
LS_ACTIVATION(Selu)
LS_ACTIVATION(Softplus)
LS_ACTIVATION(Softsign)

Status PrepareLeakyRelu(PrepareContext& p) {
  p.MakeState<float>(p.Attr<float>("alpha"));
  return Ok();
}
Status LeakyRelu(KernelContext& k) { return ForFloat<LeakyOf>(TypeOf(k), k); }
Status LeakyReluGrad(KernelContext& k) {
  return ForFloat<LeakyGradientOf>(TypeOf(k), k);
}

}  // namespace lockstep::gpu
