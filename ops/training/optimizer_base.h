// SPDX-License-Identifier: Apache-2.0
#pragma once

// Optimizers: add to a graph what trains it - gradients, slot variables, and
// one node to run at each step. Names are TensorFlow's ("w/Adam", "w/Adam_1",
// "beta1_power", "w/Momentum"), so that checkpoints fit both ways. This is what
// they have in common; they are in optimizer.h.
//
//   ops::AdamOptimizer adam(0.001f);          // or a placeholder's Output
//   Node* train = adam.Minimize(scope, loss, {w, b});
//   Node* init = ops::VariablesInitializer(scope);    // after Minimize
//   session->RunTargets({init->name()});
//
// Variables are given by their references or, resources, by their handles;
// slots are of the same kind. Gradients of rows (of ops::Gather along axis 0)
// update those rows only.
//
// Mistakes are kept in scope.status(), as builder functions do; the node is
// then null. An optimizer serves one graph and may be applied several times.
// Not thread-safe.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "runtime/graph/builder.h"
#include "runtime/graph/gradient_value.h"

namespace lockstep::ops {

class Optimizer {
 public:
  struct GradientAndVariable {
    Output gradient;  // undefined: the variable is left alone
    Output variable;
  };

  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // ComputeGradients, then ApplyGradients.
  Node* Minimize(const Scope& scope, Output loss,
                 const std::vector<Output>& variables, Output global_step = {});
  std::vector<GradientAndVariable> ComputeGradients(
      const Scope& scope, Output loss, const std::vector<Output>& variables);
  // A node that applies the gradients (change them in between, to clip them)
  // and then adds 1 to `global_step`, if given. INVALID_ARGUMENT when no
  // variable has a gradient.
  Node* ApplyGradients(const Scope& scope,
                       const std::vector<GradientAndVariable>& gradients,
                       Output global_step = {});

  const std::string& name() const { return name_; }
  // Slot variables and the optimizer's own, in order of creation.
  const std::vector<Output>& variables() const { return variables_; }
  // The variable's slot ("m", "v", "momentum"); undefined when there is none.
  Output Slot(Output variable, const std::string& slot) const;

 protected:
  // Hyper-parameters by name: values, or outputs that may change.
  using HyperParameters = std::vector<std::pair<std::string, Input>>;
  Optimizer(std::string name, HyperParameters hyper)
      : name_(std::move(name)), hyper_(std::move(hyper)) {}

  // Called in this order by ApplyGradients, `inner` below the optimizer's name.
  virtual void CreateSlots(const Scope& scope,
                           const std::vector<Output>& variables) = 0;
  // A sparse gradient has each index once.
  virtual Node* Apply(const Scope& scope, const GradientValue& gradient,
                      Output variable) = 0;
  // What has to run after all updates; none by default.
  virtual std::vector<Node*> Finish(const Scope& inner,
                                    const std::vector<Node*>& updates);

  // Like the variable and full of `initial`, called "<variable>/<optimizer's
  // name>". Made once.
  Output MakeSlot(Output variable, const std::string& slot, float initial = 0);
  // A scalar of the optimizer's own, initialised, of `variable`'s kind; made
  // once.
  Output OwnScalar(const Scope& scope, const std::string& name, float initial,
                   Output variable);
  // The hyper-parameter in the variable's dtype.
  Output Hyper(const Scope& scope, const std::string& name, Output variable);
  static Output ForVariable(const Scope& scope, Output parameter,
                            Output variable);

 private:
  std::string name_;
  HyperParameters hyper_;
  std::map<std::string, Output> hyper_nodes_;  // of the last ApplyGradients
  Graph* graph_ = nullptr;                     // of the last ApplyGradients
  std::vector<Output> variables_;
  std::map<std::pair<std::string, std::string>, Output> slots_;
};

}  // namespace lockstep::ops
