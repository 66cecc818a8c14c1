// SPDX-License-Identifier: Apache-2.0

// Maximum, Minimum: with NumPy broadcasting; NaN where either is NaN.
//   x, y: real numbers of one dtype   z: their broadcast shape
// Gradient: to x where x is chosen (also when equal), else to y.

#include "ops/array/array.h"
#include "ops/math/binary_gradient.h"
#include "ops/math/elementwise.h"
#include "ops/math/functors.h"
#include "ops/math/math.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status SplitGradient(GradContext& g, Output to_x) {
  const Scope& s = g.scope();
  const Output dz = g.dy(0);
  const Output zero = ops::ZerosLike(s, dz);
  return SetBroadcastGradients(g, ops::Select(s, to_x, dz, zero),
                               ops::Select(s, to_x, zero, dz));
}
Status MaximumGradient(GradContext& g) {
  return SplitGradient(g, ops::GreaterEqual(g.scope(), g.x(0), g.x(1)));
}
Status MinimumGradient(GradContext& g) {
  return SplitGradient(g, ops::LessEqual(g.scope(), g.x(0), g.x(1)));
}

LOCKSTEP_OP("Maximum")
    .Input("x: T")
    .Input("y: T")
    .Output("z: T")
    .Attr("T: realnumbertype")
    .Shape(BroadcastShape)
    .Gradient(MaximumGradient)
    .InPlace(0, 0)
    .InPlace(0, 1)
    .Kernels<LS_REAL_TYPES>(kCpu,
                            []<class T>() { return Binary<MaximumFn, T>(); });
LOCKSTEP_OP("Minimum")
    .Input("x: T")
    .Input("y: T")
    .Output("z: T")
    .Attr("T: realnumbertype")
    .Shape(BroadcastShape)
    .Gradient(MinimumGradient)
    .InPlace(0, 0)
    .InPlace(0, 1)
    .Kernels<LS_REAL_TYPES>(kCpu,
                            []<class T>() { return Binary<MinimumFn, T>(); });

}  // namespace

namespace ops {

Output Maximum(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("Maximum").InPair(x, y).Out();
}
Output Minimum(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("Minimum").InPair(x, y).Out();
}

}  // namespace ops
}  // namespace lockstep
