// SPDX-License-Identifier: Apache-2.0

// DynamicPartition: output p gets, in order, the slices of `data` whose
// partition is p.
//   data: T [partitions' shape, rest]   partitions: int32
//   outputs: num_partitions * T [count, rest]
// A partition outside [0, num_partitions) is INVALID_ARGUMENT.
// Gradient: the slices' gradients stitched together again.

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/array/slices.h"
#include "ops/reduce/reduce.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"

namespace lockstep {
namespace {

Status PartitionShape(ShapeContext& c) {
  const Shape& data = c.Input(0);
  const Shape& parts = c.Input(1);
  if (!data.HasRank() || !parts.HasRank()) return Ok();
  Shape y{kUnknownDim};
  bool fits = data.rank() >= parts.rank();
  for (int d = 0; fits && d < data.rank(); ++d) {
    if (d >= parts.rank()) {
      y.AddDim(data.dim(d));
    } else {
      fits = Shape{data.dim(d)}.IsCompatibleWith(Shape{parts.dim(d)});
    }
  }
  if (!fits) {
    return InvalidArgument("data.shape must start with partitions.shape, got ",
                           "data.shape = ", data,
                           ", partitions.shape = ", parts);
  }
  for (int i = 0; i < c.num_outputs(); ++i) {
    LS_RETURN_IF_ERROR(c.SetOutput(i, y));
  }
  return Ok();
}

Status PartitionCpu(KernelContext& k) {
  const Tensor& data = k.input(0);
  const int64_t rows = k.input(1).NumElements();
  const int32_t* part = k.in<int32_t>(1);
  std::vector<int64_t> counts(static_cast<size_t>(k.num_outputs()));
  for (int64_t i = 0; i < rows; ++i) {
    if (part[i] < 0 || part[i] >= k.num_outputs()) {
      return InvalidArgument("partitions[", i, "] = ", part[i],
                             " is not in [0, ", k.num_outputs(), ")");
    }
    ++counts[static_cast<size_t>(part[i])];
  }
  const int rank = k.input(1).shape().rank();
  const Shape rest(data.shape().dims().subspan(static_cast<size_t>(rank)));
  for (int p = 0; p < k.num_outputs(); ++p) {
    Shape y = rest;
    y.InsertDim(0, counts[static_cast<size_t>(p)]);
    LS_RETURN_IF_ERROR(k.AllocateOutput(p, y));
  }
  const Slices slices(data.dtype(), rest.NumElements());
  std::ranges::fill(counts, 0);
  for (int64_t i = 0; i < rows; ++i) {
    slices.Copy(k.output(part[i]).data(),
                counts[static_cast<size_t>(part[i])]++, data.data(), i);
  }
  return Ok();
}

Status PartitionGradient(GradContext& g) {
  const Scope& s = g.scope();
  const int n = g.num_outputs();
  const Output shape = ops::Shape(s, g.x(1));
  const Output numbers =
      ops::Reshape(s, ops::Range(s, 0, ops::Size(s, g.x(1)), 1), shape);
  std::vector<Output> dys;
  for (int i = 0; i < n; ++i) dys.push_back(g.dy(i));
  const Output dx = ops::ParallelDynamicStitch(
      s, ops::DynamicPartition(s, numbers, g.x(1), n), dys);
  return g.SetDx(0, ops::Reshape(s, dx, ops::Shape(s, g.x(0))));
}

LOCKSTEP_OP("DynamicPartition")
    .Input("data: T")
    .Input("partitions: int32")
    .Output("outputs: num_partitions * T")
    .Attr("num_partitions: int >= 1")
    .Attr("T: type")
    .Shape(PartitionShape)
    .Gradient(PartitionGradient)
    .Kernel(kCpu, {PartitionCpu});

}  // namespace

std::vector<Output> ops::DynamicPartition(const Scope& scope, const Input& data,
                                          const Input& partitions,
                                          int num_partitions) {
  return scope.Op("DynamicPartition")
      .In(data)
      .In(partitions)
      .Attr("num_partitions", num_partitions)
      .Outs();
}

}  // namespace lockstep
