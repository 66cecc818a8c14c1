// SPDX-License-Identifier: Apache-2.0
#pragma once

// Gradients through functions: of calls, If, Case and While. They go by
// recomputation: the gradient's function contains the function and
// differentiates it. A While keeps the values of its variables of every
// iteration in lists, from which the gradient's loop takes them back.
//
// Functions that change something outside have no gradient.

#include "runtime/graph/gradients.h"

namespace lockstep {

Status CallGradient(GradContext& g);
Status BranchGradient(GradContext& g);
Status WhileGradient(GradContext& g);

}  // namespace lockstep
