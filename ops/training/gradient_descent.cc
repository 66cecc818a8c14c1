// SPDX-License-Identifier: Apache-2.0

// ApplyGradientDescent: var -= alpha * delta.
//   var: reference [...]  alpha: []  delta: as var

#include "ops/training/apply.h"
#include "ops/training/training.h"

namespace lockstep {
namespace {

Status GradientDescentShape(ShapeContext& c) { return ApplyShape(c, 0, 2); }

template <class T>
LS_SIMD_CLONES void Descend(T* var, const T* delta, ArithmeticType<T> alpha,
                            int64_t n) {
  using A = ArithmeticType<T>;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    var[i] = T(A(var[i]) - alpha * A(delta[i]));
  }
}

template <class T>
Status GradientDescentRun(KernelContext& k) {
  LS_RETURN_IF_ERROR(CheckGradient(k, 2));
  T* var = k.variable(0).data<T>();
  const T* delta = k.in<T>(2);
  const ArithmeticType<T> alpha = *k.in<T>(1);
  ForElements(k.input(2).NumElements(), [&](int64_t begin, int64_t end) {
    Descend<T>(var + begin, delta + begin, alpha, end - begin);
  });
  return Ok();
}

LOCKSTEP_OP("ApplyGradientDescent")
    .Input("var: Ref(T)")
    .Input("alpha: T")
    .Input("delta: T")
    .Output("out: Ref(T)")
    .Attr("T: floattype")
    .Attr("use_locking: bool = false")
    .Shape(GradientDescentShape)
    .NoGradient()
    .Stateful()
    .With([](OpTraits& t) { t.applies_gradient = 2; })
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return KernelDef{GradientDescentRun<T>};
    });

}  // namespace

Output ops::ApplyGradientDescent(const Scope& scope, Output var,
                                 const Input& alpha, const Input& delta) {
  const DType dtype = var.defined() ? BaseOf(var.dtype()) : kInvalidType;
  return scope.Op("ApplyGradientDescent")
      .In(var)
      .In(alpha.Resolve(scope, dtype))
      .In(delta)
      .Out();
}

}  // namespace lockstep
