// SPDX-License-Identifier: Apache-2.0

// LogicalAnd, LogicalOr, LogicalNot.
//   x, y: bool, with NumPy broadcasting   z: bool

#include "ops/math/elementwise.h"
#include "ops/math/functors.h"
#include "ops/math/math.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

LOCKSTEP_OP("LogicalAnd")
    .Input("x: bool")
    .Input("y: bool")
    .Output("z: bool")
    .Shape(BroadcastShape)
    .NoGradient()
    .InPlace(0, 0)
    .InPlace(0, 1)
    .Kernel(kCpu, Binary<AndFn, bool>());
LOCKSTEP_OP("LogicalOr")
    .Input("x: bool")
    .Input("y: bool")
    .Output("z: bool")
    .Shape(BroadcastShape)
    .NoGradient()
    .InPlace(0, 0)
    .InPlace(0, 1)
    .Kernel(kCpu, Binary<OrFn, bool>());
LOCKSTEP_OP("LogicalNot")
    .Input("x: bool")
    .Output("y: bool")
    .Shape(UnchangedShape)
    .NoGradient()
    .InPlace(0, 0)
    .Kernel(kCpu, Unary<NotFn, bool>());

}  // namespace

namespace ops {

Output LogicalAnd(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("LogicalAnd").InPair(x, y).Out();
}
Output LogicalOr(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("LogicalOr").InPair(x, y).Out();
}
Output LogicalNot(const Scope& scope, const Input& x) {
  return scope.Op("LogicalNot").In(x).Out();
}

}  // namespace ops
}  // namespace lockstep
