// SPDX-License-Identifier: Apache-2.0
#include "ops/reduce/reduction.h"

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "runtime/graph/passes/rewrite.h"

namespace lockstep {

Status ReductionShape(ShapeContext& c) {
  const Shape& x = c.Input(0);
  const bool keep = c.Attr<bool>("keep_dims");
  LS_ASSIGN_OR_RETURN(auto axes, c.InputInts(1));
  if (!x.HasRank()) {
    return c.SetOutput(0, Shape::Unknown());
  }
  if (!axes) {
    return c.SetOutput(
        0, keep ? Shape::UnknownOfRank(x.rank()) : Shape::Unknown());
  }
  LS_ASSIGN_OR_RETURN(AxisSet reduced, ResolveAxes(*axes, x.rank()));
  Shape y;
  for (int d = 0; d < x.rank(); ++d) {
    if (!reduced.test(static_cast<size_t>(d))) {
      y.AddDim(x.dim(d));
    } else if (keep) {
      y.AddDim(1);
    }
  }
  return c.SetOutput(0, y);
}

int ReducesNothing(ShapeContext& c) {
  Result<std::optional<std::vector<int64_t>>> axes = c.InputInts(1);
  if (!axes.ok() || !axes->has_value()) return -1;
  if ((*axes)->empty()) return 0;
  const Shape& x = c.Input(0);
  if (!c.Attr<bool>("keep_dims") || !x.HasRank()) return -1;
  Result<AxisSet> reduced = ResolveAxes(**axes, x.rank());
  if (!reduced.ok()) return -1;
  for (int d = 0; d < x.rank(); ++d) {
    if (reduced->test(static_cast<size_t>(d)) && x.dim(d) != 1) return -1;
  }
  return 0;
}

Result<ReducePlan> MakeReducePlan(const PrepareContext& c) {
  LS_ASSIGN_OR_RETURN(std::vector<int64_t> axes, ToInt64s(*c.input_value(1)));
  LS_ASSIGN_OR_RETURN(AxisSet reduced,
                      ResolveAxes(axes, c.input_shape(0).rank()));
  return ReducePlan(c.input_shape(0), reduced);
}

OpBuilder ReductionOp(const char* name, const char* types,
                      GradientFn gradient) {
  const std::string t = types == nullptr ? "bool" : "T";
  OpBuilder b(name);
  b.Input("input: " + t).Input("reduction_indices: Tidx");
  b.Output("output: " + t).Attr("keep_dims: bool = false");
  if (types != nullptr) b.Attr(StrCat("T: ", types));
  b.Attr("Tidx: {int32, int64} = DT_INT32");
  b.Shape(ReductionShape).IdentityWhen(ReducesNothing).NeedsValue({1});
  return gradient != nullptr ? b.Gradient(gradient) : b.NoGradient();
}

// The shape of the same reduction that keeps its axes: known as soon as x's
// shape and the axes are, so that the reduction itself is hardly ever run.
Output KeptShape(GradContext& g) {
  const Scope& s = g.scope();
  if (g.Attr<bool>("keep_dims")) return ops::Shape(s, g.y(0));
  const Output kept =
      s.Op(g.node()->op()).In(g.x(0)).In(g.x(1)).Attr("keep_dims", true).Out();
  return ops::Shape(s, kept);
}

Output WithKeptAxes(GradContext& g, Output dy) {
  if (g.Attr<bool>("keep_dims")) return dy;
  return ops::Reshape(g.scope(), dy, KeptShape(g));
}

namespace {

// A reduction over axes of size 1 only gives its input another shape, which
// Reshape does without running. Gradients of broadcasts are full of them.
Result<bool> ReshapeInstead(RewriteContext& c) {
  Node* n = c.node();
  const Shape& x = n->input(0).shape();
  const Shape& y = n->output_shape(0);
  if (!x.IsFullyKnown() || !y.IsFullyKnown() || x.NumElements() == 0 ||
      x.NumElements() != y.NumElements()) {
    return false;
  }
  Tensor dims(kInt64, Shape{y.rank()});
  std::ranges::copy(y.dims(), dims.flat<int64_t>().begin());
  LS_ASSIGN_OR_RETURN(Node * shape,
                      c.Add(n->name() + "/shape", "Const", {},
                            {{"dtype", kInt64}, {"value", dims}}));
  LS_ASSIGN_OR_RETURN(Node * reshape, c.Add(n->name() + "/reshape", "Reshape",
                                            {n->input(0), {shape, 0}}));
  c.Replace({n, 0}, {reshape, 0});
  return true;
}

LOCKSTEP_REWRITE("Sum", ReshapeInstead);
LOCKSTEP_REWRITE("Mean", ReshapeInstead);
LOCKSTEP_REWRITE("Prod", ReshapeInstead);
LOCKSTEP_REWRITE("Max", ReshapeInstead);
LOCKSTEP_REWRITE("Min", ReshapeInstead);
LOCKSTEP_REWRITE("All", ReshapeInstead);
LOCKSTEP_REWRITE("Any", ReshapeInstead);

}  // namespace
}  // namespace lockstep
