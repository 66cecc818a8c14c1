// SPDX-License-Identifier: Apache-2.0
#pragma once

// The program of a `_Fused` node, held to the node's inputs and outputs. For
// the op's kernels.

#include "runtime/graph/fusion/element_program.h"
#include "runtime/op/kernel.h"

namespace lockstep {

Result<ElementProgram> ProgramOf(const PrepareContext& p);

}  // namespace lockstep
