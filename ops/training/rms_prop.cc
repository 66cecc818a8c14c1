// SPDX-License-Identifier: Apache-2.0

// ApplyRMSProp: ms = rho ms + (1 - rho) g^2;
//   mom = momentum mom + lr g / sqrt(ms + epsilon); var -= mom
// ApplyCenteredRMSProp: mg = rho mg + (1 - rho) g, and ms - mg^2 + epsilon
//   under the root.
//   var, mg, ms, mom: variables [...]  grad: as var  the others: []

#include <cmath>

#include "ops/training/apply.h"
#include "ops/training/apply_node.h"
#include "ops/training/training.h"

namespace lockstep {
namespace {

const ApplyOps<RMSProp> kRMSProp({.name = "RMSProp",
                                  .slots = {"ms", "mom"},
                                  .inputs = {"lr", "rho", "momentum", "epsilon",
                                             "grad"}});
const ApplyOps<CenteredRMSProp> kCenteredRMSProp(
    {.name = "CenteredRMSProp",
     .slots = {"mg", "ms", "mom"},
     .inputs = {"lr", "rho", "momentum", "epsilon", "grad"}});

Node* RMSPropNode(const Scope& scope, const char* name,
                  const std::vector<Output>& variables, const Input& lr,
                  const Input& rho, const Input& momentum, const Input& epsilon,
                  const GradientValue& grad) {
  return detail::ApplyNode(scope, name, variables, grad)
      .In(lr)
      .In(rho)
      .In(momentum)
      .In(epsilon)
      .Grad()
      .Build();
}

}  // namespace

Node* ops::ApplyRMSProp(const Scope& scope, Output var, Output ms, Output mom,
                        const Input& lr, const Input& rho,
                        const Input& momentum, const Input& epsilon,
                        const GradientValue& grad) {
  return RMSPropNode(scope, "RMSProp", {var, ms, mom}, lr, rho, momentum,
                     epsilon, grad);
}
Node* ops::ApplyCenteredRMSProp(const Scope& scope, Output var, Output mg,
                                Output ms, Output mom, const Input& lr,
                                const Input& rho, const Input& momentum,
                                const Input& epsilon,
                                const GradientValue& grad) {
  return RMSPropNode(scope, "CenteredRMSProp", {var, mg, ms, mom}, lr, rho,
                     momentum, epsilon, grad);
}

}  // namespace lockstep
