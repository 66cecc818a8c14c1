// SPDX-License-Identifier: Apache-2.0

// ApplyMomentum: accum = accum * momentum + grad; var -= lr * accum, or, with
// use_nesterov, lr * (grad + momentum * accum).
//   var, accum: references [...]  lr, momentum: []  grad: as var

#include "ops/training/apply.h"
#include "ops/training/training.h"

namespace lockstep {
namespace {

Status MomentumShape(ShapeContext& c) { return ApplyShape(c, 1, 3); }

template <class T, bool kNesterov>
LS_SIMD_CLONES void Step(T* var, T* accum, const T* grad, ArithmeticType<T> lr,
                         ArithmeticType<T> momentum, int64_t n) {
  using A = ArithmeticType<T>;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const A g = A(grad[i]);
    const A a = A(accum[i]) * momentum + g;
    accum[i] = T(a);
    const A by = kNesterov ? g * lr + a * momentum * lr : a * lr;
    var[i] = T(A(var[i]) - by);
  }
}

template <class T>
Status MomentumRun(KernelContext& k) {
  LS_RETURN_IF_ERROR(CheckSlot(k, 1));
  LS_RETURN_IF_ERROR(CheckGradient(k, 3));
  T* var = k.variable(0).data<T>();
  T* accum = k.variable(1).data<T>();
  const T* grad = k.in<T>(3);
  const ArithmeticType<T> lr = *k.in<T>(2), momentum = *k.in<T>(4);
  const bool nesterov = k.state<bool>();
  ForElements(k.input(3).NumElements(), [&](int64_t b, int64_t e) {
    const auto step = nesterov ? Step<T, true> : Step<T, false>;
    step(var + b, accum + b, grad + b, lr, momentum, e - b);
  });
  return Ok();
}

Status MomentumPrepare(PrepareContext& p) {
  p.MakeState<bool>(p.Attr<bool>("use_nesterov"));
  return Ok();
}

LOCKSTEP_OP("ApplyMomentum")
    .Input("var: Ref(T)")
    .Input("accum: Ref(T)")
    .Input("lr: T")
    .Input("grad: T")
    .Input("momentum: T")
    .Output("out: Ref(T)")
    .Attr("T: floattype")
    .Attr("use_locking: bool = false")
    .Attr("use_nesterov: bool = false")
    .Shape(MomentumShape)
    .NoGradient()
    .Stateful()
    .With([](OpTraits& t) { t.applies_gradient = 3; })
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return KernelDef{MomentumRun<T>, MomentumPrepare};
    });

}  // namespace

Output ops::ApplyMomentum(const Scope& scope, Output var, Output accum,
                          const Input& lr, const Input& grad,
                          const Input& momentum, bool use_nesterov) {
  const DType dtype = var.defined() ? BaseOf(var.dtype()) : kInvalidType;
  return scope.Op("ApplyMomentum")
      .In(var)
      .In(accum)
      .In(lr.Resolve(scope, dtype))
      .In(grad)
      .In(momentum.Resolve(scope, dtype))
      .Attr("use_nesterov", use_nesterov)
      .Out();
}

}  // namespace lockstep
