// SPDX-License-Identifier: Apache-2.0

// ApplyAdam: Kingma and Ba, "Adam", in TensorFlow's form, in one pass:
//   m += (g - m) (1 - beta1)      v += (g^2 - v) (1 - beta2)
//   var -= lr sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon)
// with m replaced by beta1 m + (1 - beta1) g for use_nesterov.
//   var, m, v: variables [...]  grad: as var  the others: []
// ResourceApplyAdamWithAmsgrad: with vhat = max(vhat, v) in v's place.
// ApplyAdaMax: v = max(beta2 v, |g|); var -= lr / (1 - beta1^t) m / (v + eps).

#include <cmath>

#include "ops/training/apply.h"
#include "ops/training/apply_node.h"
#include "ops/training/training.h"

namespace lockstep {
namespace {

const ApplyOps<Adam> kAdam({.name = "Adam",
                            .slots = {"m", "v"},
                            .inputs = {"beta1_power", "beta2_power", "lr",
                                       "beta1", "beta2", "epsilon", "grad"},
                            .attrs = {"use_nesterov: bool = false"},
                            .sparse = false});
const ApplyOps<AdamWithAmsgrad> kAdamWithAmsgrad(
    {.name = "AdamWithAmsgrad",
     .slots = {"m", "v", "vhat"},
     .inputs = {"beta1_power", "beta2_power", "lr", "beta1", "beta2", "epsilon",
                "grad"},
     .references = false,
     .sparse = false});
const ApplyOps<AdaMax> kAdaMax({.name = "AdaMax",
                                .slots = {"m", "v"},
                                .inputs = {"beta1_power", "lr", "beta1",
                                           "beta2", "epsilon", "grad"},
                                .sparse = false});

detail::ApplyNode AdamNode(const Scope& scope, const char* name,
                           const std::vector<Output>& variables,
                           const ops::AdamInputs& in) {
  detail::ApplyNode node(scope, name, variables, in.grad);
  node.In(in.beta1_power)
      .In(in.beta2_power)
      .In(in.lr)
      .In(in.beta1)
      .In(in.beta2)
      .In(in.epsilon)
      .Grad();
  return node;
}

}  // namespace

Node* ops::ApplyAdam(const Scope& scope, const AdamInputs& in,
                     bool use_nesterov) {
  return AdamNode(scope, "Adam", {in.var, in.m, in.v}, in)
      .Attr("use_nesterov", use_nesterov)
      .Build();
}
Node* ops::ApplyAdamWithAmsgrad(const Scope& scope, const AdamInputs& in,
                                Output vhat) {
  return AdamNode(scope, "AdamWithAmsgrad", {in.var, in.m, in.v, vhat}, in)
      .Build();
}
Node* ops::ApplyAdaMax(const Scope& scope, const AdamInputs& in) {
  return detail::ApplyNode(scope, "AdaMax", {in.var, in.m, in.v}, in.grad)
      .In(in.beta1_power)
      .In(in.lr)
      .In(in.beta1)
      .In(in.beta2)
      .In(in.epsilon)
      .Grad()
      .Build();
}

}  // namespace lockstep
