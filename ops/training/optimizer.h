// SPDX-License-Identifier: Apache-2.0
#pragma once

// The optimizers; what they do together is in optimizer_base.h, the formulas
// are beside the builder functions in training.h. Arguments are TensorFlow's,
// with its defaults; learning rates and momenta may be outputs that change.
//
//   ops::MomentumOptimizer momentum(0.1f, 0.9f, /*use_nesterov=*/true);
//   Node* train = momentum.Minimize(scope, loss, {w, b}, global_step);

#include "ops/training/optimizer_base.h"

namespace lockstep::ops {

class GradientDescentOptimizer : public Optimizer {
 public:
  explicit GradientDescentOptimizer(Input learning_rate,
                                    std::string name = "GradientDescent");

 protected:
  void CreateSlots(const Scope&, const std::vector<Output>&) override {}
  Node* Apply(const Scope& scope, const GradientValue& gradient,
              Output variable) override;
};

// Slot "momentum".
class MomentumOptimizer : public Optimizer {
 public:
  MomentumOptimizer(Input learning_rate, Input momentum,
                    bool use_nesterov = false, std::string name = "Momentum");

 protected:
  void CreateSlots(const Scope& scope,
                   const std::vector<Output>& variables) override;
  Node* Apply(const Scope& scope, const GradientValue& gradient,
              Output variable) override;

 private:
  bool use_nesterov_;
};

// Slot "accumulator".
class AdagradOptimizer : public Optimizer {
 public:
  explicit AdagradOptimizer(Input learning_rate,
                            float initial_accumulator_value = 0.1f,
                            std::string name = "Adagrad");

 protected:
  void CreateSlots(const Scope& scope,
                   const std::vector<Output>& variables) override;
  Node* Apply(const Scope& scope, const GradientValue& gradient,
              Output variable) override;

 private:
  float initial_;
};

// Slots "accum" and "accum_update".
class AdadeltaOptimizer : public Optimizer {
 public:
  explicit AdadeltaOptimizer(Input learning_rate = 0.001f, Input rho = 0.95f,
                             Input epsilon = 1e-8f,
                             std::string name = "Adadelta");

 protected:
  void CreateSlots(const Scope& scope,
                   const std::vector<Output>& variables) override;
  Node* Apply(const Scope& scope, const GradientValue& gradient,
              Output variable) override;
};

// Slots "rms" and "momentum", between them "mg" when centred.
class RMSPropOptimizer : public Optimizer {
 public:
  explicit RMSPropOptimizer(Input learning_rate, Input decay = 0.9f,
                            Input momentum = 0.0f, Input epsilon = 1e-10f,
                            bool centered = false,
                            std::string name = "RMSProp");

 protected:
  void CreateSlots(const Scope& scope,
                   const std::vector<Output>& variables) override;
  Node* Apply(const Scope& scope, const GradientValue& gradient,
              Output variable) override;

 private:
  bool centered_;
};

// Slots "accum" and "linear".
class FtrlOptimizer : public Optimizer {
 public:
  struct Options {
    float learning_rate_power = -0.5f;
    float initial_accumulator_value = 0.1f;
    float l1_regularization_strength = 0;
    float l2_regularization_strength = 0;
    // An L2 penalty that shrinks weights, beside the one that keeps them small.
    float l2_shrinkage_regularization_strength = 0;
  };
  explicit FtrlOptimizer(Input learning_rate)
      : FtrlOptimizer(learning_rate, {}) {}
  FtrlOptimizer(Input learning_rate, const Options& options,
                std::string name = "Ftrl");

 protected:
  void CreateSlots(const Scope& scope,
                   const std::vector<Output>& variables) override;
  Node* Apply(const Scope& scope, const GradientValue& gradient,
              Output variable) override;

 private:
  Options options_;
};

// Slots "m" and "v", and "vhat" for AMSGrad; variables beta1_power and
// beta2_power. A gradient of rows moves all of the variable, by the moments it
// still has, as in TensorFlow.
class AdamOptimizer : public Optimizer {
 public:
  explicit AdamOptimizer(Input learning_rate = 0.001f, float beta1 = 0.9f,
                         float beta2 = 0.999f, float epsilon = 1e-8f,
                         std::string name = "Adam", bool amsgrad = false);

 protected:
  void CreateSlots(const Scope& scope,
                   const std::vector<Output>& variables) override;
  Node* Apply(const Scope& scope, const GradientValue& gradient,
              Output variable) override;
  std::vector<Node*> Finish(const Scope& inner,
                            const std::vector<Node*>& updates) override;

 private:
  Node* ApplyComposed(const Scope& scope, const GradientValue& gradient,
                      Output variable);

  float beta1_, beta2_;
  bool amsgrad_;
  Output beta1_power_, beta2_power_;
};

}  // namespace lockstep::ops
