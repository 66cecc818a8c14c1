// SPDX-License-Identifier: Apache-2.0
#pragma once

// Builder functions of the ops that update variables in place. Optimizers
// (ops/training/optimizer.h) are what programs use.
//
//   ops::ApplyGradientDescent(scope, w, 0.1f, dw);
//
// Variables and slots are all references (VariableV2: ApplyX) or all resources
// (VarHandleOp: ResourceApplyX); a gradient with indices makes it SparseApplyX.
// Hyper-parameters are scalars of the variable's dtype; values take it. Null
// after an error, which scope.status() keeps. g is the gradient below.

#include "runtime/graph/builder.h"
#include "runtime/graph/gradient_value.h"

namespace lockstep::ops {

// var -= alpha g
Node* ApplyGradientDescent(const Scope& scope, Output var, const Input& alpha,
                           const GradientValue& delta);
// The same, then nearer to zero by alpha l1, and divided by 1 + alpha l2.
Node* ApplyProximalGradientDescent(const Scope& scope, Output var,
                                   const Input& alpha, const Input& l1,
                                   const Input& l2, const GradientValue& delta);

// accum = accum momentum + g; var -= lr accum, or with Nesterov's look-ahead
// lr (g + momentum accum).
Node* ApplyMomentum(const Scope& scope, Output var, Output accum,
                    const Input& lr, const GradientValue& grad,
                    const Input& momentum, bool use_nesterov = false);
// accum = accum momentum - lr g; var += accum, or with Nesterov's look-ahead
// momentum accum - lr g. Resources only.
Node* ApplyKerasMomentum(const Scope& scope, Output var, Output accum,
                         const Input& lr, const GradientValue& grad,
                         const Input& momentum, bool use_nesterov = false);

struct AdamInputs {
  Output var, m, v;
  Output beta1_power, beta2_power;  // beta1 ^ t, beta2 ^ t at step t >= 1
  Input lr, beta1, beta2, epsilon;
  GradientValue grad;  // dense
};
// m += (g - m) (1 - beta1); v += (g^2 - v) (1 - beta2);
// var -= lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon)
Node* ApplyAdam(const Scope& scope, const AdamInputs& in,
                bool use_nesterov = false);
// The same with the largest v so far, vhat, in v's place. Resources only.
Node* ApplyAdamWithAmsgrad(const Scope& scope, const AdamInputs& in,
                           Output vhat);
// m as Adam's; v = max(beta2 v, |g|); var -= lr / (1 - beta1^t) m / (v +
// epsilon). beta2_power is not used. Dense only.
Node* ApplyAdaMax(const Scope& scope, const AdamInputs& in);

// accum += g^2 (if update_slots); var -= lr g / sqrt(accum)
Node* ApplyAdagrad(const Scope& scope, Output var, Output accum,
                   const Input& lr, const GradientValue& grad,
                   bool update_slots = true);
// The same with sqrt(accum) + epsilon.
Node* ApplyAdagradV2(const Scope& scope, Output var, Output accum,
                     const Input& lr, const Input& epsilon,
                     const GradientValue& grad, bool update_slots = true);
// Adagrad, then as ApplyProximalGradientDescent with alpha = lr / sqrt(accum).
Node* ApplyProximalAdagrad(const Scope& scope, Output var, Output accum,
                           const Input& lr, const Input& l1, const Input& l2,
                           const GradientValue& grad);
// Dual averaging: sum += g, squares += g^2;
// var = -lr shrink(sum, l1 step) / (l2 lr step + sqrt(squares))
Node* ApplyAdagradDA(const Scope& scope, Output var, Output sum, Output squares,
                     const GradientValue& grad, const Input& lr,
                     const Input& l1, const Input& l2,
                     const Input& global_step);

// update = sqrt(accum_update + epsilon) / sqrt(accum + epsilon) g after
// accum = rho accum + (1 - rho) g^2; then accum_update likewise from update;
// var -= lr update.
Node* ApplyAdadelta(const Scope& scope, Output var, Output accum,
                    Output accum_update, const Input& lr, const Input& rho,
                    const Input& epsilon, const GradientValue& grad);

// ms = rho ms + (1 - rho) g^2; mom = momentum mom + lr g / sqrt(ms + epsilon);
// var -= mom
Node* ApplyRMSProp(const Scope& scope, Output var, Output ms, Output mom,
                   const Input& lr, const Input& rho, const Input& momentum,
                   const Input& epsilon, const GradientValue& grad);
// The same with ms - mg^2 in ms's place, where mg = rho mg + (1 - rho) g.
Node* ApplyCenteredRMSProp(const Scope& scope, Output var, Output mg, Output ms,
                           Output mom, const Input& lr, const Input& rho,
                           const Input& momentum, const Input& epsilon,
                           const GradientValue& grad);

struct FtrlInputs {
  Output var, accum, linear;
  GradientValue grad;
  Input lr, l1, l2, lr_power;
};
// Follow the regularised leader: McMahan et al., "Ad click prediction", 2013.
Node* ApplyFtrl(const Scope& scope, const FtrlInputs& in,
                bool multiply_linear_by_lr = false);
// With an L2 penalty that only shrinks, as it is added to the gradient.
Node* ApplyFtrlV2(const Scope& scope, const FtrlInputs& in,
                  const Input& l2_shrinkage,
                  bool multiply_linear_by_lr = false);

// m = beta m + (1 - beta) g; var -= lr (alpha + sign_decay sign(g) sign(m)) g.
// Dense only.
Node* ApplyAddSign(const Scope& scope, Output var, Output m, const Input& lr,
                   const Input& alpha, const Input& sign_decay,
                   const Input& beta, const GradientValue& grad);
// m likewise; var -= lr exp(logbase sign_decay sign(g) sign(m)) g. Dense only.
Node* ApplyPowerSign(const Scope& scope, Output var, Output m, const Input& lr,
                     const Input& logbase, const Input& sign_decay,
                     const Input& beta, const GradientValue& grad);

}  // namespace lockstep::ops
