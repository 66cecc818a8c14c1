// SPDX-License-Identifier: Apache-2.0
#pragma once

// Keeps reads of reference variables before their updates, by control edges.
// Lockstep's own scheduler needs none: there a read sees the value from before
// an update. TensorFlow, when it runs an exported graph, would be free to run
// MatMul(dy, w) of the backward pass after w's update.
//
//   OrderReadsBeforeUpdates({{w_gradient, w, apply_w}, ...});

#include <vector>

#include "runtime/graph/graph.h"

namespace lockstep::detail {

struct VariableUpdate {
  Output gradient;
  Output variable;
  Node* update;
};

// For the updates of one training step: what reads a variable on the way to any
// of the gradients comes before its update. Adds no edge where data does that.
void OrderReadsBeforeUpdates(Graph* graph,
                             const std::vector<VariableUpdate>& updates);

}  // namespace lockstep::detail
