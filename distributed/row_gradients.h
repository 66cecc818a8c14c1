// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which updates of rows (RowsOf) belong to one gradient of rows, that the
// data-parallel rewrite exchanges for all of them. Internal to distributed/.
//
// An update may use more than the gradient itself: Adam of rows adds
// (1 - beta1) * g to one slot and (1 - beta2) * g * g to another. Averages over
// the ranks are taken of g: the nearest rows from which the values of all
// updates by the same indices are made, element by element.

#include <string>
#include <vector>

#include "distributed/gradient_facts.h"
#include "runtime/exec/sample_flow.h"
#include "runtime/graph/graph.h"

namespace lockstep {

struct RowUpdate {
  Node* node = nullptr;
  RowInputs inputs;
  // What makes its values of the gradient: the last makes the values, the first
  // takes the gradient. Empty: the values are the gradient.
  std::vector<Node*> steps;
};

struct RowGradient {
  Output values, indices;
  std::vector<RowUpdate> updates;  // the first by name first
};

// In the order of the graph. UNIMPLEMENTED, with the nodes' names, where
// updates by the same indices have no rows in common.
Result<std::vector<RowGradient>> FindRowGradients(const Graph& graph);

// UNIMPLEMENTED, with the update's name, where rows are clipped before it, by
// value or by a norm: one process would see the rows of all ranks, and each as
// often as it is looked up.
Status CheckRowsAreNotClipped(const Graph& graph, const SampleFlow& samples);

}  // namespace lockstep
