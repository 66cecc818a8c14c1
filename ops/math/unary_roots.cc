// SPDX-License-Identifier: Apache-2.0

// Sqrt, Rsqrt, Reciprocal and their gradient ops.
//   x: floats   y: same shape
// SqrtGrad(y, dy) = dy / 2y, RsqrtGrad(y, dy) = -dy y^3 / 2,
// ReciprocalGrad(y, dy) = -dy y^2, each differentiable again.

#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

struct SqrtFn {
  template <class T>
  static T Apply(T x) {
    return T(std::sqrt(static_cast<ValueType<T>>(x)));
  }
};
struct RsqrtFn {
  template <class T>
  static T Apply(T x) {
    using V = ValueType<T>;
    return T(V{1} / std::sqrt(static_cast<V>(x)));
  }
};
struct ReciprocalFn {
  template <class T>
  static T Apply(T x) {
    using V = ValueType<T>;
    return T(V{1} / static_cast<V>(x));
  }
};
struct SqrtGradFn {
  template <class T>
  static T Apply(T y, T dy) {
    using V = ValueType<T>;
    return T(V{0.5} * static_cast<V>(dy) / static_cast<V>(y));
  }
};
struct RsqrtGradFn {
  template <class T>
  static T Apply(T y, T dy) {
    using V = ValueType<T>;
    const V v = y;
    return T(V{-0.5} * static_cast<V>(dy) * v * v * v);
  }
};
struct ReciprocalGradFn {
  template <class T>
  static T Apply(T y, T dy) {
    using V = ValueType<T>;
    const V v = y;
    return T(-static_cast<V>(dy) * v * v);
  }
};

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

LOCKSTEP_OP("Sqrt")
    .Input("x: T")
    .Output("y: T")
    .Attr("T: floattype")
    .Shape(UnchangedShape)
    .Gradient(SqrtGradient)
    .InPlace(0, 0)
    .Kernels<LS_FLOAT_TYPES>(kCpu,
                             []<class T>() { return Unary<SqrtFn, T>(); });
LOCKSTEP_OP("Rsqrt")
    .Input("x: T")
    .Output("y: T")
    .Attr("T: floattype")
    .Shape(UnchangedShape)
    .Gradient(RsqrtGradient)
    .InPlace(0, 0)
    .Kernels<LS_FLOAT_TYPES>(kCpu,
                             []<class T>() { return Unary<RsqrtFn, T>(); });
LOCKSTEP_OP("Reciprocal")
    .Input("x: T")
    .Output("y: T")
    .Attr("T: floattype")
    .Shape(UnchangedShape)
    .Gradient(ReciprocalGradient)
    .InPlace(0, 0)
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return Unary<ReciprocalFn, T>();
    });
LOCKSTEP_OP("SqrtGrad")
    .Input("y: T")
    .Input("dy: T")
    .Output("z: T")
    .Attr("T: floattype")
    .Shape(SameShapes)
    .Gradient(SqrtGradGradient)
    .InPlace(0, 0)
    .InPlace(0, 1)
    .Kernels<LS_FLOAT_TYPES>(kCpu,
                             []<class T>() { return Binary<SqrtGradFn, T>(); });
LOCKSTEP_OP("RsqrtGrad")
    .Input("y: T")
    .Input("dy: T")
    .Output("z: T")
    .Attr("T: floattype")
    .Shape(SameShapes)
    .Gradient(RsqrtGradGradient)
    .InPlace(0, 0)
    .InPlace(0, 1)
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return Binary<RsqrtGradFn, T>();
    });
LOCKSTEP_OP("ReciprocalGrad")
    .Input("y: T")
    .Input("dy: T")
    .Output("z: T")
    .Attr("T: floattype")
    .Shape(SameShapes)
    .Gradient(ReciprocalGradGradient)
    .InPlace(0, 0)
    .InPlace(0, 1)
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return Binary<ReciprocalGradFn, T>();
    });

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
