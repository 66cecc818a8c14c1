// SPDX-License-Identifier: Apache-2.0

// VariableV2, Variable: reference variables.
//   ref: a reference to the session's variable, of attribute "shape"
// IsVariableInitialized: ref -> bool [].

#include "ops/array/array.h"
#include "ops/state/state.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status IsInitializedCpu(KernelContext& k) {
  k.out<bool>(0)[0] = k.variable(0).initialized();
  return Ok();
}

OpBuilder VariableOp(const char* name) {
  OpBuilder b(name);
  b.Output("ref: Ref(dtype)")
      .Attr("shape: shape")
      .Attr("dtype: type")
      .Attr("container: string = ''")
      .Attr("shared_name: string = ''")
      .Shape(ShapeFromAttr)
      .NoGradient()
      .Stateful()
      .With([](OpTraits& t) { t.variable = true; });
  return b;
}

const OpRegistrar kVariable = VariableOp("Variable");
const OpRegistrar kVariableV2 = VariableOp("VariableV2");

LOCKSTEP_OP("IsVariableInitialized")
    .Input("ref: Ref(dtype)")
    .Output("is_initialized: bool")
    .Attr("dtype: type")
    .Shape(ScalarShape)
    .NoGradient()
    .Stateful()
    .With([](OpTraits& t) {
      t.allows_uninitialized = true;
      t.only_reads = true;
    })
    .Kernel(kCpu, {IsInitializedCpu});

// Marks the Assigns that VariablesInitializer collects.
constexpr const char* kInitializer = "_initializer";

}  // namespace

namespace ops {

Output Variable(const Scope& scope, DType dtype, const lockstep::Shape& shape) {
  return scope.Op("VariableV2").Attr("dtype", dtype).Attr("shape", shape).Out();
}

Output InitializedVariable(const Scope& scope, const Input& initial_value) {
  const Output value = initial_value.Resolve(scope);
  if (!value.defined()) return {};
  const Output ref = Variable(scope, BaseOf(value.dtype()), value.shape());
  if (!ref.defined()) return {};
  // Full names: "<variable>/" is no scope of its own.
  const Scope beside =
      Scope(scope.graph()).WithDevice(scope.device()).ColocateWith(ref.node);
  const std::string& name = ref.node->name();
  const Output assign = Assign(beside.WithName(name + "/Assign"), ref, value);
  if (!assign.defined()) return {};
  assign.node->mutable_attrs()[kInitializer] = true;
  Identity(beside.WithName(name + "/read"), ref);
  return ref;
}

Node* VariablesInitializer(const Scope& scope,
                           const std::vector<Output>& more) {
  NodeBuilder init = scope.Op("NoOp");
  for (Node* n : scope.graph()->nodes()) {
    if (GetOr(n->attrs(), kInitializer, false)) init.ControlInput(n);
  }
  for (const Output& o : more) {
    if (o.defined()) init.ControlInput(o.node);
  }
  return init.Build();
}

Output IsVariableInitialized(const Scope& scope, const Input& ref) {
  return scope.Op("IsVariableInitialized").In(ref).Out();
}

}  // namespace ops
}  // namespace lockstep
