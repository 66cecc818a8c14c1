// SPDX-License-Identifier: Apache-2.0

// LowerBound, UpperBound: for each value the first position in its sorted row
// whose element is not less than it (is greater).
//   sorted_inputs: real numbers [rows, n]   values: [rows, m]
//   output: int32|int64 [rows, m]
// BroadcastArgs: the shape that two shapes broadcast to.
// Bitcast: the same bytes as elements of another dtype; a smaller one adds a
// last dimension, a larger one takes it away.

#include <algorithm>

#include "ops/array/array.h"
#include "ops/array/slices.h"
#include "ops/math/elementwise.h"

namespace lockstep {
namespace {

Status BoundShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape sorted, c.WithRank(0, 2));
  LS_ASSIGN_OR_RETURN(Shape values, c.WithRank(1, 2));
  if (!Shape{sorted.dim(0)}.IsCompatibleWith(Shape{values.dim(0)})) {
    return InvalidArgument(
        "Leading dim_size of both tensors must match: ", sorted, ", ", values);
  }
  return c.SetOutput(0, values);
}

template <class T, bool kUpper>
Status BoundCpu(KernelContext& k) {
  const int64_t n = k.input(0).shape().dim(1), m = k.input(1).shape().dim(1);
  const auto less = [](const T& a, const T& b) {
    return static_cast<ValueType<T>>(a) < static_cast<ValueType<T>>(b);
  };
  for (int64_t i = 0; i < k.input(1).NumElements(); ++i) {
    const T* row = k.in<T>(0) + i / m * n;
    const T& v = k.in<T>(1)[i];
    const T* at = kUpper ? std::upper_bound(row, row + n, v, less)
                         : std::lower_bound(row, row + n, v, less);
    SetInt(k.output(0), i, at - row);
  }
  return Ok();
}

template <bool kUpper>
OpBuilder BoundOp(const char* name) {
  OpBuilder b(name);
  b.Input("sorted_inputs: T")
      .Input("values: T")
      .Output("output: out_type")
      .Attr("T: type")
      .Attr("out_type: {int32, int64} = DT_INT32")
      .Shape(BoundShape)
      .NoGradient();
  return b.Kernels<LS_REAL_TYPES>(
      kCpu, []<class T>() { return KernelDef{BoundCpu<T, kUpper>}; });
}

const OpRegistrar kLower = BoundOp<false>("LowerBound");
const OpRegistrar kUpper = BoundOp<true>("UpperBound");

Status BroadcastArgsShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape a, c.WithRank(0, 1));
  LS_ASSIGN_OR_RETURN(Shape b, c.WithRank(1, 1));
  LS_ASSIGN_OR_RETURN(auto s0, c.InputInts(0));
  LS_ASSIGN_OR_RETURN(auto s1, c.InputInts(1));
  const int64_t rank = a.dim(0) == kUnknownDim || b.dim(0) == kUnknownDim
                           ? kUnknownDim
                           : std::max(a.dim(0), b.dim(0));
  LS_RETURN_IF_ERROR(c.SetOutput(0, Shape{rank}));
  if (!s0 || !s1) return Ok();
  LS_ASSIGN_OR_RETURN(Shape x, Shape::Make(*s0));
  LS_ASSIGN_OR_RETURN(Shape y, Shape::Make(*s1));
  LS_ASSIGN_OR_RETURN(Shape both, Shape::Broadcast(x, y));
  Tensor value(c.Attr<DType>("T"), Shape{both.rank()});
  for (int d = 0; d < both.rank(); ++d) SetInt(value, d, both.dim(d));
  c.SetOutputValue(0, std::move(value));
  return Ok();
}

Status BroadcastArgsCpu(KernelContext& k) {
  LS_ASSIGN_OR_RETURN(std::vector<int64_t> s0, ToInt64s(k.input(0)));
  LS_ASSIGN_OR_RETURN(std::vector<int64_t> s1, ToInt64s(k.input(1)));
  LS_ASSIGN_OR_RETURN(Shape x, Shape::Make(s0));
  LS_ASSIGN_OR_RETURN(Shape y, Shape::Make(s1));
  LS_ASSIGN_OR_RETURN(Shape both, Shape::Broadcast(x, y));
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, Shape{both.rank()}));
  for (int d = 0; d < both.rank(); ++d) SetInt(k.output(0), d, both.dim(d));
  return Ok();
}

LOCKSTEP_OP("BroadcastArgs")
    .Input("s0: T")
    .Input("s1: T")
    .Output("r0: T")
    .Attr("T: {int32, int64} = DT_INT32")
    .Shape(BroadcastArgsShape)
    .NoGradient()
    .Kernel(kCpu, {BroadcastArgsCpu, nullptr, {"s0", "s1", "r0"}});

Status BitcastShape(ShapeContext& c) {
  const int64_t from = static_cast<int64_t>(DTypeSize(c.Attr<DType>("T"))),
                to = static_cast<int64_t>(DTypeSize(c.Attr<DType>("type")));
  Shape y = c.Input(0);
  if (!y.HasRank() || from == to) return c.SetOutput(0, y);
  if (from > to) {
    if (y.rank() == Shape::kMaxRank) {
      return InvalidArgument("input has too many dimensions: ", y);
    }
    y.AddDim(from / to);
    return c.SetOutput(0, y);
  }
  const int64_t parts = to / from;
  if (y.rank() == 0 ||
      (y.dim(y.rank() - 1) != parts && y.dim(y.rank() - 1) != kUnknownDim)) {
    return InvalidArgument("Cannot bitcast due to shape. ", y, " must end in ",
                           parts);
  }
  y.RemoveDim(y.rank() - 1);
  return c.SetOutput(0, y);
}

Status BitcastCpu(KernelContext& k) {
  if (k.output(0).bytes() > 0) {
    std::memcpy(k.output(0).data(), k.input(0).data(), k.output(0).bytes());
  }
  return Ok();
}

LOCKSTEP_OP("Bitcast")
    .Input("input: T")
    .Output("output: type")
    .Attr(
        "T: {bfloat16, half, float, double, int64, int32, uint8, uint16, "
        "uint32, uint64, int8, int16, complex64, complex128}")
    .Attr(
        "type: {bfloat16, half, float, double, int64, int32, uint8, uint16, "
        "uint32, uint64, int8, int16, complex64, complex128}")
    .Shape(BitcastShape)
    .NoGradient()
    .Kernel(kCpu, {BitcastCpu});

}  // namespace

namespace ops {

Output LowerBound(const Scope& scope, const Input& sorted, const Input& values,
                  DType out_type) {
  return scope.Op("LowerBound")
      .InPair(sorted, values)
      .Attr("out_type", out_type)
      .Out();
}
Output UpperBound(const Scope& scope, const Input& sorted, const Input& values,
                  DType out_type) {
  return scope.Op("UpperBound")
      .InPair(sorted, values)
      .Attr("out_type", out_type)
      .Out();
}
Output BroadcastArgs(const Scope& scope, const Input& s0, const Input& s1) {
  return scope.Op("BroadcastArgs").InPair(s0, s1).Out();
}
Output Bitcast(const Scope& scope, const Input& input, DType type) {
  return scope.Op("Bitcast").In(input).Attr("type", type).Out();
}

}  // namespace ops
}  // namespace lockstep
