// SPDX-License-Identifier: Apache-2.0
#pragma once

// The three models, their loss and how they are trained, as one graph.

#include <cstdint>
#include <string>
#include <vector>

#include "examples/mnist/options.h"
#include "runtime/graph/builder.h"

namespace lockstep::mnist {

struct Model {
  // Placeholders. Every run feeds all five, whatever the model uses.
  Output images;         // uint8 [?,784]
  Output labels;         // float [?,10], one-hot
  Output keep_prob;      // float []
  Output learning_rate;  // float []
  Output is_training;    // bool []

  Output losses;    // float [?]: cross-entropies
  Output loss;      // float []: their mean
  Output accuracy;  // float []
  Node* train = nullptr;
  Node* init = nullptr;
  std::vector<Output> variables;  // with the optimiser's slots
  int64_t parameters = 0;         // numbers that are trained
};

// A mistake shows in scope.status().
Model BuildModel(const Scope& scope, const Options& options);

}  // namespace lockstep::mnist
