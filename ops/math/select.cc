// SPDX-License-Identifier: Apache-2.0

// Select, SelectV2: x where the condition holds, y elsewhere.
//   condition: bool   x, y: one dtype   z
// Select: x, y, z of one shape; the condition has that shape, is a scalar, or
// a vector with one value for each row. SelectV2 broadcasts all three.
// Gradients: dz where the condition holds to x, elsewhere to y.

#include "ops/array/array.h"
#include "ops/array/element_unit.h"
#include "ops/math/broadcast.h"
#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status SelectShape(ShapeContext& c) {
  const Result<Shape> merged_data = Shape::Merge(c.Input(1), c.Input(2));
  if (!merged_data.ok()) {
    return InvalidArgument("Inputs to operation of type Select must have the ",
                           "same size and shape.  Input 1: ", c.Input(1),
                           " != input 2: ", c.Input(2));
  }
  const Shape data = *merged_data;
  const Shape& cond = c.Input(0);
  LS_RETURN_IF_ERROR(c.SetOutput(0, data));
  if (!cond.HasRank() || cond.IsScalar() || !data.HasRank()) return Ok();
  if (cond.rank() == 1 && data.rank() != 1) {
    if (data.rank() >= 1 &&
        Shape{cond.dim(0)}.IsCompatibleWith(Shape{data.dim(0)})) {
      return Ok();
    }
    return InvalidArgument("Number of batches of 'then' must match size of ",
                           "'cond': condition ", cond,
                           " must have one value for each row of ", data);
  }
  LS_ASSIGN_OR_RETURN(Shape merged, Shape::Merge(data, cond));
  return c.SetOutput(0, merged);
}

Status SelectV2Shape(ShapeContext& c) {
  const Result<Shape> data = Shape::Broadcast(c.Input(1), c.Input(2));
  const Result<Shape> all =
      data.ok() ? Shape::Broadcast(c.Input(0), *data) : data;
  if (all.ok()) return c.SetOutput(0, *all);
  return InvalidArgument("condition ", c.Input(0), ", then ", c.Input(1),
                         ", and else ", c.Input(2), " must be broadcastable");
}

// Types whose bits can be masked: a branch for each element would be guessed
// wrong as often as a random condition changes.
template <class U>
inline constexpr bool kMasked = std::is_unsigned_v<U>;

template <class U>
struct Masked {
  const unsigned char* condition;

  U operator()(int64_t i, U x, U y) const {
    const U all = static_cast<U>(U{0} - static_cast<U>(condition[i] != 0));
    return static_cast<U>(y ^ ((x ^ y) & all));
  }
};

// Steps are 0 or 1; those of the condition, 1.
template <class U>
LS_SIMD_CLONES void SelectMasked(const bool* c, const U* x, int64_t step_x,
                                 const U* y, int64_t step_y, U* z, int64_t n) {
  const Masked<U> select{reinterpret_cast<const unsigned char*>(c)};
  if (step_x == 0) {
    const U vx = *x;
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) z[i] = select(i, vx, y[i * step_y]);
  } else if (step_y == 0) {
    const U vy = *y;
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) z[i] = select(i, x[i], vy);
  } else {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) z[i] = select(i, x[i], y[i]);
  }
}

template <class U>
void SelectRun(const bool* c, int64_t step_c, const U* x, int64_t step_x,
               const U* y, int64_t step_y, U* z, int64_t n) {
  if (step_c == 0) {
    const U* from = *c ? x : y;
    const int64_t step = *c ? step_x : step_y;
    for (int64_t i = 0; i < n; ++i) z[i] = from[i * step];
  } else if constexpr (kMasked<U>) {
    SelectMasked<U>(c, x, step_x, y, step_y, z, n);
  } else {
    for (int64_t i = 0; i < n; ++i) z[i] = c[i] ? x[i * step_x] : y[i * step_y];
  }
}

