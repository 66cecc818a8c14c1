// SPDX-License-Identifier: Apache-2.0
#pragma once

// A model of two layers whose training is the test's, and what it becomes alone
// or by ranks.

#include <functional>
#include <string>
#include <vector>

#include "runtime/exec/session.h"
#include "runtime/graph/builder.h"

namespace lockstep {

// Two layers and a squared error; `train` adds what trains them. Targets "init"
// and what `train` makes; feeds "x", "y"; "loss".
struct Network {
  using Train = std::function<Node*(Network&, Output loss)>;
  explicit Network(const Train& train, bool resource = false,
                   int64_t samples = -1);

  Output Make(const std::string& name, const Tensor& value);
  // A slot of zeros.
  Output Slot(Output variable, const std::string& name);
  Output Set(Output variable, Output value);
  std::vector<Output> Gradients(Output loss);
  Node* Group(const std::vector<Output>& after,
              const std::string& name = "train");

  Graph graph;
  Scope root{&graph};
  bool resource;
  Output x, y, w1, b1, w2;
  // Of `all` the values are read.
  std::vector<Output> trained, all;
  Node* step = nullptr;
};

// Samples [begin, end) of a step's batch.
std::vector<Session::Feed> Data(int step, int64_t begin, int64_t end);

using VariableValues = std::vector<std::vector<float>>;
VariableValues ValuesOf(Session& session, const Network& n);
// After eight steps from the initial values.
VariableValues TrainNetwork(Session& session, const Network& n, int64_t begin,
                            int64_t end);
void ExpectNear(const VariableValues& got, const VariableValues& want,
                const Network& n);

// Trains a session on the samples [begin, end) of each batch.
using TrainSession = std::function<VariableValues(
    Session& session, const Network& n, int64_t begin, int64_t end)>;
// Three ranks, one without samples, become `want`, with equal bits on all.
void ExpectRanksBecome(const VariableValues& want, const Network::Train& train,
                       bool resource, const TrainSession& run);
// Four virtual replicas have equal bits on 1, 2 and 4 ranks, those of a model
// alone nearly.
void ExpectReplicasKeepBits(const Network::Train& train, bool resource,
                            const TrainSession& run);

}  // namespace lockstep
