// SPDX-License-Identifier: Apache-2.0

// ApplyAddSign, ApplyPowerSign: Bello et al., "Neural optimizer search":
//   m = beta m + (1 - beta) g; agree = sign_decay sign(g) sign(m)
//   var -= lr (alpha + agree) g,  or  lr exp(logbase agree) g
//   var, m: variables [...]  grad: as var  the others: []

#include <cmath>

#include "ops/math/vector_math.h"
#include "ops/training/apply.h"
#include "ops/training/apply_node.h"
#include "ops/training/training.h"

namespace lockstep {
namespace {

const ApplyOps<AddSign> kAddSign({.name = "AddSign",
                                  .slots = {"m"},
                                  .inputs = {"lr", "alpha", "sign_decay",
                                             "beta", "grad"},
                                  .sparse = false});
const ApplyOps<PowerSign> kPowerSign({.name = "PowerSign",
                                      .slots = {"m"},
                                      .inputs = {"lr", "logbase", "sign_decay",
                                                 "beta", "grad"},
                                      .sparse = false});

Node* SignNode(const Scope& scope, const char* name, Output var, Output m,
               const Input& lr, const Input& scale, const Input& sign_decay,
               const Input& beta, const GradientValue& grad) {
  return detail::ApplyNode(scope, name, {var, m}, grad)
      .In(lr)
      .In(scale)
      .In(sign_decay)
      .In(beta)
      .Grad()
      .Build();
}

}  // namespace

Node* ops::ApplyAddSign(const Scope& scope, Output var, Output m,
                        const Input& lr, const Input& alpha,
                        const Input& sign_decay, const Input& beta,
                        const GradientValue& grad) {
  return SignNode(scope, "AddSign", var, m, lr, alpha, sign_decay, beta, grad);
}
Node* ops::ApplyPowerSign(const Scope& scope, Output var, Output m,
                          const Input& lr, const Input& logbase,
                          const Input& sign_decay, const Input& beta,
                          const GradientValue& grad) {
  return SignNode(scope, "PowerSign", var, m, lr, logbase, sign_decay, beta,
                  grad);
}

}  // namespace lockstep
