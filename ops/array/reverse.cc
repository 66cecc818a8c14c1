// SPDX-License-Identifier: Apache-2.0

// ReverseV2: the elements along some axes in the opposite order.
//   tensor: T, any rank   axis: int32|int64 [n], no axis twice
// Reverse: the same along the axes where `dims`, bool [rank], is true.
// Gradient: dy reversed likewise.

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/array/strided_copy.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"

namespace lockstep {
namespace {

// The axes that input 1's value names.
Result<AxisSet> TurnedAxes(const Tensor& value, int rank) {
  if (value.dtype() != kBool) {
    LS_ASSIGN_OR_RETURN(std::vector<int64_t> axes, ToInt64s(value));
    return ResolveAxes(axes, rank);
  }
  if (value.NumElements() != rank) {
    return InvalidArgument("'dims' must have ", rank, " elements, has ",
                           value.NumElements());
  }
  AxisSet turned;
  for (int d = 0; d < rank; ++d) {
    turned.set(static_cast<size_t>(d),
               value.flat<bool>()[static_cast<size_t>(d)]);
  }
  return turned;
}

Status ReverseShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(c.WithRank(1, 1).status());
  const Tensor* axes = c.InputValue(1);
  if (axes != nullptr && c.Input(0).HasRank()) {
    LS_RETURN_IF_ERROR(TurnedAxes(*axes, c.Input(0).rank()).status());
  }
  return c.SetOutput(0, c.Input(0));
}

struct ReverseState {
  StridedCopy copy;
  int64_t offset = 0;  // bytes, of the input's element that comes first
};

Status PrepareReverse(PrepareContext& c) {
  const Shape& x = c.input_shape(0);
  LS_ASSIGN_OR_RETURN(AxisSet turned, TurnedAxes(*c.input_value(1), x.rank()));
  const std::vector<int64_t> dst = RowMajorStrides(x);
  std::vector<int64_t> src = dst;
  int64_t at = 0;
  for (int d = 0; d < x.rank(); ++d) {
    const size_t u = static_cast<size_t>(d);
    if (!turned.test(u)) continue;
    at += (x.dim(d) - 1) * src[u];
    src[u] = -src[u];
  }
  LS_ASSIGN_OR_RETURN(StridedCopy copy,
                      StridedCopy::Make(c.input_dtype(0), x.dims(), dst, src));
  c.MakeState<ReverseState>(ReverseState{
      std::move(copy), at * static_cast<int64_t>(DTypeSize(c.input_dtype(0)))});
  return Ok();
}

Status ReverseCpu(KernelContext& k) {
  const ReverseState& s = k.state<ReverseState>();
  if (s.copy.size() == 0) return Ok();
  return s.copy.Run(k.output(0).data(),
                    static_cast<const char*>(k.input(0).data()) + s.offset,
                    k.stream());
}

int NoAxes(ShapeContext& c) {
  const Tensor* axes = c.InputValue(1);
  return axes != nullptr && axes->NumElements() == 0 ? 0 : -1;
}

Status ReverseGradient(GradContext& g) {
  return g.SetDx(0, g.scope().Op(g.node()->op()).In(g.dy(0)).In(g.x(1)).Out());
}

LOCKSTEP_OP("ReverseV2")
    .Input("tensor: T")
    .Input("axis: Tidx")
    .Output("output: T")
    .Attr("Tidx: {int32, int64} = DT_INT32")
    .Attr("T: type")
    .Shape(ReverseShape)
    .Gradient(ReverseGradient)
    .IdentityWhen(NoAxes)
    .NeedsValue({1})
    .Kernel(kCpu, {ReverseCpu, PrepareReverse, {"axis"}});
LOCKSTEP_OP("Reverse")
    .Input("tensor: T")
    .Input("dims: bool")
    .Output("output: T")
    .Attr("T: type")
    .Shape(ReverseShape)
    .Gradient(ReverseGradient)
    .IdentityWhen(NoAxes)
    .NeedsValue({1})
    .Kernel(kCpu, {ReverseCpu, PrepareReverse, {"dims"}});

}  // namespace

namespace ops {

Output Reverse(const Scope& scope, const Input& input, const Input& axes) {
  return scope.Op("ReverseV2").In(input).In(axes).Out();
}

}  // namespace ops
}  // namespace lockstep
