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
