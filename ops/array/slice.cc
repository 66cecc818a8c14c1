// SPDX-License-Identifier: Apache-2.0

// Slice: the block of `size` elements from `begin` on, along every axis.
//   input: T, any rank   begin, size: [rank] int32|int64, size -1: to the end
// Gradient: dy, padded with zeros to the input's shape.

#include "ops/array/array.h"
#include "ops/array/strided_copy.h"
#include "ops/math/math.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status SliceShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(auto begin, c.InputInts(1));
  LS_ASSIGN_OR_RETURN(auto size, c.InputInts(2));
  if (!begin && !size) {
    const Shape& x = c.Input(0);
    if (x.HasRank()) return c.SetOutput(0, Shape::UnknownOfRank(x.rank()));
    LS_ASSIGN_OR_RETURN(Shape any, c.InputAsShape(1));
    return c.SetOutput(0, any);
  }
  const size_t count = begin ? begin->size() : size->size();
  if ((size && size->size() != count) || count > Shape::kMaxRank) {
    return InvalidArgument("Expected begin and size arguments to be 1-D ",
                           "tensors of one size, but got ", count, " and ",
                           size ? size->size() : count, " elements");
  }
  if (c.Input(0).HasRank() && c.Input(0).rank() != static_cast<int>(count)) {
    return InvalidArgument("Expected begin and size arguments to be 1-D ",
                           "tensors of size ", c.Input(0).rank(), ", but got ",
                           count);
  }
  LS_ASSIGN_OR_RETURN(Shape x, c.WithRank(0, static_cast<int>(count)));
  Shape y;
  for (int d = 0; d < x.rank(); ++d) {
    const size_t u = static_cast<size_t>(d);
    const int64_t n = x.dim(d);
    const int64_t from = begin ? (*begin)[u] : kUnknownDim;
    int64_t part = size ? (*size)[u] : kUnknownDim;
    if (begin && (from < 0 || (n >= 0 && from > n))) {
      return InvalidArgument("Expected begin[", d, "] in [0, ", n,
                             "], but got ", from);
    }
    if (size && part == -1) part = begin && n >= 0 ? n - from : kUnknownDim;
    if (size && (part < -1 || (begin && n >= 0 && part > n - from))) {
      return InvalidArgument("Expected size[", d, "] in [0, ", n - from,
                             "], but got ", part);
    }
    y.AddDim(part);
  }
  return c.SetOutput(0, y);
}

struct SliceState {
  StridedCopy copy;
  int64_t offset = 0;  // bytes
};

Status PrepareSlice(PrepareContext& c) {
  const Shape& y = c.output_shape(0);
  const std::vector<int64_t> src = RowMajorStrides(c.input_shape(0));
  int64_t at = 0;
  for (int d = 0; d < y.rank(); ++d) {
    at += IntAt(*c.input_value(1), d) * src[static_cast<size_t>(d)];
  }
  LS_ASSIGN_OR_RETURN(
      StridedCopy copy,
      StridedCopy::Make(c.input_dtype(0), y.dims(), RowMajorStrides(y), src));
  c.MakeState<SliceState>(SliceState{
      std::move(copy), at * static_cast<int64_t>(DTypeSize(c.input_dtype(0)))});
  return Ok();
}

Status SliceCpu(KernelContext& k) {
  const SliceState& s = k.state<SliceState>();
  return s.copy.Run(k.output(0).data(),
                    static_cast<const char*>(k.input(0).data()) + s.offset,
                    k.stream());
}

// Everything is taken: begin 0 and the input's own shape.
int TakesAll(ShapeContext& c) {
  return c.Input(0).IsFullyKnown() && c.outputs()[0] == c.Input(0) ? 0 : -1;
}

Status SliceGradient(GradContext& g) {
  const Scope& s = g.scope();
  const DType t = BaseOf(g.x(1).dtype());
  const Output after =
      ops::Sub(s, ops::Sub(s, ops::Shape(s, g.x(0), t), g.x(1)),
               ops::Shape(s, g.y(0), t));
  return g.SetDx(0, ops::Pad(s, g.dy(0), ops::Pack(s, {g.x(1), after}, 1)));
}

LOCKSTEP_OP("Slice")
    .Input("input: T")
    .Input("begin: Index")
    .Input("size: Index")
    .Output("output: T")
    .Attr("T: type")
    .Attr("Index: {int32, int64}")
    .Shape(SliceShape)
    .Gradient(SliceGradient)
    .IdentityWhen(TakesAll)
    .NeedsValue({1, 2})
    .Kernel(kCpu, {SliceCpu, PrepareSlice, {"begin", "size"}});

}  // namespace

namespace ops {

Output Slice(const Scope& scope, const Input& input, const Input& begin,
             const Input& size) {
  return scope.Op("Slice").In(input).InPair(begin, size).Out();
}

}  // namespace ops
}  // namespace lockstep
