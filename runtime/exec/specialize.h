// SPDX-License-Identifier: Apache-2.0
#pragma once

// Specialises a pruned graph on the shapes of its feeds: infers every shape
// anew, folds what has become constant (Shape of a fed tensor, broadcast
// arguments, small expressions of constants) and drops nodes that equal one of
// their inputs. Internal to runtime/exec.

#include "runtime/exec/plan_builder.h"

namespace lockstep {

// Without options.optimize only shapes are inferred. Errors name the node.
Status Specialize(PlanGraph* plan, const PlanEnvironment& environment);

// The node's outputs for constant inputs, by its CPU kernel. UNIMPLEMENTED when
// it has none.
Result<std::vector<Tensor>> EvaluateNode(const Node& node,
                                         std::vector<Tensor> inputs,
                                         const PlanEnvironment& environment);

}  // namespace lockstep
