// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which reductions may end a chain of element-wise ops, so that what they
// reduce is never in memory.

#include "runtime/graph/graph.h"

namespace lockstep {

// The elements that `n` reduces into each of its outputs, when they lie side by
// side and are enough to pay; 0 when they do not, and for what is no reduction
// with a ReduceRule. Shapes must be known, axes constants.
int64_t ReducedRun(const Node& n);

// The node that alone reads `o`, as the input of such a reduction, on the same
// CPU; null when there is none.
Node* ReductionAtEndOf(Output o, const Consumers& consumers);

}  // namespace lockstep
