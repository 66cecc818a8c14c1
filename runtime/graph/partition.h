// SPDX-License-Identifier: Apache-2.0
#pragma once

// The partitioner: puts a Send/Recv pair on every edge that crosses devices.
//
// For each (tensor, destination device) there is one `_Send` on the producer's
// device and one `_Recv` on the destination, however many consumers read it
// there. The pair stays joined by an edge, so the graph remains one: a device's
// part is the nodes assigned to it. Constants are not sent but repeated where
// they are used. Control edges need no pair.
//
//   LS_RETURN_IF_ERROR(CutCrossingEdges(&graph));   // after placement

#include "runtime/graph/graph.h"

namespace lockstep {

// Requires assigned devices. INVALID_ARGUMENT when an op that updates a
// variable is placed on another device than the variable. `added`, if given,
// receives the number of pairs.
Status CutCrossingEdges(Graph* graph, int* added = nullptr);

}  // namespace lockstep
