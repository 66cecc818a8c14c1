// SPDX-License-Identifier: Apache-2.0
#include "ops/training/optimizer.h"

#include <algorithm>

#include "ops/array/array.h"
#include "ops/math/math.h"
#include "ops/state/state.h"
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
  Prepare(inner);
  std::vector<Node*> updates;
  std::vector<detail::VariableUpdate> order;
  for (const auto& [gradient, variable] : gradients) {
    if (!gradient.defined()) continue;
    const Scope update =
        inner.SubScope(StrCat("update_", LeafName(variable.node->name())))
            .ColocateWith(variable.node);
    Node* applied = Apply(update, gradient, variable);
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
  const Input one =
      BaseOf(global_step.dtype()) == kInt64 ? Input(int64_t{1}) : Input(1);
  return AssignAdd(last, global_step, one).node;
}

std::vector<Node*> Optimizer::Finish(const Scope&, const std::vector<Node*>&) {
  return {};
}

Output Optimizer::Slot(Output variable, const std::string& slot) const {
  if (!variable.defined()) return {};
  auto it = slots_.find({variable.node->name(), slot});
  return it == slots_.end() ? Output() : it->second;
}

Output Optimizer::ZerosSlot(Output variable, const std::string& slot) {
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
  const Scope initial = root.SubScope(StrCat(name, "/Initializer/zeros"));
  const DType dtype = BaseOf(variable.dtype());
  const Output zero = Input(0.0f).Resolve(initial, dtype);
  const Output zeros = Fill(initial, ShapeTensor(shape), zero);
  made = InitializedVariable(root.WithName(name), zeros);
  if (made.defined()) variables_.push_back(made);
  return made;
}

Output Optimizer::OwnScalar(const Scope& scope, const std::string& name,
                            float initial) {
  Output& made = slots_[{"", name}];
  if (!made.defined()) {
    made = InitializedVariable(scope.WithName(name), initial);
    if (made.defined()) variables_.push_back(made);
  }
  return made;
}

Output Optimizer::Parameter(const Scope& scope, const std::string& name,
                            const Input& value) {
  // A value becomes the node Const; Identity gives it its name.
  return value.is_value() ? Identity(scope.WithName(name), value)
                          : value.Resolve(scope);
}

Output Optimizer::ForVariable(const Scope& scope, Output parameter,
                              Output variable) {
  if (!parameter.defined()) return {};
  const DType dtype = BaseOf(variable.dtype());
  return BaseOf(parameter.dtype()) == dtype ? parameter
                                            : Cast(scope, parameter, dtype);
}

void GradientDescentOptimizer::Prepare(const Scope& inner) {
  lr_ = Parameter(inner, "learning_rate", learning_rate_);
}

Node* GradientDescentOptimizer::Apply(const Scope& scope, Output gradient,
                                      Output variable) {
  return ApplyGradientDescent(scope, variable,
                              ForVariable(scope, lr_, variable), gradient);
}

void MomentumOptimizer::CreateSlots(const Scope&,
                                    const std::vector<Output>& variables) {
  for (const Output& v : variables) ZerosSlot(v, "momentum");
}

void MomentumOptimizer::Prepare(const Scope& inner) {
  lr_ = Parameter(inner, "learning_rate", learning_rate_);
  momentum_value_ = Parameter(inner, "momentum", momentum_);
}

Node* MomentumOptimizer::Apply(const Scope& scope, Output gradient,
                               Output variable) {
  return ApplyMomentum(scope, variable, Slot(variable, "momentum"),
                       ForVariable(scope, lr_, variable), gradient,
                       ForVariable(scope, momentum_value_, variable),
                       use_nesterov_);
}

void AdamOptimizer::CreateSlots(const Scope& scope,
                                const std::vector<Output>& variables) {
  // Beside the variable whose name comes first, as TensorFlow has it.
  const Output first = *std::ranges::min_element(
      variables, {}, [](const Output& v) { return v.node->name(); });
  const Scope beside = scope.ColocateWith(first.node);
  beta1_power_ = OwnScalar(beside, "beta1_power", beta1_);
  beta2_power_ = OwnScalar(beside, "beta2_power", beta2_);
  for (const Output& v : variables) {
    ZerosSlot(v, "m");
    ZerosSlot(v, "v");
  }
}

void AdamOptimizer::Prepare(const Scope& inner) {
  lr_ = Parameter(inner, "learning_rate", learning_rate_);
  beta1_value_ = Parameter(inner, "beta1", beta1_);
  beta2_value_ = Parameter(inner, "beta2", beta2_);
  epsilon_value_ = Parameter(inner, "epsilon", epsilon_);
}

Node* AdamOptimizer::Apply(const Scope& scope, Output gradient,
                           Output variable) {
  const auto cast = [&](Output parameter) {
    return ForVariable(scope, parameter, variable);
  };
  return ApplyAdam(scope, {.var = variable,
                           .m = Slot(variable, "m"),
                           .v = Slot(variable, "v"),
                           .beta1_power = cast(beta1_power_),
                           .beta2_power = cast(beta2_power_),
                           .lr = cast(lr_),
                           .beta1 = cast(beta1_value_),
                           .beta2 = cast(beta2_value_),
                           .epsilon = cast(epsilon_value_),
                           .grad = gradient});
}

std::vector<Node*> AdamOptimizer::Finish(const Scope& inner,
                                         const std::vector<Node*>& updates) {
  // The powers change after every update has read them.
  const Scope after = inner.WithControlDependencies(updates);
  std::vector<Node*> nodes;
  for (const auto& [power, beta] : {std::pair(beta1_power_, beta1_value_),
                                    std::pair(beta2_power_, beta2_value_)}) {
    const Scope beside = after.ColocateWith(power.node);
    const Output next = Mul(beside.WithName("mul"), power, beta);
    nodes.push_back(Assign(beside, power, next).node);
  }
  return nodes;
}

}  // namespace lockstep::ops
