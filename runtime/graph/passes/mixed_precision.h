// SPDX-License-Identifier: Apache-2.0
#pragma once

// Mixed precision: matrix products and convolutions of floats, and what lies
// between them, become ops on bfloat16; Cast nodes stand where one type meets
// the other. What ops allow is in runtime/op/precision.h.
//
// - kAllow ops become bfloat16 always, with their gradients, which are ops like
//   others.
// - kInfer and kClear ops do when they lie on a path from one such op to
//   another; kInfer ops not behind a kDeny op (kClear ops between do not
//   count).
// - A kClear op whose result only such ops read does, too: the Cast is in front
//   of it.
// - All else stays float: variables, slots, updates, losses, what is fed and
//   what is fetched. Nodes on GPUs stay as they are.
//
// Constants are converted now, other operands by a Cast in each run. A node
// that becomes one on bfloat16 has "/bfloat16" behind its name.
//
//   if (asked && HasBfloat16Products())
//   LS_RETURN_IF_ERROR(MixPrecision(&plan));

#include "runtime/graph/passes/prune.h"

namespace lockstep {

// Shapes are known as far as they are; the graph has no cycles.
Status MixPrecision(PlanGraph* plan);

}  // namespace lockstep
