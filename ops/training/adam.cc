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

template <class A>
struct Adam {
  static constexpr int kSlots = 2;
  A alpha, beta1, beta2, epsilon;
  bool nesterov;
  // h: beta1_power, beta2_power, lr, beta1, beta2, epsilon
  Adam(const A* h, const ApplyFlags& flags)
      : alpha(h[2] * std::sqrt(A(1) - h[1]) / (A(1) - h[0])),
        beta1(h[3]),
        beta2(h[4]),
        epsilon(h[5]),
        nesterov(flags.use_nesterov) {}
  void operator()(A g, A* v) const {
    v[1] += (g - v[1]) * (A(1) - beta1);
    v[2] += (g * g - v[2]) * (A(1) - beta2);
    const A direction = nesterov ? g * (A(1) - beta1) + beta1 * v[1] : v[1];
    v[0] -= direction * alpha / (std::sqrt(v[2]) + epsilon);
  }
};

template <class A>
struct AdamWithAmsgrad {
  static constexpr int kSlots = 3;
  Adam<A> adam;
  AdamWithAmsgrad(const A* h, const ApplyFlags& flags) : adam(h, flags) {}
  void operator()(A g, A* v) const {
    v[1] += (g - v[1]) * (A(1) - adam.beta1);
    v[2] += (g * g - v[2]) * (A(1) - adam.beta2);
    v[3] = std::max(v[3], v[2]);
    v[0] -= v[1] * adam.alpha / (std::sqrt(v[3]) + adam.epsilon);
  }
};

template <class A>
struct AdaMax {
  static constexpr int kSlots = 2;
  A rate, beta1, beta2, epsilon;
  // h: beta1_power, lr, beta1, beta2, epsilon
  AdaMax(const A* h, const ApplyFlags&)
      : rate(h[1] / (A(1) - h[0])), beta1(h[2]), beta2(h[3]), epsilon(h[4]) {}
  void operator()(A g, A* v) const {
    v[1] += (g - v[1]) * (A(1) - beta1);
    v[2] = std::max(beta2 * v[2], std::abs(g));
    v[0] -= rate * (v[1] / (v[2] + epsilon));
  }
};

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
