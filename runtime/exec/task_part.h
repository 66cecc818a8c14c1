// SPDX-License-Identifier: Apache-2.0
#pragma once

// One graph over the tasks of a job: every task makes the same plan up to here,
// and keeps the nodes that are assigned to it.
//
// A session is one of several tasks when its job has more than one, it has a
// TaskChannel, and a node of its graph asks for a task (`/task:1`). Then every
// run is made by all tasks alike: with equal feeds (names and shapes; each task
// reads its own values) and equal fetches, which every task gets. Internal to
// runtime/exec.

#include "runtime/exec/plan_builder.h"
#include "runtime/op/task_channel.h"

namespace lockstep {

// What a plan knows of the others.
struct TaskPart {
  PlanDigest digest;
  // Some task draws random numbers: all count the run.
  bool random = false;
  // The tasks have found their plans equal.
  bool agreed = false;
};

// Whether a node asks for a task.
bool AsksForTasks(const Graph& graph);
// Adds the other tasks' devices, by name alone; they are as this task's.
void AddOtherTasks(int task, int tasks, DeviceSet* devices);

// Cuts the placed graph between the tasks (task_cut.h) and removes what is not
// this task's; its fetches are then those that arrive here. Control edges put
// the messages in the order that all tasks follow (task_order.h).
Result<TaskPart> KeepTask(const PlanRequest& request, PlanGraph* plan);
// For graphs that run on one task: INVALID_ARGUMENT naming a node that is
// assigned to another one.
Status CheckOneTask(int task, const Graph& graph);

}  // namespace lockstep
