// SPDX-License-Identifier: Apache-2.0

// ApplyAdadelta: Zeiler, "ADADELTA": steps as long as the steps before were,
// by the gradients' root mean square.
//   var, accum, accum_update: variables [...]  grad: as var  lr, rho,
//   epsilon: []

#include <cmath>

#include "ops/training/apply.h"
#include "ops/training/apply_node.h"
#include "ops/training/training.h"

namespace lockstep {
namespace {

const ApplyOps<Adadelta> kAdadelta({.name = "Adadelta",
                                    .slots = {"accum", "accum_update"},
                                    .inputs = {"lr", "rho", "epsilon",
                                               "grad"}});

}  // namespace

Node* ops::ApplyAdadelta(const Scope& scope, Output var, Output accum,
                         Output accum_update, const Input& lr, const Input& rho,
                         const Input& epsilon, const GradientValue& grad) {
  return detail::ApplyNode(scope, "Adadelta", {var, accum, accum_update}, grad)
      .In(lr)
      .In(rho)
      .In(epsilon)
      .Grad()
      .Build();
}

}  // namespace lockstep
