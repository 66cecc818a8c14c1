// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the tests of graphs over several tasks share: sessions, and a model.

#include <memory>
#include <string>
#include <vector>

#include "distributed/task_channel.h"
#include "ops/ops.h"
#include "runtime/exec/session.h"
#include "runtime/graph/gradients.h"
#include "tests/distributed/communicator_suite.h"
#include "tests/distributed/linear_model.h"

namespace lockstep {

using Feeds = std::vector<Session::Feed>;

// The two tasks of a graph; on one process both are where everything is.
struct Places {
  std::string first = "/task:0", second = "/task:1";
};
inline const Places kOnePlace = {.first = "", .second = ""};

class TasksTestBase : public CommunicatorTestBase {
 protected:
  void SetUp() override {
    if (size() < 2) GTEST_SKIP() << "two tasks need two ranks";
  }
};

inline std::unique_ptr<Session> OpenTasks(const Graph& graph,
                                          Communicator* ranks, int gpus = 0) {
  SessionOptions options;
  options.intra_op_threads = 1;
  options.gpu_options.virtual_gpus.count = gpus;
  if (ranks) {
    EXPECT_OK(UseTasks(*ranks, &options));
  }
  auto session = Session::Create(graph, std::move(options));
  EXPECT_TRUE(session.ok()) << session.status().ToString();
  return session.ok() ? *std::move(session) : nullptr;
}

inline std::vector<float> Fetch(Session& session, const Feeds& feeds,
                                const std::string& name) {
  const Result<Tensor> value = session.RunOne(feeds, name);
  EXPECT_TRUE(value.ok()) << value.status().ToString();
  return value.ok() ? Floats(*value) : std::vector<float>{};
}

// Two layers, one on each task, trained by gradient descent.
struct TwoLayers {
  explicit TwoLayers(const Places& places) {
    const Scope first = root.WithDevice(places.first);
    const Scope second = root.WithDevice(places.second);
    const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{-1, 3});
    const Output y = ops::Placeholder(root.WithName("y"), kFloat, Shape{-1, 1});
    const Output w1 = ops::InitializedVariable(
        first.WithName("w1"),
        ops::TruncatedNormal(first.WithSeed(3), {3, 4}, kFloat));
    const Output w2 = ops::InitializedVariable(
        second.WithName("w2"),
        ops::TruncatedNormal(second.WithSeed(3), {4, 1}, kFloat));
    const Output h = ops::Tanh(first, ops::MatMul(first, x, w1));
    const Output out = ops::MatMul(second, h, w2);
    loss = ops::Mean(second.WithName("loss"),
                     ops::Square(second, ops::Sub(second, out, y)), {0, 1});
    std::vector<Output> gradients;
    graph.UpdateStatus(AddGradients(root, {loss}, {w1, w2}, &gradients));
    if (!root.ok()) return;
    const std::vector<Node*> steps = {
        ops::ApplyGradientDescent(first, w1, 0.1f, gradients[0]),
        ops::ApplyGradientDescent(second, w2, 0.1f, gradients[1])};
    root.WithName("train").WithControlDependencies(steps).Op("NoOp").Build();
    ops::VariablesInitializer(root.WithName("init"));
  }
  Graph graph;
  Scope root{&graph};
  Output loss;
};

inline Feeds Samples(int64_t n, float shift) {
  Tensor x(kFloat, Shape{n, 3}), y(kFloat, Shape{n, 1});
  for (int64_t i = 0; i < n; ++i) {
    const auto row = static_cast<size_t>(i);
    for (size_t j = 0; j < 3; ++j) {
      x.flat<float>()[3 * row + j] =
          static_cast<float>((row * 5 + j * 3) % 7) / 7.0f - shift;
    }
    y.flat<float>()[row] = x.flat<float>()[3 * row] - 0.5f;
  }
  return {{"x:0", x}, {"y:0", y}};
}

}  // namespace lockstep
