// SPDX-License-Identifier: Apache-2.0

// StridedSliceAssign: ref[begin:end:stride, ...] = value, with StridedSlice's
// masks; ResourceStridedSliceAssign of a resource variable.
//   ref: a variable, any rank   begin, end, strides: int32|int64 [n]
//   value: T, broadcast to the slice's shape   output_ref: the reference

#include "ops/array/strided_copy.h"
#include "ops/array/strided_slice.h"
#include "ops/state/state.h"
#include "ops/state/variable_input.h"

namespace lockstep {
namespace {

// Leading ones beyond the slice's rank do not count.
Status CheckValue(Shape value, const Shape& slice) {
  if (!value.HasRank() || !slice.HasRank()) return Ok();
  const Shape given = value;
  while (value.rank() > slice.rank() && value.dim(0) == 1) value.RemoveDim(0);
  auto together = Shape::Broadcast(value, slice);
  if (value.rank() <= slice.rank() && together.ok() &&
      together->IsCompatibleWith(slice)) {
    return Ok();
  }
  return InvalidArgument("Cannot broadcast input shape ", given,
                         " into final shape ", slice);
}

Status AssignShape(ShapeContext& c) {
  if (c.num_outputs() > 0) LS_RETURN_IF_ERROR(c.SetOutput(0, c.Input(0)));
  LS_ASSIGN_OR_RETURN(auto begin, c.InputInts(1));
  LS_ASSIGN_OR_RETURN(auto end, c.InputInts(2));
  LS_ASSIGN_OR_RETURN(auto strides, c.InputInts(3));
  if (!c.Input(0).HasRank() || !begin || !end || !strides) return Ok();
  LS_ASSIGN_OR_RETURN(const StridedRange r,
                      ResolveStrides(c.Input(0), *begin, *end, *strides,
                                     StridedMasks::From(c.attrs())));
  return CheckValue(c.Input(4), r.output);
}

struct AssignState {
  Shape whole;
  StridedCopy copy;
  int64_t offset = 0;  // bytes, of the first element in the variable
};

Status AssignPrepare(PrepareContext& p) {
  LS_RETURN_IF_ERROR(RequireVariable(p));
  const Shape& whole = p.input_shape(0);
  const Shape& value = p.input_shape(4);
  LS_ASSIGN_OR_RETURN(auto begin, ToInt64s(*p.input_value(1)));
  LS_ASSIGN_OR_RETURN(auto end, ToInt64s(*p.input_value(2)));
  LS_ASSIGN_OR_RETURN(auto strides, ToInt64s(*p.input_value(3)));
  LS_ASSIGN_OR_RETURN(const StridedRange r,
                      ResolveStrides(whole, begin, end, strides,
                                     StridedMasks::From(p.attrs())));
  LS_RETURN_IF_ERROR(CheckValue(value, r.output));
  std::vector<int64_t> to = RowMajorStrides(whole);
  const std::vector<int64_t> dense = RowMajorStrides(value);
  std::vector<int64_t> from(to.size(), 0);
  int64_t at = 0;
  for (size_t d = 0; d < to.size(); ++d) {
    at += r.begin[d] * to[d];
    if (r.count[d] > 1) to[d] *= r.stride[d];
    // The value's axes are the slice's last ones.
    const int axis = r.output_axis[d] - r.output.rank() + value.rank();
    if (r.output_axis[d] >= 0 && axis >= 0 && value.dim(axis) > 1) {
      from[d] = dense[static_cast<size_t>(axis)];
    }
  }
  const DType dtype = p.input_dtype(4);
  AssignState& s = p.MakeState<AssignState>();
  s.whole = whole;
  s.offset = at * static_cast<int64_t>(DTypeSize(dtype));
  LS_ASSIGN_OR_RETURN(s.copy, StridedCopy::Make(dtype, r.count, to, from));
  return Ok();
}

Status AssignCpu(KernelContext& k) {
  const AssignState& s = k.state<AssignState>();
  Tensor& variable = k.variable(0).value();
  if (variable.shape() != s.whole) {
    return InvalidArgument("the variable has become ", variable.shape(),
                           " while its slice was assigned");
  }
  if (s.copy.size() == 0) return Ok();
  const Tensor value = ApartFrom(k.input(4), variable);
  s.copy.Run(static_cast<char*>(variable.data()) + s.offset, value.data());
  return Ok();
}

OpBuilder AssignOp(const char* name, bool resource) {
  OpBuilder b(name);
  b.Input(resource ? "ref: resource" : "ref: Ref(T)")
      .Input("begin: Index")
      .Input("end: Index")
      .Input("strides: Index")
      .Input("value: T");
  if (!resource) b.Output("output_ref: Ref(T)");
  b.Attr("T: type").Attr("Index: {int32, int64}");
  for (const char* mask : {"begin_mask", "end_mask", "ellipsis_mask",
                           "new_axis_mask", "shrink_axis_mask"}) {
    b.Attr(StrCat(mask, ": int = 0"));
  }
  b.Shape(AssignShape)
      .NoGradient()
      .Stateful()
      .NeedsValue({1, 2, 3})
      .Kernel(kCpu, {AssignCpu, AssignPrepare, {"begin", "end", "strides"}});
  return b;
}

const OpRegistrar kStridedSliceAssign = AssignOp("StridedSliceAssign", false);
const OpRegistrar kResourceStridedSliceAssign =
    AssignOp("ResourceStridedSliceAssign", true);

}  // namespace

Output ops::StridedSliceAssign(const Scope& scope, const Input& variable,
                               const Input& begin, const Input& end,
                               const Input& strides, const Input& value,
                               const StridedSliceMasks& masks) {
  const Output ref = variable.Resolve(scope);
  if (!ref.defined()) return {};
  const bool resource = ref.dtype() == kResource;
  Node* node =
      scope.Op(resource ? "ResourceStridedSliceAssign" : "StridedSliceAssign")
          .In(ref)
          .In(begin)
          .In(end)
          .In(strides)
          .In(value.Resolve(scope, VariableDType(ref)))
          .Attr("begin_mask", masks.begin)
          .Attr("end_mask", masks.end)
          .Attr("ellipsis_mask", masks.ellipsis)
          .Attr("new_axis_mask", masks.new_axis)
          .Attr("shrink_axis_mask", masks.shrink_axis)
          .Build();
  return AfterUpdate(scope, node, ref);
}

}  // namespace lockstep
