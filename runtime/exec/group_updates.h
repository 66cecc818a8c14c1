// SPDX-License-Identifier: Apache-2.0
#pragma once

// GroupUpdates: the updates of variables that one GPU makes by one rule become
// one `_GroupedUpdate` node, a launch for all instead of one for each.
//
// Runs on a placed graph. Joined are dense Apply* ops of equal names,
// attributes and hyper-parameters, on one GPU and under the same conditions,
// whose results nothing reads, and whose variables are small: an update of more
// than kMostGrouped elements fills the GPU by itself, and its gradient's memory
// is free sooner. Not joined are updates of which one follows another, and
// where something that comes after one reads a variable of another before its
// update: it would come after that, too. Internal to runtime/exec.

#include "runtime/graph/passes/prune.h"

namespace lockstep {

inline constexpr int64_t kMostGrouped = 1 << 20;

Status GroupUpdates(PlanGraph* plan);

}  // namespace lockstep
