// SPDX-License-Identifier: Apache-2.0

// VariableShape: a resource variable's shape, int32|int64 [rank].
// DisableCopyOnRead: nothing here, where reads do not copy.

#include "ops/state/state.h"
#include "ops/state/variable_input.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

template <class T>
void Write(const Shape& shape, T* to) {
  for (int d = 0; d < shape.rank(); ++d) to[d] = static_cast<T>(shape.dim(d));
}

Status VariableShapeShape(ShapeContext& c) {
  const Shape& shape = c.Input(0);
  return c.SetOutput(0, Shape{shape.HasRank() ? shape.rank() : kUnknownDim});
}

template <class T>
Status VariableShapeCpu(KernelContext& k) {
  const Shape& shape = k.variable(0).value().shape();
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, Shape{shape.rank()}));
  Write(shape, k.out<T>(0));
  return Ok();
}

Status DisableCopyOnReadCpu(KernelContext&) { return Ok(); }

LOCKSTEP_OP("VariableShape")
    .Input("input: resource")
    .Output("output: out_type")
    .Attr("out_type: {int32, int64} = DT_INT32")
    .Shape(VariableShapeShape)
    .NoGradient()
    .Stateful()
    .With([](OpTraits& t) { t.only_reads = true; })
    .Kernels<int32_t, int64_t>(
        kCpu,
        []<class T>() {
          return KernelDef{VariableShapeCpu<T>, RequireVariable, {"output"}};
        },
        "out_type");

LOCKSTEP_OP("DisableCopyOnRead")
    .Input("resource: resource")
    .Shape(NoOutputs)
    .NoGradient()
    .Stateful()
    .With([](OpTraits& t) {
      t.only_reads = true;
      t.allows_uninitialized = true;
    })
    .Kernel(kCpu, {DisableCopyOnReadCpu});

}  // namespace

namespace ops {

Output VariableShape(const Scope& scope, const Input& handle, DType out_type) {
  return scope.Op("VariableShape").In(handle).Attr("out_type", out_type).Out();
}

}  // namespace ops
}  // namespace lockstep
