// SPDX-License-Identifier: Apache-2.0

// Exp, Expm1, Log, Log1p, Sin, Cos, Tan, Asin, Acos, Atan, Sinh, Cosh, Tanh,
// Asinh, Acosh, Atanh, Sigmoid, Erf, Erfc.
//   x: floats (all but Erf and Erfc: also complex)   y: same shape, at most 4
//   ulp off
// Each result depends on its element alone (see vector_math.h).

#include "ops/math/binary_gradient.h"
#include "ops/math/function_functors.h"
#include "ops/math/math.h"
#include "ops/math/vector_math.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

// Of complex numbers.
#define LS_COMPLEX_FUNCTOR(Name, f) \
  struct Complex##Name##Fn {        \
    template <class T>              \
    static T Apply(T x) {           \
      return f;                     \
    }                               \
  }
LS_COMPLEX_FUNCTOR(Exp, std::exp(x));
LS_COMPLEX_FUNCTOR(Expm1, std::exp(x) - T(1));
LS_COMPLEX_FUNCTOR(Log, std::log(x));
LS_COMPLEX_FUNCTOR(Log1p, std::log(T(1) + x));
LS_COMPLEX_FUNCTOR(Sin, std::sin(x));
LS_COMPLEX_FUNCTOR(Cos, std::cos(x));
LS_COMPLEX_FUNCTOR(Tan, std::tan(x));
LS_COMPLEX_FUNCTOR(Asin, std::asin(x));
LS_COMPLEX_FUNCTOR(Acos, std::acos(x));
LS_COMPLEX_FUNCTOR(Atan, std::atan(x));
LS_COMPLEX_FUNCTOR(Sinh, std::sinh(x));
LS_COMPLEX_FUNCTOR(Cosh, std::cosh(x));
LS_COMPLEX_FUNCTOR(Tanh, std::tanh(x));
LS_COMPLEX_FUNCTOR(Asinh, std::asinh(x));
LS_COMPLEX_FUNCTOR(Acosh, std::acosh(x));
LS_COMPLEX_FUNCTOR(Atanh, std::atanh(x));
LS_COMPLEX_FUNCTOR(Sigmoid, T(1) / (T(1) + std::exp(-x)));
#undef LS_COMPLEX_FUNCTOR

Status ExpGradient(GradContext& g) {
  return g.SetDx(0, ops::Mul(g.scope(), g.dy(0), Conjugate(g.scope(), g.y(0))));
}
// The operand that slopes are of.
Output X(GradContext& g) { return Conjugate(g.scope(), g.x(0)); }

Status Expm1Gradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::Mul(s, g.dy(0), ops::Exp(s, X(g))));
}
Status LogGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::Mul(s, g.dy(0), ops::Reciprocal(s, X(g))));
}
Status Log1pGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::RealDiv(s, g.dy(0), ops::Add(s, 1.0f, X(g))));
}
Status SinGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::Mul(s, g.dy(0), ops::Cos(s, X(g))));
}
Status CosGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::Neg(s, ops::Mul(s, g.dy(0), ops::Sin(s, X(g)))));
}
Status TanGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0,
                 ops::RealDiv(s, g.dy(0), ops::Square(s, ops::Cos(s, X(g)))));
}
// 1 / sqrt(1 - x^2).
Output ArcSlope(GradContext& g) {
  const Scope& s = g.scope();
  return ops::Rsqrt(s, ops::Sub(s, 1.0f, ops::Square(s, X(g))));
}
Status AsinGradient(GradContext& g) {
  return g.SetDx(0, ops::Mul(g.scope(), g.dy(0), ArcSlope(g)));
}
Status AcosGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::Neg(s, ops::Mul(s, g.dy(0), ArcSlope(g))));
}
Status AtanGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(
      0, ops::RealDiv(s, g.dy(0), ops::Add(s, 1.0f, ops::Square(s, X(g)))));
}
Status SinhGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::Mul(s, g.dy(0), ops::Cosh(s, X(g))));
}
Status CoshGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::Mul(s, g.dy(0), ops::Sinh(s, X(g))));
}
Status AsinhGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output y = Conjugate(s, g.y(0));
  return g.SetDx(0, ops::RealDiv(s, g.dy(0), ops::Cosh(s, y)));
}
Status AcoshGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output y = Conjugate(s, g.y(0));
  return g.SetDx(0, ops::RealDiv(s, g.dy(0), ops::Sinh(s, y)));
}
Status AtanhGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(
      0, ops::RealDiv(s, g.dy(0), ops::Sub(s, 1.0f, ops::Square(s, X(g)))));
}
// dy * factor * exp(-x^2).
Status GaussGradient(GradContext& g, float factor) {
  const Scope& s = g.scope();
  const Output bell = ops::Exp(s, ops::Neg(s, ops::Square(s, X(g))));
  return g.SetDx(0, ops::Mul(s, g.dy(0), ops::Mul(s, factor, bell)));
}
constexpr float kTwoOverRootPi = 1.1283791670955126f;
Status ErfGradient(GradContext& g) { return GaussGradient(g, kTwoOverRootPi); }
Status ErfcGradient(GradContext& g) {
  return GaussGradient(g, -kTwoOverRootPi);
}
Status TanhGradient(GradContext& g) {
  return g.SetDx(0, g.scope()
                        .Op("TanhGrad")
                        .In(Conjugate(g.scope(), g.y(0)))
                        .In(g.dy(0))
                        .Out());
}
Status SigmoidGradient(GradContext& g) {
  return g.SetDx(0, g.scope()
                        .Op("SigmoidGrad")
                        .In(Conjugate(g.scope(), g.y(0)))
                        .In(g.dy(0))
                        .Out());
}

