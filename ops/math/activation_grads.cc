// SPDX-License-Identifier: Apache-2.0

// TanhGrad(y, dy) = dy (1 - y^2), SigmoidGrad(y, dy) = dy y (1 - y): the
// gradients of Tanh and Sigmoid from their outputs, differentiable again.
//   y, dy: floats of one shape   z: same shape

#include "ops/math/elementwise.h"
#include "ops/math/functors.h"
#include "ops/math/math.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status TanhGradGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output y = g.x(0), dy = g.x(1), dz = g.dy(0);
  LS_RETURN_IF_ERROR(
      g.SetDx(0, ops::Mul(s, ops::Mul(s, ops::Mul(s, -2.0f, dz), dy), y)));
  return g.SetDx(1, s.Op("TanhGrad").In(y).In(dz).Out());
}
Status SigmoidGradGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output y = g.x(0), dy = g.x(1), dz = g.dy(0);
  const Output slope = ops::Sub(s, 1.0f, ops::Mul(s, 2.0f, y));
  LS_RETURN_IF_ERROR(g.SetDx(0, ops::Mul(s, ops::Mul(s, dz, dy), slope)));
  return g.SetDx(1, s.Op("SigmoidGrad").In(y).In(dz).Out());
}

template <class F>
OpBuilder ActivationGradOp(const char* name, GradientFn gradient) {
  OpBuilder b(name);
  b.Input("y: T").Input("dy: T").Output("z: T");
  b.Attr("T: {bfloat16, half, float, double, complex64, complex128}");
  b.Shape(SameShapes).Gradient(gradient).InPlace(0, 0).InPlace(0, 1);
  return b.Kernels<LS_FLOAT_TYPES, LS_COMPLEX_TYPES>(
      kCpu, []<class T>() { return Binary<F, T>(); });
}

const OpRegistrar kTanhGrad =
    ActivationGradOp<TanhGradFn>("TanhGrad", TanhGradGradient);
const OpRegistrar kSigmoidGrad =
    ActivationGradOp<SigmoidGradFn>("SigmoidGrad", SigmoidGradGradient);

}  // namespace
}  // namespace lockstep
