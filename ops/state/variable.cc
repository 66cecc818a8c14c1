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

namespace {

// Beside the variable, by full names: "<variable>/" is no scope of its own.
Scope Beside(const Scope& scope, const Output& variable) {
  return Scope(scope.graph()).ColocateWith(variable.node);
}

}  // namespace

Output InitializedVariable(const Scope& scope, const Input& initial_value) {
  const Output value = initial_value.Resolve(scope);
  if (!value.defined()) return {};
  const Output ref = Variable(scope, BaseOf(value.dtype()), value.shape());
  if (!ref.defined()) return {};
  const Scope beside = Beside(scope, ref);
  const std::string& name = ref.node->name();
  const Output assign = Assign(beside.WithName(name + "/Assign"), ref, value);
  if (!assign.defined()) return {};
  assign.node->mutable_attrs()[kInitializer] = true;
  Identity(beside.WithName(name + "/read"), ref);
  return ref;
}

Output InitializedResource(const Scope& scope, const Input& initial_value) {
  const Output value = initial_value.Resolve(scope);
  if (!value.defined()) return {};
  const Output handle =
      VarHandleOp(scope, BaseOf(value.dtype()), value.shape());
  if (!handle.defined()) return {};
  const std::string& name = handle.node->name();
  // Saved and shared under its own name, as TensorFlow's are.
  handle.node->mutable_attrs()["shared_name"] = name;
  const Scope beside = Beside(scope, handle);
  VarIsInitializedOp(
      beside.WithName(name + "/IsInitialized/VarIsInitializedOp"), handle);
  Node* assign =
      AssignVariableOp(beside.WithName(name + "/Assign"), handle, value);
  if (assign == nullptr) return {};
  assign->mutable_attrs()[kInitializer] = true;
  ReadVariableOp(beside.WithName(name + "/Read/ReadVariableOp"), handle,
                 BaseOf(value.dtype()));
  return handle;
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

DType VariableDType(Output variable) {
  while (variable.defined()) {
    if (variable.dtype() != kResource) return BaseOf(variable.dtype());
    Node* node = variable.node;
    if (node->traits().variable) return node->Attr<DType>("dtype");
    const int alias = node->traits().alias.second;
    variable = alias < 0 ? Output() : node->input(alias);
  }
  return kInvalidType;
}

Output ReadVariable(const Scope& scope, Output variable) {
  if (!variable.defined() || variable.dtype() != kResource) return variable;
  return ReadVariableOp(scope, variable, VariableDType(variable));
}

Output AfterUpdate(const Scope& scope, Node* update, Output variable) {
  if (update == nullptr) return {};
  if (update->num_outputs() > 0) return update->output(0);
  return ReadVariable(scope.WithControlDependencies(std::vector<Node*>{update}),
                      variable);
}

}  // namespace ops
}  // namespace lockstep
