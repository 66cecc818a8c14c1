// SPDX-License-Identifier: Apache-2.0

// L2Loss: sum(t ^ 2) / 2, accumulated in double.
//   t: floats, any shape   output: same dtype []
// Gradient: dy * t.

#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "ops/reduce/reduction.h"

namespace lockstep {
namespace {

template <class T>
struct HalfSquareMonoid {
  using Acc = double;
  static Acc Init() { return 0; }
  static Acc Step(Acc a, ValueType<T> x) {
    const double v = static_cast<double>(x);
    return a + v * v;
  }
  static Acc Merge(Acc a, Acc b) { return a + b; }
  static T Finish(Acc a, int64_t count) {
    return SumMonoid<T>::Finish(a / 2, count);
  }
};

Status PrepareL2(PrepareContext& c) {
  const ReducePlan plan(c.input_shape(0), AxisSet().set());
  c.RequestScratch(plan.ScratchBytes(sizeof(double)));
  c.MakeState<ReducePlan>(plan);
  return Ok();
}

Status L2LossGradient(GradContext& g) {
  return g.SetDx(0, ops::Mul(g.scope(), g.x(0), g.dy(0)));
}

LOCKSTEP_OP("L2Loss")
    .Input("t: T")
    .Output("output: T")
    .Attr("T: floattype")
    .Shape(ScalarShape)
    .Gradient(L2LossGradient)
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      AddRuleOfReduction<HalfSquareMonoid<T>, T>();
      return KernelDef{RunReduction<HalfSquareMonoid<T>, T>, PrepareL2};
    });

}  // namespace

namespace ops {

Output L2Loss(const Scope& scope, const Input& x) {
  return scope.Op("L2Loss").In(x).Out();
}

}  // namespace ops
}  // namespace lockstep
