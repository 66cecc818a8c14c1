// SPDX-License-Identifier: Apache-2.0

// ApplyMomentum: accum = accum * momentum + grad; var -= lr * accum, or, with
// use_nesterov, lr * (grad + momentum * accum).
//   var, accum: variables [...]  lr, momentum: []  grad: as var
// ResourceApplyKerasMomentum: the same with the rate inside accum, which is
// then added: a rate that changes does not change what was accumulated.

#include "ops/training/apply.h"
#include "ops/training/apply_node.h"
#include "ops/training/training.h"

namespace lockstep {
namespace {

const ApplyOps<Momentum> kMomentum({.name = "Momentum",
                                    .slots = {"accum"},
                                    .inputs = {"lr", "grad", "momentum"},
                                    .attrs = {"use_nesterov: bool = false"}});
const ApplyOps<KerasMomentum> kKerasMomentum(
    {.name = "KerasMomentum",
     .slots = {"accum"},
     .inputs = {"lr", "grad", "momentum"},
     .attrs = {"use_nesterov: bool = false"},
     .references = false});

Node* MomentumNode(const Scope& scope, const char* name, Output var,
                   Output accum, const Input& lr, const GradientValue& grad,
                   const Input& momentum, bool use_nesterov) {
  return detail::ApplyNode(scope, name, {var, accum}, grad)
      .In(lr)
      .Grad()
      .In(momentum)
      .Attr("use_nesterov", use_nesterov)
      .Build();
}

}  // namespace

Node* ops::ApplyMomentum(const Scope& scope, Output var, Output accum,
                         const Input& lr, const GradientValue& grad,
                         const Input& momentum, bool use_nesterov) {
  return MomentumNode(scope, "Momentum", var, accum, lr, grad, momentum,
                      use_nesterov);
}
Node* ops::ApplyKerasMomentum(const Scope& scope, Output var, Output accum,
                              const Input& lr, const GradientValue& grad,
                              const Input& momentum, bool use_nesterov) {
  return MomentumNode(scope, "KerasMomentum", var, accum, lr, grad, momentum,
                      use_nesterov);
}

}  // namespace lockstep
