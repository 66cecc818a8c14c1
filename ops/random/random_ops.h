// SPDX-License-Identifier: Apache-2.0
#pragma once

// What random ops of both kinds share beside their distributions.

#include <algorithm>

#include "ops/random/distributions.h"
#include "runtime/graph/builder.h"
#include "runtime/op/rank_words.h"
#include "runtime/op/shape_context.h"

namespace lockstep {

// Shape rule: output 0 has the shape that input 0 says.
inline Status RandomShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape shape, c.InputAsShape(0));
  LS_ASSIGN_OR_RETURN(const auto dims, c.InputInts(0));
  if (dims && !shape.IsFullyKnown()) {
    return InvalidArgument("Dimension ", std::ranges::min(*dims),
                           " must be >= 0");
  }
  return c.SetOutput(0, shape);
}

// Of integers' bounds, inputs `low` and the one behind it.
inline Status ScalarBounds(ShapeContext& c, int low) {
  LS_RETURN_IF_ERROR(
      WithRank(c, low, 0, "minval must be 0-D, got shape ").status());
  return WithRank(c, low + 1, 0, "maxval must be 0-D, got shape ").status();
}

namespace {
template <class I>
inline Result<UniformInt<I>> UniformIntOf(I low, I high) {
  if (low >= high) {
    return InvalidArgument("Need minval < maxval, got ", low, " >= ", high);
  }
  using Bits = typename UniformInt<I>::Bits;
  const Bits first = static_cast<Bits>(low);
  return UniformInt<I>{first,
                       static_cast<Bits>(static_cast<Bits>(high) - first)};
}
}  // namespace

// The node, keyed by the scope's seed and its own (0: by its name).
inline Output SeededNode(const Scope& scope, NodeBuilder& node, int64_t seed) {
  node.Attr("seed", scope.graph_seed()).Attr("seed2", seed);
  const Output out = node.Out();
  if (out.defined() && seed == 0) {
    out.node->mutable_attrs()["seed2"] = HashName(out.node->name());
  }
  return out;
}

}  // namespace lockstep
