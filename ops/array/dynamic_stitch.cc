// SPDX-License-Identifier: Apache-2.0

// DynamicStitch, ParallelDynamicStitch: one tensor from slices with their row
// numbers. Of several slices for one row the last stays; rows without any are
// zero.
//   indices: N * int32   data: N * T, data[i]: [indices[i]' shape, rest]
//   merged: [largest index + 1, rest]
// Gradient: ddata[i] = dy's rows indices[i].

#include "ops/array/array.h"
#include "ops/array/slices.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

// What follows the indices' dimensions, the same for every i.
Result<Shape> RestShape(const ShapeContext& c, int n) {
  Shape rest = Shape::Unknown();
  for (int i = 0; i < n; ++i) {
    const Shape& index = c.Input(i);
    const Shape& data = c.Input(n + i);
    if (!index.HasRank() || !data.HasRank()) continue;
    const size_t lead = static_cast<size_t>(index.rank());
    const bool fits = data.rank() >= index.rank() &&
                      Shape(data.dims().first(lead)).IsCompatibleWith(index);
    if (!fits) {
      return InvalidArgument("data[", i, "].shape = ", data,
                             " does not start with indices[", i,
                             "].shape = ", index);
    }
    Result<Shape> merged = Shape::Merge(rest, Shape(data.dims().subspan(lead)));
    if (!merged.ok()) {
      return InvalidArgument(
          "Need data[0].shape and data[", i,
          "].shape to agree beyond the indices: ", merged.status().message());
    }
    rest = *merged;
  }
  return rest;
}

Status StitchShape(ShapeContext& c) {
  const int n = c.num_inputs() / 2;
  LS_ASSIGN_OR_RETURN(Shape y, RestShape(c, n));
  int64_t rows = 0;
  for (int i = 0; i < n && rows >= 0; ++i) {
    const Tensor* index = c.InputValue(i);
    if (index == nullptr) {
      rows = kUnknownDim;
      break;
    }
    for (int32_t at : index->flat<int32_t>()) {
      rows = std::max<int64_t>(rows, int64_t{at} + 1);
    }
  }
  if (!y.HasRank()) return c.SetOutput(0, y);
  if (y.rank() == Shape::kMaxRank) {
    return InvalidArgument("data has too many dimensions: ", y);
  }
  y.InsertDim(0, rows);
  return c.SetOutput(0, y);
}

Status StitchCpu(KernelContext& k) {
  const int n = k.num_inputs() / 2;
  int64_t rows = 0;
  for (int i = 0; i < n; ++i) {
    for (int32_t at : k.input(i).flat<int32_t>()) {
      if (at < 0) {
        return InvalidArgument("indices[", i, "] has ", at,
                               ", which is out of range");
      }
      rows = std::max<int64_t>(rows, int64_t{at} + 1);
    }
  }
  const size_t lead = static_cast<size_t>(k.input(0).shape().rank());
  Shape y(k.input(n).shape().dims().subspan(lead));
  const Slices slices(k.input(n).dtype(), y.NumElements());
  y.InsertDim(0, rows);
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, y));
  void* to = k.output(0).data();
  slices.Clear(to, 0, rows);
  for (int i = 0; i < n; ++i) {
    const auto index = k.input(i).flat<int32_t>();
    const void* from = k.input(n + i).data();
    for (size_t row = 0; row < index.size(); ++row) {
      slices.Copy(to, index[row], from, static_cast<int64_t>(row));
    }
  }
  return Ok();
}

Status StitchGradient(GradContext& g) {
  const int n = g.num_inputs() / 2;
  for (int i = 0; i < n; ++i) {
    LS_RETURN_IF_ERROR(
        g.SetDx(n + i, ops::Gather(g.scope(), g.dy(0), g.x(i), 0)));
  }
  return Ok();
}

OpBuilder StitchOp(const char* name) {
  OpBuilder b(name);
  b.Input("indices: N * int32")
      .Input("data: N * T")
      .Output("merged: T")
      .Attr("N: int >= 1")
      .Attr("T: type")
      .Shape(StitchShape)
      .Gradient(StitchGradient)
      .Kernel(kCpu, {StitchCpu});
  return b;
}

const OpRegistrar kStitch = StitchOp("DynamicStitch");
const OpRegistrar kParallelStitch = StitchOp("ParallelDynamicStitch");

Output Stitch(const Scope& scope, const char* op,
              const std::vector<Output>& indices,
              const std::vector<Output>& data) {
  return scope.Op(op)
      .In(indices)
      .In(data)
      .Attr("N", static_cast<int64_t>(indices.size()))
      .Out();
}

}  // namespace

Output ops::DynamicStitch(const Scope& scope,
                          const std::vector<Output>& indices,
                          const std::vector<Output>& data) {
  return Stitch(scope, "DynamicStitch", indices, data);
}
Output ops::ParallelDynamicStitch(const Scope& scope,
                                  const std::vector<Output>& indices,
                                  const std::vector<Output>& data) {
  return Stitch(scope, "ParallelDynamicStitch", indices, data);
}

}  // namespace lockstep
