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

template <class A>
A SignOf(A x) {
  return A(x > 0) - A(x < 0);
}

template <class A, bool kPower>
struct Sign {
  static constexpr int kSlots = 1;
  A lr, scale, sign_decay, beta;
  Sign(const A* h, const ApplyFlags&)
      : lr(h[0]), scale(h[1]), sign_decay(h[2]), beta(h[3]) {}
  void operator()(A g, A* v) const {
    v[1] = v[1] * beta + g * (A(1) - beta);
    const A agree = sign_decay * SignOf(g) * SignOf(v[1]);
    if constexpr (kPower) {
      v[0] -= lr * vm::Exp(scale * agree) * g;
    } else {
      v[0] -= lr * (scale + agree) * g;
    }
  }
};
template <class A>
using AddSign = Sign<A, false>;
template <class A>
using PowerSign = Sign<A, true>;

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
