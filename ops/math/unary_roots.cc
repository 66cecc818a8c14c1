// SPDX-License-Identifier: Apache-2.0

// Sqrt, Rsqrt, Reciprocal (also called Inv) and their gradient ops.
//   x: floats, complex, Reciprocal also integers   y: same shape
// SqrtGrad(y, dy) = dy / 2y, RsqrtGrad(y, dy) = -dy y^3 / 2,
// ReciprocalGrad(y, dy) = -dy y^2, each differentiable again.

#include "ops/math/elementwise.h"
#include "ops/math/functors.h"
#include "ops/math/math.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Output GradOp(GradContext& g, const char* op) {
  return g.scope().Op(op).In(g.y(0)).In(g.dy(0)).Out();
}
Status SqrtGradient(GradContext& g) {
  return g.SetDx(0, GradOp(g, "SqrtGrad"));
}
Status RsqrtGradient(GradContext& g) {
  return g.SetDx(0, GradOp(g, "RsqrtGrad"));
}
Status ReciprocalGradient(GradContext& g) {
  return g.SetDx(0, GradOp(g, "ReciprocalGrad"));
}

// z = dy / 2y.
Status SqrtGradGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output ratio = ops::RealDiv(s, g.dy(0), g.x(0));
  LS_RETURN_IF_ERROR(g.SetDx(0, ops::Mul(s, ops::Neg(s, ratio), g.y(0))));
  return g.SetDx(1, ops::Mul(s, 0.5f, ratio));
}
// z = -dy y^3 / 2.
Status RsqrtGradGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output y = g.x(0), dy = g.x(1), dz = g.dy(0);
  LS_RETURN_IF_ERROR(g.SetDx(
      0,
      ops::Mul(s, ops::Mul(s, ops::Mul(s, -1.5f, dz), dy), ops::Square(s, y))));
  return g.SetDx(1, s.Op("RsqrtGrad").In(y).In(dz).Out());
}
// z = -dy y^2.
Status ReciprocalGradGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output y = g.x(0), dy = g.x(1), dz = g.dy(0);
  LS_RETURN_IF_ERROR(
      g.SetDx(0, ops::Mul(s, ops::Mul(s, ops::Mul(s, -2.0f, dz), dy), y)));
  return g.SetDx(1, s.Op("ReciprocalGrad").In(y).In(dz).Out());
}

constexpr const char* kRoots =
    "{bfloat16, half, float, double, complex64, complex128}";
constexpr const char* kSigned =
    "{bfloat16, half, float, double, int8, int16, int32, int64, complex64, "
    "complex128}";

OpBuilder ReciprocalOp(const char* name) {
  return UnaryOp(name, kSigned, ReciprocalGradient)
      .Kernels<LS_FLOAT_TYPES, LS_COMPLEX_TYPES, LS_SIGNED_TYPES>(
          kCpu, []<class T>() { return Unary<ReciprocalFn, T>(); });
}

template <class F>
OpBuilder RootGradOp(const char* name, GradientFn gradient) {
  OpBuilder b(name);
  b.Input("y: T").Input("dy: T").Output("z: T");
  b.Attr(StrCat("T: ", kRoots)).Shape(SameShapes).Gradient(gradient);
  b.InPlace(0, 0).InPlace(0, 1);
  return b.Kernels<LS_FLOAT_TYPES, LS_COMPLEX_TYPES>(
      kCpu, []<class T>() { return Binary<F, T>(); });
}

const OpRegistrar kSqrt =
    UnaryOp("Sqrt", kRoots, SqrtGradient)
        .Kernels<LS_FLOAT_TYPES, LS_COMPLEX_TYPES>(
            kCpu, []<class T>() { return Unary<SqrtFn, T>(); });
const OpRegistrar kRsqrt =
    UnaryOp("Rsqrt", kRoots, RsqrtGradient)
        .Kernels<LS_FLOAT_TYPES, LS_COMPLEX_TYPES>(
            kCpu, []<class T>() { return Unary<RsqrtFn, T>(); });
const OpRegistrar kReciprocal = ReciprocalOp("Reciprocal");
const OpRegistrar kInv = ReciprocalOp("Inv");
const OpRegistrar kSqrtGrad =
    RootGradOp<SqrtGradFn>("SqrtGrad", SqrtGradGradient);
const OpRegistrar kRsqrtGrad =
    RootGradOp<RsqrtGradFn>("RsqrtGrad", RsqrtGradGradient);
const OpRegistrar kReciprocalGrad =
    RootGradOp<ReciprocalGradFn>("ReciprocalGrad", ReciprocalGradGradient);
const OpRegistrar kInvGrad =
    RootGradOp<ReciprocalGradFn>("InvGrad", ReciprocalGradGradient);

}  // namespace

namespace ops {

Output Sqrt(const Scope& scope, const Input& x) {
  return scope.Op("Sqrt").In(x).Out();
}
Output Rsqrt(const Scope& scope, const Input& x) {
  return scope.Op("Rsqrt").In(x).Out();
}
Output Reciprocal(const Scope& scope, const Input& x) {
  return scope.Op("Reciprocal").In(x).Out();
}

}  // namespace ops
}  // namespace lockstep
