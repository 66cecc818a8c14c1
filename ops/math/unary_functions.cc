// SPDX-License-Identifier: Apache-2.0

// Exp, Expm1, Log, Log1p, Sin, Cos, Tan, Asin, Acos, Atan, Sinh, Cosh, Tanh,
// Sigmoid, Erf, Erfc.
//   x: floats   y: same shape, at most 4 ulp off
// Each result depends on its element alone (see vector_math.h).

#include "ops/math/math.h"
#include "ops/math/vector_math.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

#define LS_FUNCTOR(Name)                                  \
  struct Name##Fn {                                       \
    static float Apply(float x) { return vm::Name(x); }   \
    static double Apply(double x) { return vm::Name(x); } \
  }
LS_FUNCTOR(Exp);
LS_FUNCTOR(Expm1);
LS_FUNCTOR(Log);
LS_FUNCTOR(Log1p);
LS_FUNCTOR(Sin);
LS_FUNCTOR(Cos);
LS_FUNCTOR(Tan);
LS_FUNCTOR(Asin);
LS_FUNCTOR(Acos);
LS_FUNCTOR(Atan);
LS_FUNCTOR(Sinh);
LS_FUNCTOR(Cosh);
LS_FUNCTOR(Tanh);
LS_FUNCTOR(Erf);
LS_FUNCTOR(Erfc);
#undef LS_FUNCTOR
struct SigmoidFn {
  template <class T>
  static T Apply(T x) {
    return T{1} / (T{1} + vm::Exp(-x));
  }
};

Status ExpGradient(GradContext& g) {
  return g.SetDx(0, ops::Mul(g.scope(), g.dy(0), g.y(0)));
}
Status Expm1Gradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::Mul(s, g.dy(0), ops::Exp(s, g.x(0))));
}
Status LogGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::Mul(s, g.dy(0), ops::Reciprocal(s, g.x(0))));
}
Status Log1pGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::RealDiv(s, g.dy(0), ops::Add(s, 1.0f, g.x(0))));
}
Status SinGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::Mul(s, g.dy(0), ops::Cos(s, g.x(0))));
}
Status CosGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::Neg(s, ops::Mul(s, g.dy(0), ops::Sin(s, g.x(0)))));
}
Status TanGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0,
                 ops::RealDiv(s, g.dy(0), ops::Square(s, ops::Cos(s, g.x(0)))));
}
// 1 / sqrt(1 - x^2).
Output ArcSlope(GradContext& g) {
  const Scope& s = g.scope();
  return ops::Rsqrt(s, ops::Sub(s, 1.0f, ops::Square(s, g.x(0))));
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
      0, ops::RealDiv(s, g.dy(0), ops::Add(s, 1.0f, ops::Square(s, g.x(0)))));
}
Status SinhGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::Mul(s, g.dy(0), ops::Cosh(s, g.x(0))));
}
Status CoshGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::Mul(s, g.dy(0), ops::Sinh(s, g.x(0))));
}
// dy * factor * exp(-x^2).
Status GaussGradient(GradContext& g, float factor) {
  const Scope& s = g.scope();
  const Output bell = ops::Exp(s, ops::Neg(s, ops::Square(s, g.x(0))));
  return g.SetDx(0, ops::Mul(s, g.dy(0), ops::Mul(s, factor, bell)));
}
constexpr float kTwoOverRootPi = 1.1283791670955126f;
Status ErfGradient(GradContext& g) { return GaussGradient(g, kTwoOverRootPi); }
Status ErfcGradient(GradContext& g) {
  return GaussGradient(g, -kTwoOverRootPi);
}
Status TanhGradient(GradContext& g) {
  return g.SetDx(0, g.scope().Op("TanhGrad").In(g.y(0)).In(g.dy(0)).Out());
}
Status SigmoidGradient(GradContext& g) {
  return g.SetDx(0, g.scope().Op("SigmoidGrad").In(g.y(0)).In(g.dy(0)).Out());
}

#define LS_FUNCTION_OP(Name)    \
  LOCKSTEP_OP(#Name)            \
      .Input("x: T")            \
      .Output("y: T")           \
      .Attr("T: floattype")     \
      .Shape(UnchangedShape)    \
      .Gradient(Name##Gradient) \
      .InPlace(0, 0)            \
      .Kernels<LS_FLOAT_TYPES>( \
          kCpu, []<class T>() { return VectorUnary<Name##Fn, T>(); })
LS_FUNCTION_OP(Exp);
LS_FUNCTION_OP(Expm1);
LS_FUNCTION_OP(Log);
LS_FUNCTION_OP(Log1p);
LS_FUNCTION_OP(Sin);
LS_FUNCTION_OP(Cos);
LS_FUNCTION_OP(Tan);
LS_FUNCTION_OP(Asin);
LS_FUNCTION_OP(Acos);
LS_FUNCTION_OP(Atan);
LS_FUNCTION_OP(Sinh);
LS_FUNCTION_OP(Cosh);
LS_FUNCTION_OP(Tanh);
LS_FUNCTION_OP(Sigmoid);
LS_FUNCTION_OP(Erf);
LS_FUNCTION_OP(Erfc);
#undef LS_FUNCTION_OP

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
LS_FUNCTION_BUILDER(Sigmoid)
LS_FUNCTION_BUILDER(Erf)
LS_FUNCTION_BUILDER(Erfc)
#undef LS_FUNCTION_BUILDER

}  // namespace ops
}  // namespace lockstep
