// SPDX-License-Identifier: Apache-2.0

// ApplyFtrl: follow the (proximally) regularised leader: McMahan et al., "Ad
// click prediction", 2013. With p = -lr_power (at most 0 is lr_power):
//   linear += g - ((accum + g^2)^p - accum^p) / lr * var;  accum += g^2
//   var = (clip(linear, -l1, l1) - linear) / (accum^p / lr + 2 l2)
// multiply_linear_by_lr keeps lr * linear in `linear` instead.
// ApplyFtrlV2: g + 2 l2_shrinkage var in linear's g; accum's is without.
//   var, accum, linear: variables [...]  grad: as var  the others: []

#include <cmath>

#include "ops/math/vector_math.h"
#include "ops/training/apply.h"
#include "ops/training/apply_node.h"
#include "ops/training/training.h"

namespace lockstep {
namespace {

const ApplyOps<Ftrl> kFtrl({.name = "Ftrl",
                            .slots = {"accum", "linear"},
                            .inputs = {"grad", "lr", "l1", "l2", "lr_power"},
                            .attrs = {"multiply_linear_by_lr: bool = false"}});
const ApplyOps<FtrlV2> kFtrlV2(
    {.name = "FtrlV2",
     .slots = {"accum", "linear"},
     .inputs = {"grad", "lr", "l1", "l2", "l2_shrinkage", "lr_power"},
     .attrs = {"multiply_linear_by_lr: bool = false"}});

detail::ApplyNode FtrlNode(const Scope& scope, const char* name,
                           const ops::FtrlInputs& in) {
  detail::ApplyNode node(scope, name, {in.var, in.accum, in.linear}, in.grad);
  node.Grad().In(in.lr).In(in.l1).In(in.l2);
  return node;
}

}  // namespace

Node* ops::ApplyFtrl(const Scope& scope, const FtrlInputs& in,
                     bool multiply_linear_by_lr) {
  return FtrlNode(scope, "Ftrl", in)
      .In(in.lr_power)
      .Attr("multiply_linear_by_lr", multiply_linear_by_lr)
      .Build();
}
Node* ops::ApplyFtrlV2(const Scope& scope, const FtrlInputs& in,
                       const Input& l2_shrinkage, bool multiply_linear_by_lr) {
  return FtrlNode(scope, "FtrlV2", in)
      .In(l2_shrinkage)
      .In(in.lr_power)
      .Attr("multiply_linear_by_lr", multiply_linear_by_lr)
      .Build();
}

}  // namespace lockstep
