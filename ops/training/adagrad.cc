// SPDX-License-Identifier: Apache-2.0

// ApplyAdagrad: accum += g^2; var -= lr g / sqrt(accum).
// ApplyAdagradV2: with sqrt(accum) + epsilon.
// ApplyProximalAdagrad: Adagrad, then a proximal step with its rate.
// ApplyAdagradDA: dual averaging over all gradients so far.
//   var, accum, accumulators: variables [...]  grad: as var  the others: []
// Duchi, Hazan, Singer, "Adaptive subgradient methods".

#include <cmath>

#include "ops/training/apply.h"
#include "ops/training/apply_node.h"
#include "ops/training/proximal.h"
#include "ops/training/training.h"

namespace lockstep {
namespace {

const ApplyOps<Adagrad> kAdagrad({.name = "Adagrad",
                                  .slots = {"accum"},
                                  .inputs = {"lr", "grad"},
                                  .attrs = {"update_slots: bool = true"}});
const ApplyOps<AdagradV2> kAdagradV2({.name = "AdagradV2",
                                      .slots = {"accum"},
                                      .inputs = {"lr", "epsilon", "grad"},
                                      .attrs = {"update_slots: bool = true"}});
const ApplyOps<ProximalAdagrad> kProximalAdagrad({.name = "ProximalAdagrad",
                                                  .slots = {"accum"},
                                                  .inputs = {"lr", "l1", "l2",
                                                             "grad"}});
const ApplyOps<AdagradDA> kAdagradDA(
    {.name = "AdagradDA",
     .slots = {"gradient_accumulator", "gradient_squared_accumulator"},
     .inputs = {"grad", "lr", "l1", "l2", "global_step: int64"}});

using detail::ApplyNode;

}  // namespace

Node* ops::ApplyAdagrad(const Scope& scope, Output var, Output accum,
                        const Input& lr, const GradientValue& grad,
                        bool update_slots) {
  return ApplyNode(scope, "Adagrad", {var, accum}, grad)
      .In(lr)
      .Grad()
      .Attr("update_slots", update_slots)
      .Build();
}
Node* ops::ApplyAdagradV2(const Scope& scope, Output var, Output accum,
                          const Input& lr, const Input& epsilon,
                          const GradientValue& grad, bool update_slots) {
  return ApplyNode(scope, "AdagradV2", {var, accum}, grad)
      .In(lr)
      .In(epsilon)
      .Grad()
      .Attr("update_slots", update_slots)
      .Build();
}
Node* ops::ApplyProximalAdagrad(const Scope& scope, Output var, Output accum,
                                const Input& lr, const Input& l1,
                                const Input& l2, const GradientValue& grad) {
  return ApplyNode(scope, "ProximalAdagrad", {var, accum}, grad)
      .In(lr)
      .In(l1)
      .In(l2)
      .Grad()
      .Build();
}
Node* ops::ApplyAdagradDA(const Scope& scope, Output var, Output sum,
                          Output squares, const GradientValue& grad,
                          const Input& lr, const Input& l1, const Input& l2,
                          const Input& global_step) {
  return ApplyNode(scope, "AdagradDA", {var, sum, squares}, grad)
      .Grad()
      .In(lr)
      .In(l1)
      .In(l2)
      .In(global_step.Resolve(scope, kInt64))
      .Build();
}

}  // namespace lockstep
