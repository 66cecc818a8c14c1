// SPDX-License-Identifier: Apache-2.0
#pragma once

// The placer: gives every node that has no assigned device one from a set, by
// TensorFlow's rules (docs/devices.md has them in full).
//
//   std::vector<Placement> decisions;
//   LS_RETURN_IF_ERROR(PlaceGraph(devices, {}, &graph, &decisions));
//   decisions[0].why;   // "asks for it"
//
// Names of other jobs mean this one. A set with devices of one task takes
// "/task:0" for that task. The same function serves a whole graph and one that
// was placed and rewritten since: nodes with a device keep it, and those that
// are new are put to what they belong to.

#include <vector>

#include "runtime/device/device_set.h"
#include "runtime/graph/graph.h"
#include "runtime/graph/placement.h"

namespace lockstep {

struct PlacerOptions {
  int task = 0;  // of nodes that ask for none
  // A request that no device with a kernel meets is dropped, but for its task.
  bool allow_soft_placement = false;
  // A node that is not placed where it asks is an error, which lists them all.
  bool strict_placement = false;
  bool log_device_placement = false;
};

// Whether nodes of the op run somewhere; others the planner resolves itself.
bool NeedsKernel(const OpDef& op);

// INVALID_ARGUMENT naming the fewest nodes that cannot be placed together,
// what each of them needs and what joins them. `decisions`, if given, receives
// those for nodes that had no device, in order of node id.
Status PlaceGraph(const DeviceSet& devices, const PlacerOptions& options,
                  Graph* graph, std::vector<Placement>* decisions = nullptr);

}  // namespace lockstep
