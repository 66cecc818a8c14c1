// SPDX-License-Identifier: Apache-2.0
#pragma once

// Position: all that a run knows beside its weights, optimiser slots and
// random state - how far it is, its learning rate, the running sums of the
// epoch - and what has to be equal for a run to go on from a checkpoint.
// Kept in variables of the graph, so that a checkpoint holds it by name.
//
//   PositionVariables variables(scope);         // while the graph is built
//   LS_RETURN_IF_ERROR(variables.Store(session, position));
//   LS_ASSIGN_OR_RETURN(position, variables.Load(session));

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/core/status.h"
#include "runtime/exec/session.h"
#include "runtime/graph/builder.h"

namespace lockstep::mnist {

struct Position {
  int64_t step = 0;   // steps done
  int64_t epoch = 0;  // of the next batch
  int64_t batch = 0;  // its number in the epoch
  double learning_rate = 0;
  double validation_accuracy = 0;  // of the last whole epoch
  // Of the epoch's batches so far, over all ranks.
  double loss_sum = 0;
  double correct = 0;
  int64_t examples = 0;
  // What the numbers above refer to.
  int64_t seed = 0;
  int64_t batch_size = 0;
  int64_t training_examples = 0;

  // INVALID_ARGUMENT naming the option unless a run like `wanted` can go on
  // from here.
  Status CheckSameRun(const Position& wanted) const;
};

class PositionVariables {
 public:
  explicit PositionVariables(const Scope& scope);

  Status Store(Session& session, const Position& position) const;
  Result<Position> Load(Session& session) const;
  const std::vector<Output>& variables() const { return variables_; }

 private:
  std::vector<Output> variables_;
  std::vector<Output> values_;  // placeholders
  std::vector<Node*> assigns_;
};

}  // namespace lockstep::mnist
