// SPDX-License-Identifier: Apache-2.0
#pragma once

// MoveWidenings: a cast to larger elements that one group of element-wise ops
// makes and another reads is made by that one, too, so that what goes from
// group to group is small: the mask of a dropout goes to its gradient as bools,
// a quarter of the floats that both multiply by.
//
//   LS_ASSIGN_OR_RETURN(bool moved, MoveWidenings(plan, conditions, &groups));
//   if (moved) ... the order, readers and conditions are to be found anew

#include <vector>

#include "runtime/graph/conditions.h"
#include "runtime/graph/fusion/element_groups.h"
#include "runtime/graph/passes/prune.h"

namespace lockstep {

// Of fewer elements everything is in the first-level cache.
inline constexpr int64_t kManyElements = 4096;

// Whether the graph and the groups have changed.
Result<bool> MoveWidenings(PlanGraph* plan, const Conditions& conditions,
                           std::vector<ElementGroup>* groups);

}  // namespace lockstep
