// SPDX-License-Identifier: Apache-2.0

// BroadcastGradientArgs: the axes of a broadcast result over which the
// gradient of each operand is summed.
//   s0, s1: the operands' shapes, [rank] T (int32 or int64)
//   r0, r1: axes, ascending, [?] T; none for equal shapes

#include "ops/array/array.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

struct Axes {
  std::array<int64_t, Shape::kMaxRank> axis{};
  int count = 0;
};

// Of the operand whose shape is `a`.
Result<Axes> SummedAxes(const Tensor& a, const Tensor& b) {
  const int64_t rank = std::max(a.NumElements(), b.NumElements());
  if (rank > Shape::kMaxRank) {
    return InvalidArgument("shapes of ", rank, " dimensions");
  }
  Axes axes;
  bool equal = a.NumElements() == b.NumElements();
  for (int64_t d = 0; d < rank; ++d) {
    const int64_t ia = d - (rank - a.NumElements());
    const int64_t ib = d - (rank - b.NumElements());
    const int64_t na = ia < 0 ? 1 : IntAt(a, ia);
    const int64_t nb = ib < 0 ? 1 : IntAt(b, ib);
    if (na != nb && na != 1 && nb != 1) {
      return InvalidArgument("Incompatible shapes: dimension ", d, " is ", na,
                             " and ", nb);
    }
    equal = equal && na == nb;
    if (na == 1) axes.axis[static_cast<size_t>(axes.count++)] = d;
  }
  return equal ? Axes() : axes;
}

void Write(Tensor& t, const Axes& axes) {
  for (int i = 0; i < axes.count; ++i) {
    const int64_t axis = axes.axis[static_cast<size_t>(i)];
    if (t.dtype() == kInt64) {
      static_cast<int64_t*>(t.data())[i] = axis;
    } else {
      static_cast<int32_t*>(t.data())[i] = static_cast<int32_t>(axis);
    }
  }
}

Status ArgsShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(c.WithRank(0, 1).status());
  LS_RETURN_IF_ERROR(c.WithRank(1, 1).status());
  const Tensor* s[] = {c.InputValue(0), c.InputValue(1)};
  for (int i = 0; i < 2; ++i) {
    LS_RETURN_IF_ERROR(c.SetOutput(i, Shape{kUnknownDim}));
    if (s[0] == nullptr || s[1] == nullptr) continue;
    LS_ASSIGN_OR_RETURN(Axes axes, SummedAxes(*s[i], *s[1 - i]));
    Tensor value(c.Attr<DType>("T"), Shape{axes.count});
    Write(value, axes);
    c.SetOutputValue(i, std::move(value));
  }
  return Ok();
}

Status ArgsCpu(KernelContext& k) {
  for (int i = 0; i < 2; ++i) {
    LS_ASSIGN_OR_RETURN(Axes axes, SummedAxes(k.input(i), k.input(1 - i)));
    LS_RETURN_IF_ERROR(k.AllocateOutput(i, Shape{axes.count}));
    Write(k.output(i), axes);
  }
  return Ok();
}

LOCKSTEP_OP("BroadcastGradientArgs")
    .Input("s0: T")
    .Input("s1: T")
    .Output("r0: T")
    .Output("r1: T")
    .Attr("T: {int32, int64} = DT_INT32")
    .Shape(ArgsShape)
    .NoGradient()
    .NeedsValue({0, 1})
    .Kernel(kCpu, {ArgsCpu, nullptr, {"s0", "s1", "r0", "r1"}});

}  // namespace

namespace ops {

std::vector<Output> BroadcastGradientArgs(const Scope& scope, const Input& s0,
                                          const Input& s1) {
  return scope.Op("BroadcastGradientArgs").In(s0).In(s1).Outs();
}

}  // namespace ops
}  // namespace lockstep
