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
  std::vector<Node*> targets;   // the training op, if there is one
  Node* init = nullptr;
  // Several sets of values for the feeds, used in turn.
  std::vector<std::vector<Tensor>> batches;
  int batch = 0;
  std::string device;  // where its ops ask to be; empty: wherever
};

struct BenchModelOptions {
  int batch = 0;  // 0: the model's usual one; so width and depth, of mlp alone
  int width = 0;  // of each hidden layer
  int depth = 0;  // how many there are
  std::string device = {};
};

// mlp, cnn, xor, linreg, chain, empty.
std::vector<std::string> BenchNames();
// INVALID_ARGUMENT for an unknown name.
Result<BenchModel> MakeBenchModel(const std::string& name,
                                  const BenchModelOptions& options = {});

// Uniform numbers in [0, 1), equal in every run.
Tensor UniformTensor(const Shape& shape, uint64_t stream);

}  // namespace lockstep
