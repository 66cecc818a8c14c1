// SPDX-License-Identifier: Apache-2.0
#pragma once

// The way from a pruned graph to a Plan: specialise, rewrite, place, schedule,
// resolve values, prepare kernels, plan memory, bind addresses. Internal to
// runtime/exec.

#include <memory>

#include "runtime/device/device_set.h"
#include "runtime/exec/session_options.h"
#include "runtime/graph/passes/prune.h"

namespace lockstep {

class Lanes;
class Plan;

// What the plans of a session share; a small value. The pointers are the
// session's.
struct PlanEnvironment {
  const SessionOptions* options = nullptr;
  const DeviceSet* devices = nullptr;
  SessionResources* resources = nullptr;
  Lanes* lanes = nullptr;
  bool explain_only = false;  // a plan that is not run: it takes no memory
  int depth = 0;              // functions within functions
  int inference_depth = 0;    // of them, those whose shapes are being inferred
  // Plans that run at the same time have arenas of their own: those of this
  // one's functions are numbered from here.
  int first_arena = 0;
  // Run by Plan::RunPart, whose caller reads results where the plan has them.
  bool keeps_results = false;
  // The session is one of several tasks that run one graph (task_part.h).
  bool one_of_tasks = false;

  // The graph of the session is over all tasks, functions are not.
  bool spans_tasks() const { return one_of_tasks && depth == 0; }
  int arena() const { return first_arena + depth; }
};

struct PlanRequest {
  const Graph& graph;  // the session's, placed, or a function's body
  const RunSignature& signature;
  const std::vector<FeedSpec>& feeds;  // shapes of functions may be unknown
  const PlanEnvironment& environment;
};

Result<std::unique_ptr<Plan>> BuildPlan(const PlanRequest& request);

// The first half of it: pruned, without calls and frames, shapes inferred,
// constants folded, types narrowed where the session mixes them.
Result<PlanGraph> SpecializedGraph(const PlanRequest& request);

}  // namespace lockstep
