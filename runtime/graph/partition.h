// SPDX-License-Identifier: Apache-2.0
#pragma once

// The partitioner: puts a Send/Recv pair on every edge that leads from one
// memory to another.
//
// For each (tensor, destination) there is one `_Send` beside the producer and
// one `_Recv` at the destination, however many consumers read it there. The
// pair stays joined by an edge, so the graph remains one: a device's part is
// the nodes assigned to it. Constants are not sent but repeated where they are
// used, and what a GPU's ops keep in host memory (shapes, int32) is not copied.
// Control edges need no pair. A function of any thread that has the graph to
// itself.
//
//   LS_RETURN_IF_ERROR(CutCrossingEdges(&graph));   // after placement

#include "runtime/graph/graph.h"

namespace lockstep {

// Requires assigned devices. INVALID_ARGUMENT when an op that updates a
// variable is placed on another device than the variable. `added`, if given,
// receives the number of pairs.
Status CutCrossingEdges(Graph* graph, int* added = nullptr);

}  // namespace lockstep
