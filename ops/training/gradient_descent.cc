// SPDX-License-Identifier: Apache-2.0

// ApplyGradientDescent: var -= alpha * delta.
//   var: variable [...]  alpha: []  delta: as var
// ApplyProximalGradientDescent: that, then FOBOS's proximal step; in its sparse
// form for the rows of delta.

#include "ops/training/apply.h"
#include "ops/training/apply_node.h"
#include "ops/training/proximal.h"
#include "ops/training/training.h"

namespace lockstep {
namespace {

template <class A>
struct GradientDescent {
  static constexpr int kSlots = 0;
  A alpha;
  GradientDescent(const A* h, const ApplyFlags&) : alpha(h[0]) {}
  void operator()(A delta, A* v) const { v[0] -= alpha * delta; }
};

template <class A>
struct ProximalGradientDescent {
  static constexpr int kSlots = 0;
  A alpha, l1, l2;
  ProximalGradientDescent(const A* h, const ApplyFlags&)
      : alpha(h[0]), l1(h[1]), l2(h[2]) {}
  void operator()(A delta, A* v) const {
    v[0] = detail::Proximal(v[0] - alpha * delta, alpha, l1, l2);
  }
};

// Sparse descent is ScatterSub.
const ApplyOps<GradientDescent> kGradientDescent({.name = "GradientDescent",
                                                  .slots = {},
                                                  .inputs = {"alpha", "delta"},
                                                  .sparse = false});
const ApplyOps<ProximalGradientDescent> kProximalGradientDescent(
    {.name = "ProximalGradientDescent",
     .slots = {},
     .inputs = {"alpha", "l1", "l2", "delta"}});

}  // namespace

using detail::ApplyNode;

Node* ops::ApplyGradientDescent(const Scope& scope, Output var,
                                const Input& alpha,
                                const GradientValue& delta) {
  return ApplyNode(scope, "GradientDescent", {var}, delta)
      .In(alpha)
      .Grad()
      .Build();
}

Node* ops::ApplyProximalGradientDescent(const Scope& scope, Output var,
                                        const Input& alpha, const Input& l1,
                                        const Input& l2,
                                        const GradientValue& delta) {
  return ApplyNode(scope, "ProximalGradientDescent", {var}, delta)
      .In(alpha)
      .In(l1)
      .In(l2)
      .Grad()
      .Build();
}

}  // namespace lockstep
