// SPDX-License-Identifier: Apache-2.0

// Add, AddV2, Sub, Mul, SquaredDifference: with NumPy broadcasting.
//   x, y: real numbers of one dtype   z: their broadcast shape
// Integers wrap around.

#include "ops/math/binary_gradient.h"
#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

struct AddFn {
  template <class T>
  static T Apply(T a, T b) {
    using C = ArithmeticType<T>;
    return static_cast<T>(static_cast<C>(a) + static_cast<C>(b));
  }
};
struct SubFn {
  template <class T>
  static T Apply(T a, T b) {
    using C = ArithmeticType<T>;
    return static_cast<T>(static_cast<C>(a) - static_cast<C>(b));
  }
};
struct MulFn {
  template <class T>
  static T Apply(T a, T b) {
    using C = ArithmeticType<T>;
    return static_cast<T>(static_cast<C>(a) * static_cast<C>(b));
  }
};
struct SquaredDifferenceFn {
  template <class T>
  static T Apply(T a, T b) {
    using C = ArithmeticType<T>;
    const C d = static_cast<C>(static_cast<C>(a) - static_cast<C>(b));
    return static_cast<T>(d * d);
  }
};

Status AddGradient(GradContext& g) {
  return SetBroadcastGradients(g, g.dy(0), g.dy(0));
}

Status SubGradient(GradContext& g) {
  return SetBroadcastGradients(g, g.dy(0), ops::Neg(g.scope(), g.dy(0)));
}

// dx = dz * y, dy = dz * x.
Status MulGradient(GradContext& g) {
  return SetBroadcastGradients(g, ops::Mul(g.scope(), g.dy(0), g.x(1)),
                               ops::Mul(g.scope(), g.dy(0), g.x(0)));
}

// dx = 2 dz (x - y) = -dy.
Status SquaredDifferenceGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output d =
      ops::Mul(s, ops::Mul(s, 2.0f, g.dy(0)), ops::Sub(s, g.x(0), g.x(1)));
  return SetBroadcastGradients(g, d, ops::Neg(s, d));
}

LOCKSTEP_OP("Add")
    .Input("x: T")
    .Input("y: T")
    .Output("z: T")
    .Attr("T: realnumbertype")
    .Shape(BroadcastShape)
    .Gradient(AddGradient)
    .InPlace(0, 0)
    .InPlace(0, 1)
    .Kernels<LS_REAL_TYPES>(kCpu, []<class T>() { return Binary<AddFn, T>(); });
LOCKSTEP_OP("AddV2")
    .Input("x: T")
    .Input("y: T")
    .Output("z: T")
    .Attr("T: realnumbertype")
    .Shape(BroadcastShape)
    .Gradient(AddGradient)
    .InPlace(0, 0)
    .InPlace(0, 1)
    .Kernels<LS_REAL_TYPES>(kCpu, []<class T>() { return Binary<AddFn, T>(); });
LOCKSTEP_OP("Sub")
    .Input("x: T")
    .Input("y: T")
    .Output("z: T")
    .Attr("T: realnumbertype")
    .Shape(BroadcastShape)
    .Gradient(SubGradient)
    .InPlace(0, 0)
    .InPlace(0, 1)
    .Kernels<LS_REAL_TYPES>(kCpu, []<class T>() { return Binary<SubFn, T>(); });
LOCKSTEP_OP("Mul")
    .Input("x: T")
    .Input("y: T")
    .Output("z: T")
    .Attr("T: realnumbertype")
    .Shape(BroadcastShape)
    .Gradient(MulGradient)
    .InPlace(0, 0)
    .InPlace(0, 1)
    .Kernels<LS_REAL_TYPES>(kCpu, []<class T>() { return Binary<MulFn, T>(); });
LOCKSTEP_OP("SquaredDifference")
    .Input("x: T")
    .Input("y: T")
    .Output("z: T")
    .Attr("T: realnumbertype")
    .Shape(BroadcastShape)
    .Gradient(SquaredDifferenceGradient)
    .InPlace(0, 0)
    .InPlace(0, 1)
    .Kernels<LS_REAL_TYPES>(kCpu, []<class T>() {
      return Binary<SquaredDifferenceFn, T>();
    });

}  // namespace

namespace ops {

Output Add(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("AddV2").InPair(x, y).Out();
}
Output Sub(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("Sub").InPair(x, y).Out();
}
Output Mul(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("Mul").InPair(x, y).Out();
}
Output SquaredDifference(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("SquaredDifference").InPair(x, y).Out();
}

}  // namespace ops
}  // namespace lockstep