#define LS_FUNCTION_OP(Name)                      \
  const OpRegistrar k##Name =                     \
      UnaryOp(#Name, "floattype", Name##Gradient) \
          .Kernels<LS_FLOAT_TYPES>(               \
              kCpu, []<class T>() { return VectorUnary<Name##Fn, T>(); })
#define LS_COMPLEX_FUNCTION_OP(Name)                                           \
  const OpRegistrar k##Name =                                                  \
      UnaryOp(#Name, "{bfloat16, half, float, double, complex64, complex128}", \
              Name##Gradient)                                                  \
          .Kernels<LS_FLOAT_TYPES>(                                            \
              kCpu, []<class T>() { return VectorUnary<Name##Fn, T>(); })      \
          .Kernels<LS_COMPLEX_TYPES>(                                          \
              kCpu, []<class T>() { return Unary<Complex##Name##Fn, T>(); })
LS_COMPLEX_FUNCTION_OP(Exp);
LS_COMPLEX_FUNCTION_OP(Expm1);
LS_COMPLEX_FUNCTION_OP(Log);
LS_COMPLEX_FUNCTION_OP(Log1p);
LS_COMPLEX_FUNCTION_OP(Sin);
LS_COMPLEX_FUNCTION_OP(Cos);
LS_COMPLEX_FUNCTION_OP(Tan);
LS_COMPLEX_FUNCTION_OP(Asin);
LS_COMPLEX_FUNCTION_OP(Acos);
LS_COMPLEX_FUNCTION_OP(Atan);
LS_COMPLEX_FUNCTION_OP(Sinh);
LS_COMPLEX_FUNCTION_OP(Cosh);
LS_COMPLEX_FUNCTION_OP(Tanh);
LS_COMPLEX_FUNCTION_OP(Asinh);
LS_COMPLEX_FUNCTION_OP(Acosh);
LS_COMPLEX_FUNCTION_OP(Atanh);
LS_COMPLEX_FUNCTION_OP(Sigmoid);
LS_FUNCTION_OP(Erf);
LS_FUNCTION_OP(Erfc);
#undef LS_FUNCTION_OP
#undef LS_COMPLEX_FUNCTION_OP

}  // namespace

namespace ops {

#define LS_FUNCTION_BUILDER(Name)                   \
  Output Name(const Scope& scope, const Input& x) { \
    return scope.Op(#Name).In(x).Out();             \
  }
LS_FUNCTION_BUILDER(Exp)
LS_FUNCTION_BUILDER(Expm1)
LS_FUNCTION_BUILDER(Log)
LS_FUNCTION_BUILDER(Log1p)
LS_FUNCTION_BUILDER(Sin)
LS_FUNCTION_BUILDER(Cos)
LS_FUNCTION_BUILDER(Tan)
LS_FUNCTION_BUILDER(Asin)
LS_FUNCTION_BUILDER(Acos)
LS_FUNCTION_BUILDER(Atan)
LS_FUNCTION_BUILDER(Sinh)
LS_FUNCTION_BUILDER(Cosh)
LS_FUNCTION_BUILDER(Tanh)
LS_FUNCTION_BUILDER(Asinh)
LS_FUNCTION_BUILDER(Acosh)
LS_FUNCTION_BUILDER(Atanh)
LS_FUNCTION_BUILDER(Sigmoid)
LS_FUNCTION_BUILDER(Erf)
LS_FUNCTION_BUILDER(Erfc)
#undef LS_FUNCTION_BUILDER

}  // namespace ops
}  // namespace lockstep
