// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a node does each time it runs, from its shapes: the bytes that it reads
// and writes, and its additions and multiplications. For tools and guesses of
// cost, never for results.
//
//   const NodeWork work = WorkOf(node);        // work.bytes, work.flops
//
// An op whose operations are not one for each element says so in its own file:
//
//   LOCKSTEP_FLOPS("MatMul", ProductFlops);    // or a function of its own
//
// The rules are set by static initialisers and only read afterwards.

#include "runtime/graph/graph.h"

namespace lockstep {

struct NodeWork {
  double bytes = 0;  // of inputs, each once, and outputs
  double flops = 0;
};

// Sizes that are not known count as `unknown`.
NodeWork WorkOf(const Node& node, double unknown = 1);

// Microseconds of the node on one core, each step costing `step_us` beside its
// work. The proportions matter, not the figures.
double EstimateMicros(const Node& node, double step_us);

// For rules: elements of a shape, the size of one dimension, and the operations
// of a product [m,k] x [k,n], or a batch of them, whichever is transposed.
double KnownElements(const Shape& shape, double unknown);
double KnownDim(const Shape& shape, int i, double unknown);
double ProductFlops(const Node& node, double unknown);

using FlopsFn = double (*)(const Node& node, double unknown);

namespace detail {
struct FlopsRule {
  FlopsRule(const char* op, FlopsFn rule);
};
}  // namespace detail

}  // namespace lockstep

#define LOCKSTEP_FLOPS_NAME_(line) lockstep_flops_rule_##line
#define LOCKSTEP_FLOPS_NAME(line) LOCKSTEP_FLOPS_NAME_(line)
#define LOCKSTEP_FLOPS(op, rule)                                            \
  static const ::lockstep::detail::FlopsRule LOCKSTEP_FLOPS_NAME(__LINE__)( \
      op, rule)
