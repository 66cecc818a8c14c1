// SPDX-License-Identifier: Apache-2.0
#pragma once

// Turns the frames of TensorFlow 1's loops (Enter, Merge, Switch,
// NextIteration, Exit) into `_Loop` nodes, whose condition and body become
// functions. A frame within a frame stays part of the body and is extracted
// when the body is planned.
//
//   LS_RETURN_IF_ERROR(ExtractLoops(&plan));   // the graph has no cycle now
//
// The shape of a frame: Yu et al., "Dynamic Control Flow in Large-Scale
// Machine Learning" (EuroSys 2018), section 4.

#include "runtime/graph/passes/prune.h"

namespace lockstep {

// INVALID_ARGUMENT naming the frame when it is no loop of that form.
Status ExtractLoops(PlanGraph* plan);

}  // namespace lockstep
