// SPDX-License-Identifier: Apache-2.0
#pragma once

// Optimizers: add to a graph what trains it - gradients, slot variables, and
// one node to run at each step. Names are TensorFlow's ("w/Adam", "w/Adam_1",
// "beta1_power", "w/Momentum"), so that checkpoints fit both ways.
//
//   ops::AdamOptimizer adam(0.001f);          // or a placeholder's Output
//   Node* train = adam.Minimize(scope, loss, {w, b});
//   Node* init = ops::VariablesInitializer(scope);    // after Minimize
//   session->RunTargets({init->name()});
//
// Mistakes are kept in scope.status(), as builder functions do; the node is
// then null. An optimizer serves one graph and may be applied several times.
// Not thread-safe.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "runtime/graph/builder.h"

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

  // ComputeGradients, then ApplyGradients. `variables` are the references
  // (VariableV2) to train.
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
  explicit Optimizer(std::string name) : name_(std::move(name)) {}

  // Called in this order by ApplyGradients, `inner` below the optimizer's name.
  virtual void CreateSlots(const Scope& scope,
                           const std::vector<Output>& variables) = 0;
  virtual void Prepare(const Scope& inner) = 0;
  virtual Node* Apply(const Scope& scope, Output gradient, Output variable) = 0;
  // What has to run after all updates; none by default.
  virtual std::vector<Node*> Finish(const Scope& inner,
                                    const std::vector<Node*>& updates);

  // Zeros shaped like the variable, called "<variable>/<optimizer's name>".
  Output ZerosSlot(Output variable, const std::string& slot);
  // A scalar of the optimizer's own, initialised; made once.
  Output OwnScalar(const Scope& scope, const std::string& name, float initial);
  // A hyper-parameter as a node under `scope`, and for a variable's dtype.
  static Output Parameter(const Scope& scope, const std::string& name,
                          const Input& value);
  static Output ForVariable(const Scope& scope, Output parameter,
                            Output variable);

 private:
  std::string name_;
  Graph* graph_ = nullptr;  // of the last ApplyGradients
  std::vector<Output> variables_;
  std::map<std::pair<std::string, std::string>, Output> slots_;
};

class GradientDescentOptimizer : public Optimizer {
 public:
  explicit GradientDescentOptimizer(Input learning_rate,
                                    std::string name = "GradientDescent")
      : Optimizer(std::move(name)), learning_rate_(std::move(learning_rate)) {}

 protected:
  void CreateSlots(const Scope&, const std::vector<Output>&) override {}
  void Prepare(const Scope& inner) override;
  Node* Apply(const Scope& scope, Output gradient, Output variable) override;

 private:
  Input learning_rate_;
  Output lr_;
};

class MomentumOptimizer : public Optimizer {
 public:
  MomentumOptimizer(Input learning_rate, Input momentum,
                    bool use_nesterov = false, std::string name = "Momentum")
      : Optimizer(std::move(name)),
        learning_rate_(std::move(learning_rate)),
        momentum_(std::move(momentum)),
        use_nesterov_(use_nesterov) {}

 protected:
  void CreateSlots(const Scope& scope,
                   const std::vector<Output>& variables) override;
  void Prepare(const Scope& inner) override;
  Node* Apply(const Scope& scope, Output gradient, Output variable) override;

 private:
  Input learning_rate_, momentum_;
  bool use_nesterov_;
  Output lr_, momentum_value_;
};

class AdamOptimizer : public Optimizer {
 public:
  explicit AdamOptimizer(Input learning_rate = 0.001f, float beta1 = 0.9f,
                         float beta2 = 0.999f, float epsilon = 1e-8f,
                         std::string name = "Adam")
      : Optimizer(std::move(name)),
        learning_rate_(std::move(learning_rate)),
        beta1_(beta1),
        beta2_(beta2),
        epsilon_(epsilon) {}

 protected:
  void CreateSlots(const Scope& scope,
                   const std::vector<Output>& variables) override;
  void Prepare(const Scope& inner) override;
  Node* Apply(const Scope& scope, Output gradient, Output variable) override;
  std::vector<Node*> Finish(const Scope& inner,
                            const std::vector<Node*>& updates) override;

 private:
  Input learning_rate_;
  float beta1_, beta2_, epsilon_;
  Output lr_, beta1_value_, beta2_value_, epsilon_value_;
  Output beta1_power_, beta2_power_;
};

}  // namespace lockstep::ops
