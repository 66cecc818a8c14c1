// SPDX-License-Identifier: Apache-2.0
#pragma once

// What tells two plans apart, in numbers that tasks can compare (see
// TaskChannel::Agree). Internal to runtime/exec.

#include "runtime/exec/plan_builder.h"
#include "runtime/op/task_channel.h"

namespace lockstep {

// Of a placed graph, before tasks take their parts of it. Constants count by
// their values where the program wrote them; folded ones may differ in the last
// bit from machine to machine.
PlanDigest DigestOf(const PlanRequest& request, const PlanGraph& plan);

}  // namespace lockstep
