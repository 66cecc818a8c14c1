// SPDX-License-Identifier: Apache-2.0
#pragma once

// The step of a `_Replicas` node (replica_cut.h): runs the plan of one virtual
// replica for each of this rank's, each on one thread, several side by side,
// and adds their gradients up along a binary tree. A replica's plan is made for
// one thread and for its number of samples, so every bit that it computes is a
// function of its samples and of the variables alone. Internal to
// runtime/exec.

#include <memory>

#include "runtime/exec/plan_builder.h"
#include "runtime/exec/step_runner.h"
#include "runtime/op/kernel.h"

namespace lockstep {

// `request` is the one that was cut, `node` the `_Replicas` made of it, `run`
// the run of the plan around it. Borrows what the request's environment points
// at.
Result<std::unique_ptr<StepRunner>> MakeReplicaStep(const PlanRequest& request,
                                                    const Node& node,
                                                    RunInfo* run);

}  // namespace lockstep
