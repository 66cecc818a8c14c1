// SPDX-License-Identifier: Apache-2.0
#pragma once

// Placement: what the placer decided for one node, and why; for logs, tools
// and messages.
//
//   for (const Placement& p : session->placements()) {
//     if (p.fell_back) Print(p.node, p.requested, p.assigned, p.why);
//   }

#include <string>

namespace lockstep {

enum class PlacementReason {
  kRequested,    // where it asks to be
  kPriority,     // asks for nothing: GPU before CPU, in order
  kKernel,       // only one kind of device has a kernel for it
  kColocated,    // with nodes that it is colocated with
  kMetadata,     // with the tensor whose shape it looks at
  kGenerator,    // has no inputs: with what reads it
  kInput,        // made by a pass: with what it reads
  kControlFlow,  // carried out by the planner, on the CPU
  kNoKernel,     // no device has a kernel; refused when a run needs it
  kOverridden,   // asks for another device than the variable that it takes
  kSoft,         // where it asks to be there is no device or no kernel
};

struct Placement {
  std::string node;
  std::string op;
  std::string requested;  // "" for none
  std::string assigned;   // complete
  PlacementReason reason = PlacementReason::kPriority;
  std::string why;         // the reason in words
  bool fell_back = false;  // it is not where it asks to be
};

// "requested", "soft" ...
const char* ReasonName(PlacementReason reason);

}  // namespace lockstep
