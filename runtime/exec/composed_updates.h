// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which updates of variables apply gradients that the ranks or replicas have to
// sum before arithmetic, and where these gradients are made: updates by simple
// ops (Assign, AssignAdd, AssignSub and their like of resources), and Apply*
// ops of gradients that were clipped.
//
// An optimiser for which there is no Apply* op is written as arithmetic:
//   m = Assign(m, beta * m + (1 - beta) * g)
//   w = AssignSub(w, rate * m / (sqrt(v) + epsilon))
// A gradient, to be summed over ranks or replicas before any of this, is what
// still depends on the samples but has no rows of them: the walk from an
// update's value upwards ends at the first op that reads rows of samples. What
// alone reads it and is affine in it comes before the sum: g / samples.
//
// Such an update trains a variable when rows of samples are computed of that
// variable, or when another is trained by its value, in this run or in another
// (gradients that are added up in one and applied in the next). Others stay as
// they are - running means, metrics -, but for those of what is made of the
// same gradient: slots, loss scales. An Apply* op's gradient is what it reads,
// unless what is done to it is not affine (gradient_arithmetic.h). Internal to
// the planner and the rewrites.

#include <unordered_set>
#include <vector>

#include "runtime/exec/sample_flow.h"
#include "runtime/graph/graph.h"

namespace lockstep {

// Assign and its like; input 1 is the value.
bool IsComposedUpdate(const Node& n);

struct ComposedUpdates {
  std::vector<Output> gradients;
  // Nodes, updates among them, that are to read the sums of gradients.
  std::unordered_set<const Node*> readers;
  // Updates by simple ops whose values are made of these alone, and Apply* ops
  // whose gradients are.
  std::unordered_set<const Node*> updates, applies;
  // Nodes of the variables trained by composed updates.
  std::unordered_set<const Node*> trained;
};

// `nodes`: those that run. UNIMPLEMENTED with the node's name where an update
// trains its variable by something that cannot be told from rows of samples,
// because the number of samples is fixed in the graph or a shape is not known.
Result<ComposedUpdates> FindComposedUpdates(const std::vector<Node*>& nodes,
                                            const SampleFlow& samples);

}  // namespace lockstep
