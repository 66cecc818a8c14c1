// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the data-parallel rewrite asks of nodes. Internal to distributed/.

#include <unordered_set>
#include <vector>

#include "runtime/graph/graph.h"

namespace lockstep {

// What is computed from variables and exchanged values alone is the same on all
// ranks: powers of a decay, counters of steps, an optimiser's slots.
bool EqualOnAllRanks(Output o);
// As that, or constant.
bool IndependentOfRank(Output o);

// The exchanges nearest above the output.
std::vector<Node*> SynchronizingAbove(Output o);

// Adds all that runs after `node` to `users`, which holds with each node that
// it has all that runs after that one.
void MarkUsers(Node* node, const Consumers& consumers,
               std::unordered_set<const Node*>* users);

// The inputs of an update of some rows: values and indices; -1: it is none.
struct RowInputs {
  int values = -1, indices = -1;
};
// Of an Apply* op with indices. Gradient descent on rows is written as an
// addition to them: what each rank adds comes of its own samples.
RowInputs RowsOf(const Node& n);

}  // namespace lockstep
