// SPDX-License-Identifier: Apache-2.0
#pragma once

// Replaces calls of functions (PartitionedCall, StatefulPartitionedCall) by
// the functions' bodies, and SymbolicGradient by their gradients', so that a
// plan sees one graph.
//
// The body's nodes are called "<call>/<node>". They run after what the call
// waits for; what waits for the call, or reads a result, comes after the
// function's effects.

#include "runtime/graph/passes/prune.h"

namespace lockstep {

// NOT_FOUND for a function that the graph's library lacks, INVALID_ARGUMENT
// when arguments do not fit, or calls nest deeper than 200.
Status InlineCalls(PlanGraph* plan);

}  // namespace lockstep
