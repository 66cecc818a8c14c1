// SPDX-License-Identifier: Apache-2.0
#pragma once

// RestoreInPlace: a checkpoint is read into the memory of the variables that
// get it, where they have no value yet, not beside them and copied.
//
// RestoreV2 is told, by its attribute `_variables`, which variable in host
// memory each of its tensors is for: one that nothing else in the plan uses.
// Whether its value may be lost is seen when the plan runs, as it may when
// there is none: a damaged file leaves the variable as uninitialised as it was.
// Runs on a placed graph. Internal to runtime/exec.

#include "runtime/graph/passes/prune.h"

namespace lockstep {

void RestoreInPlace(PlanGraph* plan);

}  // namespace lockstep
