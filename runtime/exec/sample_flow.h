// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the samples of a run are, to those who look for gradients
// (composed_updates.h). Internal to the planner and the rewrites.

#include "runtime/graph/graph.h"

namespace lockstep {

class SampleFlow {
 public:
  virtual ~SampleFlow() = default;
  virtual bool IsFed(Output o) const = 0;
  // Other samples would give another value, on this rank.
  virtual bool Depends(Output o) const = 0;
  // The node's input has rows of samples, or may have: it depends on them.
  virtual bool HasRows(const Node& user, int input) const = 0;
  // The variable is one by whose value others are trained, in any run
  // (training_variables.h).
  virtual bool Trains(const Node& variable) const = 0;
};

}  // namespace lockstep
