// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/array/array.h"
#include "ops/math/math.h"
#include "ops/state/state.h"
#include "ops/training/optimizer.h"
#include "ops/training/training.h"

namespace lockstep::ops {
namespace {

// The variable of either kind after it was set to `value`.
Output AssignTo(const Scope& scope, Output variable, Output value) {
  if (variable.dtype() != kResource) return Assign(scope, variable, value);
  return AfterUpdate(scope, AssignVariableOp(scope, variable, value), variable);
}

}  // namespace

GradientDescentOptimizer::GradientDescentOptimizer(Input learning_rate,
                                                   std::string name)
    : Optimizer(std::move(name),
                {{"learning_rate", std::move(learning_rate)}}) {}

Node* GradientDescentOptimizer::Apply(const Scope& scope,
                                      const GradientValue& gradient,
                                      Output variable) {
  const Output rate = Hyper(scope, "learning_rate", variable);
  if (!gradient.sparse()) {
    return ApplyGradientDescent(scope, variable, rate, gradient);
  }
  return ScatterSub(scope, variable, gradient.indices,
                    Mul(scope, gradient.values, rate))
      .node;
}

MomentumOptimizer::MomentumOptimizer(Input learning_rate, Input momentum,
                                     bool use_nesterov, std::string name)
    : Optimizer(std::move(name), {{"learning_rate", std::move(learning_rate)},
                                  {"momentum", std::move(momentum)}}),
      use_nesterov_(use_nesterov) {}

void MomentumOptimizer::CreateSlots(const Scope&,
                                    const std::vector<Output>& variables) {
  for (const Output& v : variables) MakeSlot(v, "momentum");
}

Node* MomentumOptimizer::Apply(const Scope& scope,
                               const GradientValue& gradient, Output variable) {
  return ApplyMomentum(scope, variable, Slot(variable, "momentum"),
                       Hyper(scope, "learning_rate", variable), gradient,
                       Hyper(scope, "momentum", variable), use_nesterov_);
}

AdagradOptimizer::AdagradOptimizer(Input learning_rate,
                                   float initial_accumulator_value,
                                   std::string name)
    : Optimizer(std::move(name), {{"learning_rate", std::move(learning_rate)}}),
      initial_(initial_accumulator_value) {}

void AdagradOptimizer::CreateSlots(const Scope&,
                                   const std::vector<Output>& variables) {
  for (const Output& v : variables) MakeSlot(v, "accumulator", initial_);
}

Node* AdagradOptimizer::Apply(const Scope& scope, const GradientValue& gradient,
                              Output variable) {
  return ApplyAdagrad(scope, variable, Slot(variable, "accumulator"),
                      Hyper(scope, "learning_rate", variable), gradient);
}

AdadeltaOptimizer::AdadeltaOptimizer(Input learning_rate, Input rho,
                                     Input epsilon, std::string name)
    : Optimizer(std::move(name), {{"lr", std::move(learning_rate)},
                                  {"rho", std::move(rho)},
                                  {"epsilon", std::move(epsilon)}}) {}

void AdadeltaOptimizer::CreateSlots(const Scope&,
                                    const std::vector<Output>& variables) {
  for (const Output& v : variables) {
    MakeSlot(v, "accum");
    MakeSlot(v, "accum_update");
  }
}

Node* AdadeltaOptimizer::Apply(const Scope& scope,
                               const GradientValue& gradient, Output variable) {
  return ApplyAdadelta(
      scope, variable, Slot(variable, "accum"), Slot(variable, "accum_update"),
      Hyper(scope, "lr", variable), Hyper(scope, "rho", variable),
      Hyper(scope, "epsilon", variable), gradient);
}

RMSPropOptimizer::RMSPropOptimizer(Input learning_rate, Input decay,
                                   Input momentum, Input epsilon, bool centered,
                                   std::string name)
    : Optimizer(std::move(name), {{"learning_rate", std::move(learning_rate)},
                                  {"decay", std::move(decay)},
                                  {"momentum", std::move(momentum)},
                                  {"epsilon", std::move(epsilon)}}),
      centered_(centered) {}

void RMSPropOptimizer::CreateSlots(const Scope&,
                                   const std::vector<Output>& variables) {
  for (const Output& v : variables) {
    MakeSlot(v, "rms", 1.0f);
    if (centered_) MakeSlot(v, "mg");
    MakeSlot(v, "momentum");
  }
}

Node* RMSPropOptimizer::Apply(const Scope& scope, const GradientValue& gradient,
                              Output variable) {
  const Output lr = Hyper(scope, "learning_rate", variable);
  const Output decay = Hyper(scope, "decay", variable);
  const Output momentum = Hyper(scope, "momentum", variable);
  const Output epsilon = Hyper(scope, "epsilon", variable);
  const Output rms = Slot(variable, "rms"), mom = Slot(variable, "momentum");
  return centered_
             ? ApplyCenteredRMSProp(scope, variable, Slot(variable, "mg"), rms,
                                    mom, lr, decay, momentum, epsilon, gradient)
             : ApplyRMSProp(scope, variable, rms, mom, lr, decay, momentum,
                            epsilon, gradient);
}

FtrlOptimizer::FtrlOptimizer(Input learning_rate, const Options& options,
                             std::string name)
    : Optimizer(
          std::move(name),
          {{"learning_rate", std::move(learning_rate)},
           {"l1_regularization_strength", options.l1_regularization_strength},
           {"l2_regularization_strength", options.l2_regularization_strength},
           {"l2_shrinkage_regularization_strength",
            options.l2_shrinkage_regularization_strength},
           {"learning_rate_power", options.learning_rate_power}}),
      options_(options) {}

void FtrlOptimizer::CreateSlots(const Scope&,
                                const std::vector<Output>& variables) {
  for (const Output& v : variables) {
    MakeSlot(v, "accum", options_.initial_accumulator_value);
    MakeSlot(v, "linear");
  }
}

Node* FtrlOptimizer::Apply(const Scope& scope, const GradientValue& gradient,
                           Output variable) {
  const FtrlInputs in{
      .var = variable,
      .accum = Slot(variable, "accum"),
      .linear = Slot(variable, "linear"),
      .grad = gradient,
      .lr = Hyper(scope, "learning_rate", variable),
      .l1 = Hyper(scope, "l1_regularization_strength", variable),
      .l2 = Hyper(scope, "l2_regularization_strength", variable),
      .lr_power = Hyper(scope, "learning_rate_power", variable)};
  if (options_.l2_shrinkage_regularization_strength <= 0) {
    return ApplyFtrl(scope, in);
  }
  return ApplyFtrlV2(
      scope, in,
      Hyper(scope, "l2_shrinkage_regularization_strength", variable));
}

AdamOptimizer::AdamOptimizer(Input learning_rate, float beta1, float beta2,
                             float epsilon, std::string name, bool amsgrad)
    : Optimizer(std::move(name), {{"learning_rate", std::move(learning_rate)},
                                  {"beta1", beta1},
                                  {"beta2", beta2},
                                  {"epsilon", epsilon}}),
      beta1_(beta1),
      beta2_(beta2),
      amsgrad_(amsgrad) {}

void AdamOptimizer::CreateSlots(const Scope& scope,
                                const std::vector<Output>& variables) {
  // Beside the variable whose name comes first, as TensorFlow has it.
  const Output first = *std::ranges::min_element(
      variables, {}, [](const Output& v) { return v.node->name(); });
  const Scope beside = scope.ColocateWith(first.node);
  beta1_power_ = OwnScalar(beside, "beta1_power", beta1_, first);
  beta2_power_ = OwnScalar(beside, "beta2_power", beta2_, first);
  for (const Output& v : variables) {
    MakeSlot(v, "m");
    MakeSlot(v, "v");
    if (amsgrad_) MakeSlot(v, "vhat");
  }
}

Node* AdamOptimizer::Apply(const Scope& scope, const GradientValue& gradient,
                           Output variable) {
  const bool resource = variable.dtype() == kResource;
  if (gradient.sparse() || (amsgrad_ && !resource)) {
    return ApplyComposed(scope, gradient, variable);
  }
  const AdamInputs in{.var = variable,
                      .m = Slot(variable, "m"),
                      .v = Slot(variable, "v"),
                      .beta1_power = ForVariable(scope, beta1_power_, variable),
                      .beta2_power = ForVariable(scope, beta2_power_, variable),
                      .lr = Hyper(scope, "learning_rate", variable),
                      .beta1 = Hyper(scope, "beta1", variable),
                      .beta2 = Hyper(scope, "beta2", variable),
                      .epsilon = Hyper(scope, "epsilon", variable),
                      .grad = gradient};
  return amsgrad_ ? ApplyAdamWithAmsgrad(scope, in, Slot(variable, "vhat"))
                  : ApplyAdam(scope, in);
}

// Of simple ops: no op of TensorFlow's does it.
Node* AdamOptimizer::ApplyComposed(const Scope& scope, const GradientValue& g,
                                   Output variable) {
  const Output beta1 = Hyper(scope, "beta1", variable);
  const Output beta2 = Hyper(scope, "beta2", variable);
  const Output one = Input(1.0f).Resolve(scope, VariableDType(variable));
  // slot = slot * decay + (1 - decay) * value, where there are rows of value.
  const auto decayed = [&](const char* name, Output decay, Output value) {
    const Output slot = Slot(variable, name);
    const Output part = Mul(scope, value, Sub(scope, one, decay));
    const Output kept = Mul(scope, ReadVariable(scope, slot), decay);
    if (!g.sparse()) return AssignTo(scope, slot, Add(scope, kept, part));
    const Output assigned = AssignTo(scope, slot, kept);
    return ScatterAdd(
        scope.WithControlDependencies(std::vector<Output>{assigned}), slot,
        g.indices, part);
  };
  const Output m = decayed("m", beta1, g.values);
  Output v = decayed("v", beta2, Square(scope, g.values));
  if (amsgrad_) {
    const Output vhat = Slot(variable, "vhat");
    v = AssignTo(scope, vhat, Maximum(scope, ReadVariable(scope, vhat), v));
  }
  const auto rest = [&](Output power) {
    return Sub(scope, one, ForVariable(scope, power, variable));
  };
  const Output rate =
      Mul(scope, Hyper(scope, "learning_rate", variable),
          RealDiv(scope, Sqrt(scope, rest(beta2_power_)), rest(beta1_power_)));
  const Output step =
      RealDiv(scope, Mul(scope, rate, m),
              Add(scope, Sqrt(scope, v), Hyper(scope, "epsilon", variable)));
  const Output after = AssignSub(scope, variable, step);
  return after.node;
}

std::vector<Node*> AdamOptimizer::Finish(const Scope& inner,
                                         const std::vector<Node*>& updates) {
  // The powers change after every update has read them.
  const Scope after = inner.WithControlDependencies(updates);
  std::vector<Node*> nodes;
  for (const auto& [power, name] :
       {std::pair(beta1_power_, "beta1"), std::pair(beta2_power_, "beta2")}) {
    const Scope beside = after.ColocateWith(power.node);
    const Output next = Mul(beside.WithName("mul"), ReadVariable(beside, power),
                            Hyper(beside, name, power));
    nodes.push_back(AssignTo(beside, power, next).node);
  }
  return nodes;
}

}  // namespace lockstep::ops
