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

template <class A>
struct FtrlV2 {
  static constexpr int kSlots = 2;
  A lr, l1, l2, l2_shrinkage, power;
  bool root, scaled;
  FtrlV2(A rate, A first, A second, A shrinkage, A lr_power,
         const ApplyFlags& flags)
      : lr(rate),
        l1(first),
        l2(second),
        l2_shrinkage(shrinkage),
        power(-lr_power),
        root(lr_power == A(-0.5)),
        scaled(flags.multiply_linear_by_lr) {}
  FtrlV2(const A* h, const ApplyFlags& flags)
      : FtrlV2(h[0], h[1], h[2], h[3], h[4], flags) {}

  A Power(A accum) const {
    return root ? std::sqrt(accum) : vm::Pow(accum, power);
  }
  void operator()(A g, A* v) const {
    const A shrunk = g + A(2) * l2_shrinkage * v[0];
    const A before = Power(v[1]);
    v[1] += g * g;
    const A after = Power(v[1]);
    const A unit = scaled ? lr : A(1);  // of linear
    v[2] += shrunk * unit - (after - before) / lr * unit * v[0];
    const A bound = l1 * unit;
    const A x = std::min(std::max(v[2], -bound), bound) - v[2];
    v[0] = x / ((after / lr + A(2) * l2) * unit);
  }
};

template <class A>
struct Ftrl : FtrlV2<A> {
  Ftrl(const A* h, const ApplyFlags& flags)
      : FtrlV2<A>(h[0], h[1], h[2], A(0), h[3], flags) {}
};

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
