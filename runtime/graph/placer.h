// SPDX-License-Identifier: Apache-2.0
#pragma once

// The placer: gives every node that has no assigned device one from a set.
//
// A node goes to the first device (in the set's order) that its requested
// device covers and that has a kernel for it. With soft placement, a request
// that no device meets falls back to /cpu:0.

#include "runtime/device/device_set.h"
#include "runtime/graph/graph.h"

namespace lockstep {

struct PlacerOptions {
  int task = 0;
  bool allow_soft_placement = false;
  bool log_device_placement = false;
};

// Whether nodes of the op run somewhere; others the planner resolves itself.
bool NeedsKernel(const OpDef& op);

// INVALID_ARGUMENT naming the node, what it asked for and what there is.
Status PlaceGraph(const DeviceSet& devices, const PlacerOptions& options,
                  Graph* graph);

}  // namespace lockstep
