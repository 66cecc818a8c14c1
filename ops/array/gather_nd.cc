// SPDX-License-Identifier: Apache-2.0

// GatherNd: slices of `params`, each numbered by a vector of positions.
//   params: T, rank >= k and >= 1   indices: int32|int64 [..., k]
//   output: [indices' shape without k, params' shape behind its first k axes]
// ResourceGatherNd: of a resource variable.
// A position out of range is INVALID_ARGUMENT. Gradient: ScatterNd.

#include <cstring>

#include "ops/array/array.h"
#include "ops/array/nd_index.h"
#include "ops/math/elementwise.h"
#include "ops/state/state.h"
#include "ops/state/variable_input.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

Status GatherNdShape(ShapeContext& c) {
  if (c.Input(0).HasRank() && c.Input(0).rank() == 0) {
    return InvalidArgument("params must be at least a vector");
  }
  LS_ASSIGN_OR_RETURN(Shape y, NdIndex::SlicesShape(c.Input(1), c.Input(0)));
  return c.SetOutput(0, y);
}

Status PrepareGatherNd(PrepareContext& c) {
  if (c.input_dtype(0) == kResource) {
    LS_RETURN_IF_ERROR(RequireVariable(c));
  }
  c.MakeState<NdIndex>(c.input_shape(1), c.input_shape(0));
  return Ok();
}
template <class I>
Status GatherNdCpu(KernelContext& k) {
  const NdIndex& s = k.state<NdIndex>();
  if (k.output(0).NumElements() == 0) return Ok();
  LS_RETURN_IF_ERROR(s.Check<I>(k.input(1), "param shape"));
  const I* index = k.in<I>(1);
  const Tensor& x = k.input(0);
  Tensor& y = k.output(0);
  if (x.dtype() == kString) {
    for (int64_t row = 0; row < s.rows; ++row) {
      std::copy_n(x.flat<std::string>().data() + s.OffsetOf(index, row),
                  s.slice, y.flat<std::string>().data() + row * s.slice);
    }
    return Ok();
  }
  const int64_t size = static_cast<int64_t>(DTypeSize(x.dtype()));
  const int64_t bytes = s.slice * size;
  ParallelFor(s.rows, std::max<int64_t>(1, 65536 / (bytes + 1)),
              [&](int64_t begin, int64_t end) {
                for (int64_t row = begin; row < end; ++row) {
                  std::memcpy(static_cast<char*>(y.data()) + row * bytes,
                              static_cast<const char*>(x.data()) +
                                  s.OffsetOf(index, row) * size,
                              static_cast<size_t>(bytes));
                }
              });
  return Ok();
}

Status GatherNdGradient(GradContext& g) {
  const Scope& s = g.scope();
  const DType type = BaseOf(g.x(1).dtype());
  const Output shape = g.x(0).dtype() == kResource
                           ? ops::VariableShape(s, g.x(0), type)
                           : ops::Shape(s, g.x(0), type);
  return g.SetDx(0, ops::ScatterNd(s, g.x(1), g.dy(0), shape));
}

LOCKSTEP_OP("GatherNd")
    .Input("params: Tparams")
    .Input("indices: Tindices")
    .Output("output: Tparams")
    .Attr("Tparams: type")
    .Attr("Tindices: {int32, int64}")
    .Attr("bad_indices_policy: string = ''")
    .Shape(GatherNdShape)
    .Gradient(GatherNdGradient)
    .Kernel<int32_t>(kCpu, {GatherNdCpu<int32_t>, PrepareGatherNd}, "Tindices")
    .Kernel<int64_t>(kCpu, {GatherNdCpu<int64_t>, PrepareGatherNd}, "Tindices");

LOCKSTEP_OP("ResourceGatherNd")
    .Input("resource: resource")
    .Input("indices: Tindices")
    .Output("output: dtype")
    .Attr("dtype: type")
    .Attr("Tindices: {int32, int64}")
    .Shape(GatherNdShape)
    .Gradient(GatherNdGradient)
    .Stateful()
    .With([](OpTraits& t) { t.only_reads = true; })
    .Kernel<int32_t>(kCpu, {GatherNdCpu<int32_t>, PrepareGatherNd}, "Tindices")
    .Kernel<int64_t>(kCpu, {GatherNdCpu<int64_t>, PrepareGatherNd}, "Tindices");

}  // namespace

namespace ops {

Output GatherNd(const Scope& scope, const Input& params, const Input& indices) {
  return scope.Op("GatherNd").In(params).In(indices).Out();
}
Output ResourceGatherNd(const Scope& scope, const Input& handle,
                        const Input& indices) {
  const Output variable = handle.Resolve(scope);
  return scope.Op("ResourceGatherNd")
      .In(variable)
      .In(indices)
      .Attr("dtype", VariableDType(variable))
      .Out();
}

}  // namespace ops
}  // namespace lockstep
