// SPDX-License-Identifier: Apache-2.0
#pragma once

// Cuts a placed graph where it crosses from one task to another.
//
// For each (tensor, task that reads it) there is one `_SendToTask` on the
// producer's task and one `_RecvFromTask` on the reader's, both on /cpu:0 and
// joined by a control edge, so that the graph remains one. A control edge that
// nothing else implies is carried by an empty message; edges from the same
// nodes to the same task share one. Feeds are read where they are needed, from
// that task's own; constants are repeated. Every fetch arrives on every task.
// Internal to runtime/exec.
//
//   LS_ASSIGN_OR_RETURN(TaskCut cut, CutTasks(tasks, &plan));

#include <vector>

#include "runtime/graph/passes/prune.h"

namespace lockstep {

struct TaskCut {
  // By task: the plan's fetches as that task has them.
  std::vector<std::vector<Output>> fetches;
  int messages = 0;
};

// The task a node is assigned to; INVALID_ARGUMENT unless it is one of `tasks`.
Result<int> TaskOf(const Node& node, int tasks);
bool IsTaskSend(const Node& node);
bool IsTaskRecv(const Node& node);

// Requires assigned devices. INVALID_ARGUMENT where a variable is updated from
// another task, UNIMPLEMENTED where a tensor that may have no value (of a
// branch of a Switch), or an object, is needed on another task.
Result<TaskCut> CutTasks(int tasks, PlanGraph* plan);

}  // namespace lockstep
