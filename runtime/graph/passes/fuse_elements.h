// SPDX-License-Identifier: Apache-2.0
#pragma once

// FuseElements: neighbouring element-wise ops become one `_Fused` node, which
// computes them in one pass over their elements (ElementProgram).
//
// Runs on a placed graph before it is cut among tasks and memories. Ops are
// joined along data edges when they
// - have an ElementRule, known shapes and equally many elements, on one device;
// - run under the same conditions, and have no control inputs;
// - do not come after an update of a variable, so that what each reads of
//   variables stays what it read.
// A reduction of the last one's elements, side by side, that alone reads them
// ends a chain (`_FusedReduce`), also one of a single op.
// What elements are made of by their numbers alone (SourceRule: random ones),
// in memory read by one chain and nobody else, is made in its pass on CPUs
// (`_FusedRandom`). Nothing is computed twice, but for casts to larger
// elements: each chain casts for itself what another has small. No op is joined
// that would have to wait for another which needs it. Values that others need,
// or that are fetched, are outputs of the node. Few ops on few elements, which
// are in the cache anyway, stay as they are: a step of them costs less than a
// program; on a GPU, where each step is a launch, never. It is called after its
// last op. Attribute "nodes" names all of them, "readers" for each input the
// first that reads it. The rules of ops (rewrite.h) have had their turn.

#include "runtime/graph/passes/prune.h"
#include "runtime/op/resource.h"

namespace lockstep {

// A session's service that says whether its plans are fused. Without it they
// are unless the environment has LOCKSTEP_FUSE=0.
//
//   options.services.push_back([](SessionResources& r) {
//     r.SetService(std::make_shared<Fusion>(Fusion{.on = false}));
//   });
struct Fusion {
  bool on = true;
  bool always = false;  // also where it costs more than it saves
};
Fusion FusionOf(const SessionResources& resources);

// `gpus`: the GPUs can run such nodes (CompilesElements of runtime/device).
Status FuseElements(PlanGraph* plan, const Fusion& fusion, bool gpus);

}  // namespace lockstep
