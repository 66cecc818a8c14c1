// SPDX-License-Identifier: Apache-2.0

// ApplyAdam: Kingma and Ba, "Adam", in TensorFlow's form, in one pass:
//   m += (g - m) (1 - beta1)      v += (g^2 - v) (1 - beta2)
//   var -= lr sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon)
// with m replaced by beta1 m + (1 - beta1) g for use_nesterov.
//   var, m, v: references [...]  grad: as var  the others: []

#include <cmath>

#include "ops/training/apply.h"
#include "ops/training/training.h"

namespace lockstep {
namespace {

Status AdamShape(ShapeContext& c) { return ApplyShape(c, 2, 9); }

template <class A>
struct AdamFactors {
  A alpha, beta1, one_minus_beta1, one_minus_beta2, epsilon;
};

template <class T, bool kNesterov>
LS_SIMD_CLONES void Step(T* var, T* m, T* v, const T* grad,
                         AdamFactors<ArithmeticType<T>> f, int64_t n) {
  using A = ArithmeticType<T>;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const A g = A(grad[i]);
    const A mi = A(m[i]) + (g - A(m[i])) * f.one_minus_beta1;
    const A vi = A(v[i]) + (g * g - A(v[i])) * f.one_minus_beta2;
    m[i] = T(mi);
    v[i] = T(vi);
    const A direction = kNesterov ? g * f.one_minus_beta1 + f.beta1 * mi : mi;
    var[i] = T(A(var[i]) - direction * f.alpha / (std::sqrt(vi) + f.epsilon));
  }
}

template <class T>
AdamFactors<ArithmeticType<T>> FactorsOf(const KernelContext& k) {
  using A = ArithmeticType<T>;
  const A beta1_power = *k.in<T>(3), beta2_power = *k.in<T>(4);
  const A lr = *k.in<T>(5), beta1 = *k.in<T>(6), beta2 = *k.in<T>(7);
  return {lr * std::sqrt(A(1) - beta2_power) / (A(1) - beta1_power), beta1,
          A(1) - beta1, A(1) - beta2, A(*k.in<T>(8))};
}

template <class T>
Status AdamRun(KernelContext& k) {
  LS_RETURN_IF_ERROR(CheckSlot(k, 1));
  LS_RETURN_IF_ERROR(CheckSlot(k, 2));
  LS_RETURN_IF_ERROR(CheckGradient(k, 9));
  T* var = k.variable(0).data<T>();
  T* m = k.variable(1).data<T>();
  T* v = k.variable(2).data<T>();
  const T* grad = k.in<T>(9);
  const auto factors = FactorsOf<T>(k);
  const bool nesterov = k.state<bool>();
  ForElements(k.input(9).NumElements(), [&](int64_t b, int64_t e) {
    const auto step = nesterov ? Step<T, true> : Step<T, false>;
    step(var + b, m + b, v + b, grad + b, factors, e - b);
  });
  return Ok();
}

Status AdamPrepare(PrepareContext& p) {
  p.MakeState<bool>(p.Attr<bool>("use_nesterov"));
  return Ok();
}

LOCKSTEP_OP("ApplyAdam")
    .Input("var: Ref(T)")
    .Input("m: Ref(T)")
    .Input("v: Ref(T)")
    .Input("beta1_power: T")
    .Input("beta2_power: T")
    .Input("lr: T")
    .Input("beta1: T")
    .Input("beta2: T")
    .Input("epsilon: T")
    .Input("grad: T")
    .Output("out: Ref(T)")
    .Attr("T: floattype")
    .Attr("use_locking: bool = false")
    .Attr("use_nesterov: bool = false")
    .Shape(AdamShape)
    .NoGradient()
    .Stateful()
    .With([](OpTraits& t) { t.applies_gradient = 9; })
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return KernelDef{AdamRun<T>, AdamPrepare};
    });

}  // namespace

Output ops::ApplyAdam(const Scope& scope, const AdamInputs& in,
                      bool use_nesterov) {
  const DType dtype = in.var.defined() ? BaseOf(in.var.dtype()) : kInvalidType;
  return scope.Op("ApplyAdam")
      .In(in.var)
      .In(in.m)
      .In(in.v)
      .In(in.beta1_power)
      .In(in.beta2_power)
      .In(in.lr.Resolve(scope, dtype))
      .In(in.beta1.Resolve(scope, dtype))
      .In(in.beta2.Resolve(scope, dtype))
      .In(in.epsilon.Resolve(scope, dtype))
      .In(in.grad)
      .Attr("use_nesterov", use_nesterov)
      .Out();
}

}  // namespace lockstep
