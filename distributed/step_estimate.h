// SPDX-License-Identifier: Apache-2.0
#pragma once

// A rough guess, from a graph alone, of when a step makes its gradients: what
// the choice of buckets needs and all ranks agree on. Not a prediction (for
// that: lockstep plan --ranks).

#include <span>
#include <vector>

#include "runtime/graph/graph.h"

namespace lockstep {

// Microseconds that the node takes, from its shapes; sizes that are not known
// count as 64.
double EstimateMicros(const Node& node);

// For each of `outputs`, of a graph in the order of `order`: microseconds until
// it is made, if only what the outputs need is run.
std::vector<double> EstimateReady(std::span<const Node* const> order,
                                  std::span<const Output> outputs);

}  // namespace lockstep
