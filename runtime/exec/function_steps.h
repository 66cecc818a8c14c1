// SPDX-License-Identifier: Apache-2.0
#pragma once

// The steps of If, Case, While and _Loop: they run plans of functions.
// Internal to runtime/exec.

#include <memory>

#include "runtime/exec/function_runner.h"
#include "runtime/exec/step_runner.h"

namespace lockstep {

// For a node that RunsFunctions. `run` belongs to the plan that the step is
// part of. Functions are planned when they first run.
Result<std::unique_ptr<StepRunner>> MakeFunctionStep(
    const Node& node, const PlanEnvironment& environment,
    const std::shared_ptr<const FunctionLibrary>& library, const RunInfo* run);

// Sets the shapes of such a node's outputs from those of its inputs.
Status InferFunctionNode(Node* node, const PlanEnvironment& environment,
                         const std::shared_ptr<const FunctionLibrary>& library);

}  // namespace lockstep
