// SPDX-License-Identifier: Apache-2.0
#pragma once

// The graphs that `lockstep bench` times, with the data that feeds them. The
// models are those of the reference measurements: see docs/performance.md.

#include <string>
#include <vector>

#include "runtime/graph/builder.h"

namespace lockstep {

struct BenchModel {
  Graph graph;
  std::vector<Output> feeds;
  std::vector<Output> fetches;  // the loss, read back at each step
  Node* train = nullptr;        // null for graphs that only compute
  Node* init = nullptr;
  // Several sets of values for the feeds, used in turn.
  std::vector<std::vector<Tensor>> batches;
  int batch = 0;
  std::string device;  // where its ops ask to be; empty: wherever
};

// mlp, cnn, xor, linreg, chain, empty.
std::vector<std::string> BenchNames();
// `batch` 0: the model's usual one. INVALID_ARGUMENT for an unknown name.
Result<BenchModel> MakeBenchModel(const std::string& name, int batch,
                                  const std::string& device = "");

}  // namespace lockstep
