// SPDX-License-Identifier: Apache-2.0
#pragma once

// What rewrite rules of products and convolutions share: a bias, an activation,
// or the Cast of a BFloat16 result to float, when nothing else reads what is in
// between, becomes part of the primitive that makes it. Functions of any
// thread.
//
//   constexpr EpilogueOps kOps{"MatMul", "_FusedMatMul", FusedAttrs};
//   Result<bool> FuseCast(RewriteContext& c) { return FuseCastInto(c, kOps); }
//   LOCKSTEP_REWRITE("Cast", FuseCast);

#include <vector>

#include "runtime/graph/passes/rewrite.h"

namespace lockstep::detail {

// Both take two operands and give one output, of type T and, fused, of Tout;
// the fused one takes num_args more behind them and has `activation`.
struct EpilogueOps {
  const char* plain;
  const char* fused;
  // Of the fused op, those of either that stay.
  AttrMap (*attrs)(const Node& node);
};

// What makes `result` by one of the ops, if what reads it can join it: null
// where it ends in an activation, others read it, or oneDNN has no primitive
// for it.
Node* ProducerToJoin(RewriteContext& c, Output result, const EpilogueOps& ops);

// c.node() becomes the fused form of `producer` on these inputs, with these
// attributes instead of `producer`'s. True.
Result<bool> JoinEpilogue(RewriteContext& c, const EpilogueOps& ops,
                          const Node& producer, std::vector<Output> inputs,
                          AttrMap changed);

// Of c.node(), an activation of `producer`'s result.
Result<bool> JoinActivation(RewriteContext& c, const EpilogueOps& ops,
                            const Node& producer);
// A rule at Cast.
Result<bool> FuseCastInto(RewriteContext& c, const EpilogueOps& ops);

}  // namespace lockstep::detail
