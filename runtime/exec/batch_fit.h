// SPDX-License-Identifier: Apache-2.0
#pragma once

// What batch size a plan that does not fit its limits would fit with. Internal
// to runtime/exec.

#include <string>

#include "runtime/exec/plan_builder.h"

namespace lockstep {

// The batch is the first dimension of every feed whose graph leaves it open.
// Plans (taking no memory) for smaller batches: "a batch of 96 fits", "not even
// a batch of 1 fits"; "" when there is no such dimension or it is 1.
std::string LargestBatch(const PlanRequest& request);

}  // namespace lockstep
