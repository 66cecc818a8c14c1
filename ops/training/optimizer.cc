// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/array/array.h"
#include "ops/array/indexed_slices.h"
#include "ops/math/math.h"
#include "ops/state/state.h"
#include "ops/training/optimizer_base.h"
#include "ops/training/read_order.h"
#include "ops/training/training.h"
#include "runtime/graph/gradients.h"

namespace lockstep::ops {
namespace {

std::string LeafName(const std::string& name) {
  const size_t slash = name.rfind('/');
  return slash == std::string::npos ? name : name.substr(slash + 1);
}

Tensor ShapeTensor(const lockstep::Shape& shape) {
  std::vector<int32_t> dims;
  for (const int64_t d : shape.dims()) dims.push_back(static_cast<int32_t>(d));
  return Tensor::Vector(dims);
}

}  // namespace

Node* Optimizer::Minimize(const Scope& scope, Output loss,
                          const std::vector<Output>& variables,
                          Output global_step) {
  return ApplyGradients(scope, ComputeGradients(scope, loss, variables),
                        global_step);
}

std::vector<Optimizer::GradientAndVariable> Optimizer::ComputeGradients(
    const Scope& scope, Output loss, const std::vector<Output>& variables) {
  std::vector<Output> gradients;
  const Status s = AddGradients(scope, {loss}, variables, &gradients);
  if (!s.ok()) {
    scope.graph()->UpdateStatus(s);
    return {};
  }
  std::vector<GradientAndVariable> pairs;
  for (size_t i = 0; i < variables.size(); ++i) {
    pairs.push_back({gradients[i], variables[i]});
  }
  return pairs;
}

Node* Optimizer::ApplyGradients(
    const Scope& scope, const std::vector<GradientAndVariable>& gradients,
    Output global_step) {
  if (!scope.ok()) return nullptr;
  graph_ = scope.graph();
  std::vector<Output> trained;
  for (const auto& [gradient, variable] : gradients) {
    if (gradient.defined()) trained.push_back(variable);
  }
  if (trained.empty()) {
    scope.graph()->UpdateStatus(InvalidArgument(
        name_, ": no gradients for any of ", gradients.size(), " variables"));
    return nullptr;
  }
  CreateSlots(scope, trained);
  const Scope inner = scope.SubScope(name_);
  for (const auto& [name, value] : hyper_) {
    // A value becomes the node Const; Identity gives it its name.
    hyper_nodes_[name] = value.is_value()
                             ? Identity(inner.WithName(name), value)
                             : value.Resolve(inner);
  }
  std::vector<Node*> updates;
  std::vector<detail::VariableUpdate> order;
  for (const auto& [gradient, variable] : gradients) {
    if (!gradient.defined()) continue;
    const Scope update =
        inner.SubScope(StrCat("update_", LeafName(variable.node->name())))
            .ColocateWith(variable.node);
    const GradientValue value =
        WithoutDuplicates(update, AsIndexedSlices(update, gradient));
    Node* applied = Apply(update, value, variable);
    if (applied == nullptr) return nullptr;
    updates.push_back(applied);
    order.push_back({gradient, variable, applied});
  }
  detail::OrderReadsBeforeUpdates(graph_, order);
  for (Node* n : Finish(inner, updates)) updates.push_back(n);
  if (!scope.ok()) return nullptr;
  if (!global_step.defined()) return NoOp(scope.WithName(name_), updates);
  Node* update = NoOp(inner.WithName("update"), updates);
  const Scope last = scope.WithName(name_)
                         .WithControlDependencies(std::vector<Node*>{update})
                         .ColocateWith(global_step.node);
  const Output one =
      Input(int64_t{1}).Resolve(last, VariableDType(global_step));
  const bool resource = global_step.dtype() == kResource;
  return last.Op(resource ? "AssignAddVariableOp" : "AssignAdd")
      .In(global_step)
      .In(one)
      .Build();
}

std::vector<Node*> Optimizer::Finish(const Scope&, const std::vector<Node*>&) {
  return {};
}

Output Optimizer::Slot(Output variable, const std::string& slot) const {
  if (!variable.defined()) return {};
  auto it = slots_.find({variable.node->name(), slot});
  return it == slots_.end() ? Output() : it->second;
}

Output Optimizer::MakeSlot(Output variable, const std::string& slot,
                           float initial) {
  Output& made = slots_[{variable.node->name(), slot}];
  if (made.defined()) return made;
  const lockstep::Shape& shape = variable.shape();
  if (!shape.IsFullyKnown()) {
    graph_->UpdateStatus(InvalidArgument(
        name_, ": variable '", variable.node->name(), "' has unknown shape ",
        shape, "; its slot '", slot, "' needs one"));
    return {};
  }
  const std::string name = StrCat(variable.node->name(), "/", name_);
  const Scope root = Scope(graph_).ColocateWith(variable.node);
  const Scope below = root.SubScope(
      StrCat(name, "/Initializer/", initial == 0 ? "zeros" : "Const"));
  const Output one = Input(initial).Resolve(below, VariableDType(variable));
  const Output all = Fill(below, ShapeTensor(shape), one);
  const auto make =
      variable.dtype() == kResource ? InitializedResource : InitializedVariable;
  made = make(root.WithName(name), all);
  if (made.defined()) variables_.push_back(made);
  return made;
}

Output Optimizer::OwnScalar(const Scope& scope, const std::string& name,
                            float initial, Output variable) {
  Output& made = slots_[{"", name}];
  if (!made.defined()) {
    const auto make = variable.dtype() == kResource ? InitializedResource
                                                    : InitializedVariable;
    made = make(scope.WithName(name), initial);
    if (made.defined()) variables_.push_back(made);
  }
  return made;
}

Output Optimizer::Hyper(const Scope& scope, const std::string& name,
                        Output variable) {
  return ForVariable(scope, hyper_nodes_[name], variable);
}

Output Optimizer::ForVariable(const Scope& scope, Output parameter,
                              Output variable) {
  if (!parameter.defined()) return {};
  const Output value = ReadVariable(scope, parameter);
  const DType dtype = VariableDType(variable);
  return BaseOf(value.dtype()) == dtype ? value : Cast(scope, value, dtype);
}

}  // namespace lockstep::ops