template <class U>
Status SelectCpu(KernelContext& k) {
  const BroadcastWalk& w = k.state<BroadcastWalk>();
  const bool* c = k.in<bool>(0);
  const U* x = k.in<U>(1);
  const U* y = k.in<U>(2);
  U* z = k.out<U>(0);
  w.ForRuns(kCheapGrain, [&](int64_t at, const int64_t* from, int64_t n) {
    SelectRun<U>(c + from[0], w.step(0), x + from[1], w.step(1), y + from[2],
                 w.step(2), z + at, n);
  });
  return Ok();
}

template <class U>
void SelectElements(const void* condition, const void* x, const void* y,
                    void* z, int64_t n) {
  SelectRun<U>(static_cast<const bool*>(condition), 1, static_cast<const U*>(x),
               1, static_cast<const U*>(y), 1, static_cast<U*>(z), n);
}

// Select's condition of one value a row is not what broadcasting makes of it.
bool ConditionBroadcasts(const AttrMap&, std::span<const Shape> inputs) {
  return inputs[0].rank() != 1 || inputs[1].rank() <= 1;
}

Status PrepareSelect(PrepareContext& c) {
  Shape cond = c.input_shape(0);
  const Shape& out = c.output_shape(0);
  if (c.def().name == "Select" && cond.rank() == 1) {
    while (cond.rank() < out.rank()) cond.AddDim(1);  // one value a row
  }
  const Shape shapes[] = {cond, c.input_shape(1), c.input_shape(2)};
  c.MakeState<BroadcastWalk>(shapes, out);
  return Ok();
}

// The gradients before they are summed to the inputs' shapes.
std::pair<Output, Output> Split(GradContext& g, const char* op) {
  const Scope& s = g.scope();
  const Output zero = ops::ZerosLike(s, g.dy(0));
  return {s.Op(op).In(g.x(0)).In(g.dy(0)).In(zero).Out(),
          s.Op(op).In(g.x(0)).In(zero).In(g.dy(0)).Out()};
}
Status SelectGradient(GradContext& g) {
  auto [dx, dy] = Split(g, "Select");
  LS_RETURN_IF_ERROR(g.SetDx(1, dx));
  return g.SetDx(2, dy);
}
Status SelectV2Gradient(GradContext& g) {
  auto [dx, dy] = Split(g, "SelectV2");
  const Output z = g.y(0);
  LS_RETURN_IF_ERROR(g.SetDx(1, SumToShapeOf(g.scope(), dx, g.x(1), z, true)));
  return g.SetDx(2, SumToShapeOf(g.scope(), dy, g.x(2), z, true));
}

template <class T>
KernelDef SelectKernel() {
  using U = ElementUnit<T>;
  if constexpr (!std::is_same_v<U, std::string>) {
    AddElementRule(SelectCpu<U>,
                   {.run = SelectElements<U>, .fits = ConditionBroadcasts});
  }
  return {SelectCpu<U>, PrepareSelect};
}

LOCKSTEP_OP("Select")
    .Input("condition: bool")
    .Input("t: T")
    .Input("e: T")
    .Output("output: T")
    .Attr("T: type")
    .Shape(SelectShape)
    .Gradient(SelectGradient)
    .InPlace(0, 1)
    .InPlace(0, 2)
    .Kernels<LS_ANY_TYPES>(kCpu, []<class T>() { return SelectKernel<T>(); });
LOCKSTEP_OP("SelectV2")
    .Input("condition: bool")
    .Input("t: T")
    .Input("e: T")
    .Output("output: T")
    .Attr("T: type")
    .Shape(SelectV2Shape)
    .Gradient(SelectV2Gradient)
    .InPlace(0, 1)
    .InPlace(0, 2)
    .Kernels<LS_ANY_TYPES>(kCpu, []<class T>() { return SelectKernel<T>(); });

}  // namespace

namespace ops {

Output Select(const Scope& scope, const Input& condition, const Input& x,
              const Input& y) {
  return scope.Op("Select").In(condition).InPair(x, y).Out();
}
Output SelectV2(const Scope& scope, const Input& condition, const Input& x,
                const Input& y) {
  return scope.Op("SelectV2").In(condition).InPair(x, y).Out();
}

}  // namespace ops
}  // namespace lockstep
