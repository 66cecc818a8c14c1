// SPDX-License-Identifier: Apache-2.0
#pragma once

// The static order of a plan's nodes, and when a variable's value is read.
//
// An op that reads a variable sees the value from before an update of the same
// run, unless data or control edges put the read after the update. Reading
// costs no copy where the order alone can keep that promise; where it cannot,
// the reading node is listed in `snapshots` and copies. Internal to
// runtime/exec.

#include <unordered_set>
#include <vector>

#include "runtime/graph/passes/prune.h"

namespace lockstep {

struct Schedule {
  std::vector<Node*> order;
  // Alias nodes (Identity of a variable ...) that have to copy.
  std::unordered_set<const Node*> snapshots;
};

// Adds control edges to the graph. FAILED_PRECONDITION when it has a cycle.
Result<Schedule> MakeSchedule(PlanGraph* plan);

// The output of a `variable` node that `o` refers to, following references and
// alias nodes; undefined when it is no variable.
Output VariableBehind(Output o);
// Whether input `i` of the node is a variable that it may change.
bool WritesVariable(const Node& n, int i);
// By which the session knows the variable of such a node.
std::string VariableName(const Node& variable);

}  // namespace lockstep
