// SPDX-License-Identifier: Apache-2.0
#pragma once

// Builder functions of the ops that update variables in place. Optimizers
// (ops/training/optimizer.h) are what programs use. All return the updated
// reference; hyper-parameters are scalars of the variable's dtype.
//
//   ops::ApplyGradientDescent(scope, w, 0.1f, dw);

#include "runtime/graph/builder.h"

namespace lockstep::ops {

// var -= alpha * delta
Output ApplyGradientDescent(const Scope& scope, Output var, const Input& alpha,
                            const Input& delta);

// accum = accum * momentum + grad; var -= lr * accum, or with Nesterov's
// look-ahead lr * (grad + momentum * accum).
Output ApplyMomentum(const Scope& scope, Output var, Output accum,
                     const Input& lr, const Input& grad, const Input& momentum,
                     bool use_nesterov = false);

struct AdamInputs {
  Output var, m, v;
  Output beta1_power, beta2_power;  // beta1 ^ t, beta2 ^ t at step t >= 1
  Input lr, beta1, beta2, epsilon;
  Output grad;
};
// m += (grad - m) (1 - beta1); v += (grad^2 - v) (1 - beta2);
// var -= lr sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon)
Output ApplyAdam(const Scope& scope, const AdamInputs& in,
                 bool use_nesterov = false);

}  // namespace lockstep::ops
