// SPDX-License-Identifier: Apache-2.0

// VarHandleOp: a resource variable of attributes "dtype" and "shape".
//   resource: the handle; the shape inferred for it is the variable's.
// ReadVariableOp: handle -> the value.   AssignVariableOp: handle, value.
// VarIsInitializedOp: handle -> bool [].

#include "ops/state/state.h"
#include "ops/state/variable_input.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status AssignVariableShape(ShapeContext& c) {
  // Without validate_shape the declared shape binds all the same: the
  // assignment itself checks it.
  if (!c.Attr<bool>("validate_shape")) return Ok();
  Result<Shape> merged = Shape::Merge(c.Input(0), c.Input(1));
  if (merged.ok()) return Ok();
  return InvalidArgument("the variable has shape ", c.Input(0),
                         ", the value assigned has ", c.Input(1));
}

Status PrepareVariable(PrepareContext& p) { return RequireVariable(p); }

Status AssignVariableCpu(KernelContext& k) {
  return k.variable(0).Assign(k.input(1));
}

Status IsInitializedCpu(KernelContext& k) {
  k.out<bool>(0)[0] = k.variable(0).initialized();
  return Ok();
}

Status ReadGradient(GradContext& g) { return g.SetDx(0, g.dy(0)); }

LOCKSTEP_OP("VarHandleOp")
    .Output("resource: resource")
    .Attr("container: string = ''")
    .Attr("shared_name: string = ''")
    .Attr("dtype: type")
    .Attr("shape: shape")
    .Attr("allowed_devices: list(string) = []")
    .Shape(ShapeFromAttr)
    .NoGradient()
    .Stateful()
    .With([](OpTraits& t) { t.variable = true; });

LOCKSTEP_OP("ReadVariableOp")
    .Input("resource: resource")
    .Output("value: dtype")
    .Attr("dtype: type")
    .Shape(UnchangedShape)
    .Gradient(ReadGradient)
    .Stateful()
    .Alias(0, 0);

LOCKSTEP_OP("AssignVariableOp")
    .Input("resource: resource")
    .Input("value: dtype")
    .Attr("dtype: type")
    .Attr("validate_shape: bool = false")
    .Shape(AssignVariableShape)
    .NoGradient()
    .Stateful()
    .With([](OpTraits& t) {
      t.assigns = true;
      t.allows_uninitialized = true;
    })
    .Kernel(kCpu, {AssignVariableCpu, PrepareVariable});

LOCKSTEP_OP("VarIsInitializedOp")
    .Input("resource: resource")
    .Output("is_initialized: bool")
    .Shape(ScalarShape)
    .NoGradient()
    .Stateful()
    .With([](OpTraits& t) {
      t.allows_uninitialized = true;
      t.only_reads = true;
    })
    .Kernel(kCpu, {IsInitializedCpu, PrepareVariable});

}  // namespace

namespace ops {

Output VarHandleOp(const Scope& scope, DType dtype,
                   const lockstep::Shape& shape) {
  return scope.Op("VarHandleOp")
      .Attr("dtype", dtype)
      .Attr("shape", shape)
      .Out();
}

Output ReadVariableOp(const Scope& scope, const Input& handle, DType dtype) {
  return scope.Op("ReadVariableOp").In(handle).Attr("dtype", dtype).Out();
}

Node* AssignVariableOp(const Scope& scope, const Input& handle,
                       const Input& value) {
  return scope.Op("AssignVariableOp").In(handle).In(value).Build();
}

Output VarIsInitializedOp(const Scope& scope, const Input& handle) {
  return scope.Op("VarIsInitializedOp").In(handle).Out();
}

}  // namespace ops
}  // namespace lockstep
