// SPDX-License-Identifier: Apache-2.0

// Div, RealDiv, TruncateDiv, FloorDiv, DivNoNan, FloorMod, Mod, TruncateMod:
// with NumPy broadcasting.
//   x, y: numbers of one dtype   z: their broadcast shape
// Div divides floats and truncates integers. An integer divided by zero is
// INVALID_ARGUMENT (TruncateDiv, TruncateMod: INTERNAL); the least integer
// divided by -1 wraps around. Gradients: Div, RealDiv: dx = dz / y, dy = dz *
// -x / y / y. FloorMod and Mod: dx = dz, dy = -dz * the integral quotient. The
// other quotients are steps.

#include "ops/math/binary_gradient.h"
#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "ops/math/quotients.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status DivGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output x = Conjugate(s, g.x(0)), y = Conjugate(s, g.x(1));
  const Output slope = ops::Div(s, ops::Div(s, ops::Neg(s, x), y), y);
  return SetBroadcastGradients(g, ops::Div(s, g.dy(0), y),
                               ops::Mul(s, g.dy(0), slope));
}

Status RealDivGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output x = Conjugate(s, g.x(0)), y = Conjugate(s, g.x(1));
  const Output slope = ops::RealDiv(s, ops::RealDiv(s, ops::Neg(s, x), y), y);
  return SetBroadcastGradients(g, ops::RealDiv(s, g.dy(0), y),
                               ops::Mul(s, g.dy(0), slope));
}

Status DivNoNanGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output x = Conjugate(s, g.x(0)), y = Conjugate(s, g.x(1));
  const Output slope = ops::DivNoNan(s, ops::DivNoNan(s, ops::Neg(s, x), y), y);
  return SetBroadcastGradients(g, ops::DivNoNan(s, g.dy(0), y),
                               ops::Mul(s, g.dy(0), slope));
}

Status FloorModGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output q = ops::Neg(s, ops::FloorDiv(s, g.x(0), g.x(1)));
  return SetBroadcastGradients(g, g.dy(0), ops::Mul(s, g.dy(0), q));
}

Status TruncateModGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output q = ops::Neg(s, ops::TruncateDiv(s, g.x(0), g.x(1)));
  return SetBroadcastGradients(g, g.dy(0), ops::Mul(s, g.dy(0), q));
}

const OpRegistrar kDiv = BinaryOp("Div", "numbertype", DivGradient)
                             .Kernels<LS_NUMBER_TYPES>(kCpu, []<class T>() {
                               return Binary<DivFn, T>();
                             });
const OpRegistrar kRealDiv = BinaryOp("RealDiv", "numbertype", RealDivGradient)
                                 .Kernels<LS_NUMBER_TYPES>(kCpu, []<class T>() {
                                   return Binary<DivFn, T>();
                                 });
const OpRegistrar kTruncateDiv =
    BinaryOp("TruncateDiv", "numbertype", nullptr)
        .Kernels<LS_REAL_TYPES>(
            kCpu, []<class T>() { return Binary<TruncateDivFn, T>(); });
const OpRegistrar kFloorDiv = BinaryOp("FloorDiv", "numbertype", nullptr)
                                  .Kernels<LS_REAL_TYPES>(kCpu, []<class T>() {
                                    return Binary<FloorDivFn, T>();
                                  });
const OpRegistrar kDivNoNan =
    BinaryOp("DivNoNan",
             "{half, float, bfloat16, double, complex64, complex128}",
             DivNoNanGradient)
        .Kernels<LS_FLOAT_TYPES, LS_COMPLEX_TYPES>(
            kCpu, []<class T>() { return Binary<DivNoNanFn, T>(); });
const OpRegistrar kFloorMod =
    BinaryOp("FloorMod", "realnumbertype", FloorModGradient)
        .Kernels<LS_REAL_TYPES>(
            kCpu, []<class T>() { return Binary<FloorModFn, T>(); });
const OpRegistrar kMod = BinaryOp("Mod", "realnumbertype", TruncateModGradient)
                             .Kernels<LS_REAL_TYPES>(kCpu, []<class T>() {
                               return Binary<ModFn, T>();
                             });
const OpRegistrar kTruncateMod =
    BinaryOp("TruncateMod", "realnumbertype", TruncateModGradient)
        .Kernels<LS_REAL_TYPES>(
            kCpu, []<class T>() { return Binary<TruncateModFn, T>(); });

}  // namespace

namespace ops {

Output Div(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("Div").InPair(x, y).Out();
}
Output RealDiv(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("RealDiv").InPair(x, y).Out();
}
Output FloorDiv(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("FloorDiv").InPair(x, y).Out();
}
Output TruncateDiv(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("TruncateDiv").InPair(x, y).Out();
}
Output DivNoNan(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("DivNoNan").InPair(x, y).Out();
}
Output FloorMod(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("FloorMod").InPair(x, y).Out();
}
Output Mod(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("Mod").InPair(x, y).Out();
}
Output TruncateMod(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("TruncateMod").InPair(x, y).Out();
}

}  // namespace ops
}  // namespace lockstep
