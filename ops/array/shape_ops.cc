// SPDX-License-Identifier: Apache-2.0

// Shape, ShapeN, Size, Rank: what is known of a tensor without its elements.
//   output: out_type, int32 or int64
// Known as soon as the input's shape is; INVALID_ARGUMENT when a size does not
// fit int32.

#include "ops/array/array.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

// `values` as a tensor of `dtype`, int32 or int64.
Result<Tensor> Integers(DType dtype, const Shape& shape,
                        std::span<const int64_t> values) {
  Tensor t(dtype, shape);
  for (size_t i = 0; i < values.size(); ++i) {
    if (dtype == kInt64) {
      t.flat<int64_t>()[i] = values[i];
    } else if (values[i] > std::numeric_limits<int32_t>::max()) {
      return InvalidArgument("size ", values[i], " does not fit int32");
    } else {
      t.flat<int32_t>()[i] = static_cast<int32_t>(values[i]);
    }
  }
  return t;
}

Status SetShapeValue(ShapeContext& c, int i) {
  const Shape& s = c.Input(i);
  if (!s.IsFullyKnown()) {
    return c.SetOutput(i, Shape{s.HasRank() ? s.rank() : kUnknownDim});
  }
  LS_ASSIGN_OR_RETURN(
      Tensor t, Integers(c.Attr<DType>("out_type"), Shape{s.rank()}, s.dims()));
  c.SetOutputValue(i, std::move(t));
  return Ok();
}

Status ShapeShape(ShapeContext& c) {
  for (int i = 0; i < c.num_inputs(); ++i) {
    LS_RETURN_IF_ERROR(SetShapeValue(c, i));
  }
  return Ok();
}

Status SizeShape(ShapeContext& c) {
  if (!c.Input(0).IsFullyKnown()) return c.SetOutput(0, Shape{});
  const int64_t n[] = {c.Input(0).NumElements()};
  LS_ASSIGN_OR_RETURN(Tensor t,
                      Integers(c.Attr<DType>("out_type"), Shape{}, n));
  c.SetOutputValue(0, std::move(t));
  return Ok();
}

Status RankShape(ShapeContext& c) {
  if (!c.Input(0).HasRank()) return c.SetOutput(0, Shape{});
  c.SetOutputValue(0, Tensor(int32_t{c.Input(0).rank()}));
  return Ok();
}

void Write(Tensor& t, int64_t i, int64_t value) {
  if (t.dtype() == kInt64) {
    static_cast<int64_t*>(t.data())[i] = value;
  } else {
    static_cast<int32_t*>(t.data())[i] = static_cast<int32_t>(value);
  }
}

// For inputs whose shapes are not known before they are there.
Status ShapeCpu(KernelContext& k) {
  for (int i = 0; i < k.num_outputs(); ++i) {
    const Shape& s = k.input(i).shape();
    LS_RETURN_IF_ERROR(k.AllocateOutput(i, Shape{s.rank()}));
    for (int d = 0; d < s.rank(); ++d) Write(k.output(i), d, s.dim(d));
  }
  return Ok();
}
Status SizeCpu(KernelContext& k) {
  Write(k.output(0), 0, k.input(0).NumElements());
  return Ok();
}
Status RankCpu(KernelContext& k) {
  Write(k.output(0), 0, k.input(0).shape().rank());
  return Ok();
}

LOCKSTEP_OP("Shape")
    .Input("input: T")
    .Output("output: out_type")
    .Attr("T: type")
    .Attr("out_type: {int32, int64} = DT_INT32")
    .Shape(ShapeShape)
    .With([](OpTraits& t) { t.metadata = true; })
    .NoGradient()
    .Kernel(kCpu, {ShapeCpu, nullptr, {"output"}});
LOCKSTEP_OP("ShapeN")
    .Input("input: N * T")
    .Output("output: N * out_type")
    .Attr("N: int >= 1")
    .Attr("T: type")
    .Attr("out_type: {int32, int64} = DT_INT32")
    .Shape(ShapeShape)
    .With([](OpTraits& t) { t.metadata = true; })
    .NoGradient()
    .Kernel(kCpu, {ShapeCpu, nullptr, {"output"}});
LOCKSTEP_OP("Size")
    .Input("input: T")
    .Output("output: out_type")
    .Attr("T: type")
    .Attr("out_type: {int32, int64} = DT_INT32")
    .Shape(SizeShape)
    .With([](OpTraits& t) { t.metadata = true; })
    .NoGradient()
    .Kernel(kCpu, {SizeCpu, nullptr, {"output"}});
LOCKSTEP_OP("Rank")
    .Input("input: T")
    .Output("output: int32")
    .Attr("T: type")
    .Shape(RankShape)
    .With([](OpTraits& t) { t.metadata = true; })
    .NoGradient()
    .Kernel(kCpu, {RankCpu, nullptr, {"output"}});

}  // namespace

namespace ops {

Output Shape(const Scope& scope, const Input& input, DType out_type) {
  return scope.Op("Shape").In(input).Attr("out_type", out_type).Out();
}
std::vector<Output> ShapeN(const Scope& scope,
                           const std::vector<Output>& inputs, DType out_type) {
  return scope.Op("ShapeN").In(inputs).Attr("out_type", out_type).Outs();
}
Output Size(const Scope& scope, const Input& input, DType out_type) {
  return scope.Op("Size").In(input).Attr("out_type", out_type).Out();
}
Output Rank(const Scope& scope, const Input& input) {
  return scope.Op("Rank").In(input).Out();
}

}  // namespace ops
}  // namespace lockstep
