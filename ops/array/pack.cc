// SPDX-License-Identifier: Apache-2.0

// Pack: N tensors of one shape stacked along a new axis; Unpack undoes it.
//   values: N * T   axis: attribute, -(rank+1) <= axis <= rank
// Gradients: of one, the other.

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/array/strided_copy.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status PackShape(ShapeContext& c) {
  Shape merged = c.Input(0);
  for (int i = 1; i < c.num_inputs(); ++i) {
    Result<Shape> m = Shape::Merge(merged, c.Input(i));
    if (!m.ok()) {
      return InvalidArgument("Shapes of all inputs must match: values[0].shape",
                             " = ", merged, " != values[", i,
                             "].shape = ", c.Input(i));
    }
    merged = *m;
  }
  if (!merged.HasRank()) return c.SetOutput(0, merged);
  if (merged.rank() == Shape::kMaxRank) {
    return InvalidArgument("values have ", merged.rank(),
                           " dimensions already");
  }
  LS_ASSIGN_OR_RETURN(int axis,
                      ResolveAxis(c.Attr<int64_t>("axis"), merged.rank() + 1));
  merged.InsertDim(axis, c.num_inputs());
  return c.SetOutput(0, merged);
}

Status UnpackShape(ShapeContext& c) {
  const Shape& s = c.Input(0);
  if (!s.HasRank()) return Ok();
  LS_ASSIGN_OR_RETURN(int axis, ResolveAxis(c.Attr<int64_t>("axis"), s.rank()));
  if (s.dim(axis) != kUnknownDim && s.dim(axis) != c.num_outputs()) {
    return InvalidArgument("Input shape axis ", axis, " must equal ",
                           c.num_outputs(), ", got shape ", s);
  }
  Shape y = s;
  y.RemoveDim(axis);
  for (int i = 0; i < c.num_outputs(); ++i) {
    LS_RETURN_IF_ERROR(c.SetOutput(i, y));
  }
  return Ok();
}

struct StackState {
  StridedCopy copy;  // one part: [outer, inner]
  int64_t step;      // bytes from part to part in the whole
};

Result<StackState> MakeStack(DType dtype, const Shape& whole, int64_t attr,
                             bool packs) {
  LS_ASSIGN_OR_RETURN(int axis, ResolveAxis(attr, whole.rank()));
  const int64_t outer = DimProduct(whole, 0, axis);
  const int64_t inner = DimProduct(whole, axis + 1, whole.rank());
  const int64_t dims[] = {outer, inner};
  const int64_t in_whole[] = {inner * whole.dim(axis), 1};
  const int64_t in_part[] = {inner, 1};
  LS_ASSIGN_OR_RETURN(StridedCopy copy,
                      StridedCopy::Make(dtype, dims, packs ? in_whole : in_part,
                                        packs ? in_part : in_whole));
  return StackState{std::move(copy),
                    inner * static_cast<int64_t>(DTypeSize(dtype))};
}

Status PreparePack(PrepareContext& c) {
  LS_ASSIGN_OR_RETURN(StackState s,
                      MakeStack(c.input_dtype(0), c.output_shape(0),
                                c.Attr<int64_t>("axis"), true));
  c.MakeState<StackState>(std::move(s));
  return Ok();
}
Status PrepareUnpack(PrepareContext& c) {
  LS_ASSIGN_OR_RETURN(StackState s,
                      MakeStack(c.input_dtype(0), c.input_shape(0),
                                c.Attr<int64_t>("axis"), false));
  c.MakeState<StackState>(std::move(s));
  return Ok();
}

Status PackCpu(KernelContext& k) {
  const StackState& s = k.state<StackState>();
  for (int i = 0; i < k.num_inputs(); ++i) {
    LS_RETURN_IF_ERROR(
        s.copy.Run(static_cast<char*>(k.output(0).data()) + i * s.step,
                   k.input(i).data(), k.stream()));
  }
  return Ok();
}
Status UnpackCpu(KernelContext& k) {
  const StackState& s = k.state<StackState>();
  for (int i = 0; i < k.num_outputs(); ++i) {
    LS_RETURN_IF_ERROR(s.copy.Run(
        k.output(i).data(),
        static_cast<const char*>(k.input(0).data()) + i * s.step, k.stream()));
  }
  return Ok();
}

Status PackGradient(GradContext& g) {
  const std::vector<Output> parts =
      ops::Unpack(g.scope(), g.dy(0), g.num_inputs(),
                  static_cast<int>(g.Attr<int64_t>("axis")));
  for (size_t i = 0; i < parts.size(); ++i) {
    LS_RETURN_IF_ERROR(g.SetDx(static_cast<int>(i), parts[i]));
  }
  return g.scope().status();
}
Status UnpackGradient(GradContext& g) {
  std::vector<Output> dys;
  for (int i = 0; i < g.num_outputs(); ++i) dys.push_back(g.dy(i));
  if (dys.empty()) return Ok();
  return g.SetDx(
      0, ops::Pack(g.scope(), dys, static_cast<int>(g.Attr<int64_t>("axis"))));
}

LOCKSTEP_OP("Pack")
    .Input("values: N * T")
    .Output("output: T")
    .Attr("N: int >= 1")
    .Attr("T: type")
    .Attr("axis: int = 0")
    .Shape(PackShape)
    .Gradient(PackGradient)
    .Kernel(kCpu, {PackCpu, PreparePack});
LOCKSTEP_OP("Unpack")
    .Input("value: T")
    .Output("output: num * T")
    .Attr("num: int >= 0")
    .Attr("T: type")
    .Attr("axis: int = 0")
    .Shape(UnpackShape)
    .Gradient(UnpackGradient)
    .Kernel(kCpu, {UnpackCpu, PrepareUnpack});

}  // namespace

namespace ops {

Output Pack(const Scope& scope, const std::vector<Output>& values, int axis) {
  return scope.Op("Pack").In(values).Attr("axis", axis).Out();
}
std::vector<Output> Unpack(const Scope& scope, const Input& value, int num,
                           int axis) {
  return scope.Op("Unpack")
      .In(value)
      .Attr("num", num)
      .Attr("axis", axis)
      .Outs();
}

}  // namespace ops
}  // namespace lockstep
