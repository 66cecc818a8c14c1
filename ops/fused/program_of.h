// SPDX-License-Identifier: Apache-2.0
#pragma once

// The program of a `_Fused` node, held to the node's inputs and outputs, or of
// a `_FusedReduce` node, `reduced`, whose output is not the result. For the
// ops' kernels.

#include "runtime/graph/fusion/element_program.h"
#include "runtime/op/kernel.h"

namespace lockstep {

Result<ElementProgram> ProgramOf(const PrepareContext& p, bool reduced = false);

}  // namespace lockstep
