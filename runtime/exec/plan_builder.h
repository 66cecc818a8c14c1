// SPDX-License-Identifier: Apache-2.0
#pragma once

// The way from a pruned graph to a Plan: specialise, rewrite, place, schedule,
// resolve values, prepare kernels, plan memory, bind addresses. Internal to
// runtime/exec.

#include <memory>

#include "runtime/device/device_set.h"
#include "runtime/exec/plan.h"

namespace lockstep {

struct PlanRequest {
  const Graph& graph;  // the session's, placed
  const RunSignature& signature;
  const std::vector<FeedSpec>& feeds;
  const SessionOptions& options;
  const DeviceSet& devices;
  SessionResources* resources;
  Arena* arena;
};

Result<std::unique_ptr<Plan>> BuildPlan(const PlanRequest& request);

}  // namespace lockstep
