// SPDX-License-Identifier: Apache-2.0
#pragma once

// What lockstep train uses of a graph that it does not know: found by options,
// collections and customary names, in this order.

#include <string>
#include <vector>

#include "runtime/graph/meta_graph.h"
#include "tools/lockstep/train_options.h"

namespace lockstep {

struct TrainNames {
  std::vector<std::string> init;       // nodes
  std::string train;                   // node
  std::string loss;                    // tensor; empty: there is none
  std::vector<std::string> metrics;    // tensors
  std::vector<std::string> summaries;  // tensors, each a serialized Summary
};

// NOT_FOUND with the nearest name for an option that names nothing;
// INVALID_ARGUMENT that says which option is needed when there is no
// initialiser or train op, or more than one could be meant.
Result<TrainNames> FindTrainNames(const MetaGraph& meta,
                                  const TrainOptions& options);

}  // namespace lockstep
