// SPDX-License-Identifier: Apache-2.0
#pragma once

// Says in a plan's graph which tensors have rows of samples, for rewrites that
// have to tell gradients from what they are made of: attribute "_rows" of
// nodes, a list of bools by output. All shapes are inferred for two numbers of
// samples. Internal to runtime/exec.

#include "runtime/exec/plan_builder.h"

namespace lockstep {

inline constexpr std::string_view kRowsAttr = "_rows";

// `plan`: made from the request. Marks nothing unless a gradient depends on
// feeds, or a variable is set to, or grows by, what does and others are trained
// by (FindComposedUpdates), nor where shapes cannot be inferred for another
// number of samples. Samples are along dimension 0 of SessionOptions::batch; of
// the first feed that is open there when it is empty.
Status MarkSampleRows(const PlanRequest& request, PlanGraph* plan);
void DropSampleRows(Graph* graph);

}  // namespace lockstep
