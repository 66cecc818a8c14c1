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

template <class A>
struct RMSProp {
  static constexpr int kSlots = 2;
  A lr, rho, momentum, epsilon;
  RMSProp(const A* h, const ApplyFlags&)
      : lr(h[0]), rho(h[1]), momentum(h[2]), epsilon(h[3]) {}
  void operator()(A g, A* v) const {
    v[1] += (g * g - v[1]) * (A(1) - rho);
    v[2] = v[2] * momentum + g * lr / std::sqrt(v[1] + epsilon);
    v[0] -= v[2];
  }
};

template <class A>
struct CenteredRMSProp {
  static constexpr int kSlots = 3;
  A lr, rho, momentum, epsilon;
  CenteredRMSProp(const A* h, const ApplyFlags&)
      : lr(h[0]), rho(h[1]), momentum(h[2]), epsilon(h[3]) {}
  void operator()(A g, A* v) const {
    v[1] += (g - v[1]) * (A(1) - rho);
    v[2] += (g * g - v[2]) * (A(1) - rho);
    v[3] = v[3] * momentum + g * lr / std::sqrt(v[2] - v[1] * v[1] + epsilon);
    v[0] -= v[3];
  }
};

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
