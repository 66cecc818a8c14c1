// SPDX-License-Identifier: Apache-2.0
#pragma once

// A model of one layer and its data, trained alone or by ranks.

#include <memory>
#include <string>
#include <vector>

#include "distributed/communicator.h"
#include "distributed/data_parallel.h"
#include "runtime/exec/session.h"
#include "runtime/graph/builder.h"

namespace lockstep {

inline constexpr int64_t kSamples = 12;  // of the global batch
inline constexpr int kSteps = 25;

// var -= rate * gradient, by an op with the trait of Apply* ops.
Output Descend(const Scope& scope, Output var, float rate, Output gradient);

// A linear model of three features with a bias, squared error; dropout of a
// kind: each sample's features are scaled by random numbers when `noisy`.
// Targets "init", "train", "apply_w", "apply_b"; feeds "x", "y"; variables "w",
// "b"; "noise" and "loss".
struct Model {
  explicit Model(bool noisy = false);
  Graph graph;
  Scope root{&graph};
  Output x, y, w, b, noise, loss;
};

// Feeds: samples [begin, end) of the global batch.
std::vector<Session::Feed> Batch(int64_t begin, int64_t end);
std::vector<float> Floats(const Tensor& t);
// The variables after training on samples [begin, end) of each batch.
std::vector<float> Train(Session& session, int64_t begin, int64_t end);

// Sessions of one thread, alone or as one of several ranks.
// Without GPUs: reproducible mode and divided updates are the CPU's.
SessionOptions CpuOptions();
std::unique_ptr<Session> Open(const Graph& graph, SessionOptions options = {});
std::unique_ptr<Session> Open(const Graph& graph,
                              std::shared_ptr<Communicator> comm,
                              DataParallelOptions parallel = {.batch = "x:0"});

// Steps of that op in the plan for the target.
int CountSteps(Session& session, const std::vector<Session::Feed>& feeds,
               const std::string& target, const std::string& op);

}  // namespace lockstep
