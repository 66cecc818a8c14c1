// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one order in which all tasks run a cut graph (task_cut.h): each task runs
// its own nodes in it.
//
// A tensor is sent as soon as it is there, and received when its task has
// nothing else to do, so that no task waits while it could compute. Messages
// are received in the order in which they were sent, for each pair of tasks.
// Internal to runtime/exec.

#include <vector>

#include "runtime/graph/passes/prune.h"

namespace lockstep {

// Reads of variables come before updates as MakeSchedule wants it. The same on
// every task. FAILED_PRECONDITION when the graph has a cycle.
Result<std::vector<Node*>> OrderOfTasks(const PlanGraph& plan);

// The same for nodes that are in a topological order already, such as those of
// one task.
std::vector<Node*> SendsFirst(const std::vector<Node*>& order);

}  // namespace lockstep
