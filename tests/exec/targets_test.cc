// SPDX-License-Identifier: Apache-2.0
// Nodes that are run for themselves, whose values nobody asks for: rules that
// put another node in their place come to an end and change nothing else.
#include <gtest/gtest.h>

#include "ops/ops.h"
#include "runtime/exec/session.h"
#include "runtime/graph/gradients.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using Outputs = std::vector<Output>;

// Runs every node that is neither a constant nor a placeholder as a target,
// each alone, then all of them beside `fetch`.
void ExpectAllRun(const Graph& graph, const std::vector<Session::Feed>& feeds,
                  Output fetch) {
  auto session = Session::Create(graph).value();
  const std::string name = fetch.node->name();
  const auto want = session->Run(feeds, {name});
  ASSERT_TRUE(want.ok()) << want.status().ToString();
  std::vector<std::string> all;
  for (const Node* node : graph.nodes()) {
    if (node->op() == "Const" || node->op() == "Placeholder") continue;
    all.push_back(node->name());
    const Status status = session->RunTargets({node->name()}, feeds);
    EXPECT_TRUE(status.ok()) << node->name() << ": " << status.ToString();
  }
  const auto got = session->Run(feeds, {name}, all);
  ASSERT_TRUE(got.ok()) << got.status().ToString();
  ExpectClose((*got)[0], (*want)[0], 1e-5);
}

TEST(TargetsTest, OfADenseNet) {
  Graph graph;
  const Scope s(&graph);
  const Output x = ops::Placeholder(s, kFloat, {-1, 6});
  const Output w = ops::Const(s, Numbers(kFloat, {6, 4}));
  const Output y =
      ops::Relu(s, ops::BiasAdd(s, ops::MatMul(s, x, w), Numbers(kFloat, {4})));
  const Output loss = ops::Sum(s, ops::Softmax(s, ops::Square(s, y)), {0, 1});
  Outputs gradients;
  ASSERT_TRUE(AddGradients(s, {loss}, {w}, &gradients).ok());
  ExpectAllRun(graph, {{x.node->name(), Numbers(kFloat, {5, 6})}},
               gradients[0]);
}

TEST(TargetsTest, OfAConvolutionalNet) {
  Graph graph;
  const Scope s(&graph);
  const std::vector<int64_t> one = {1, 1, 1, 1}, two = {1, 2, 2, 1};
  const Output x = ops::Placeholder(s, kFloat, {-1, 8, 8, 16});
  const Output w = ops::Const(s, Numbers(kFloat, {3, 3, 16, 16}));
  const Output vector = ops::Const(s, Numbers(kFloat, {16}, 0.5, 1));
  Output y = ops::BiasAdd(s, ops::Conv2D(s, x, w, one, "SAME"), vector);
  y = ops::MaxPool(s, ops::Relu(s, y), two, two, "VALID");
  y = ops::DepthwiseConv2dNative(s, y, Numbers(kFloat, {3, 3, 16, 1}), one,
                                 "SAME");
  y = ops::FusedBatchNorm(s, y, vector, vector, Tensor(kFloat, {0}),
                          Tensor(kFloat, {0}), {.is_training = true})
          .y;
  const Output loss =
      ops::Mean(s, ops::Square(s, ops::Elu(s, y)), {0, 1, 2, 3});
  Outputs gradients;
  ASSERT_TRUE(AddGradients(s, {loss}, {w}, &gradients).ok());
  ExpectAllRun(graph, {{x.node->name(), Numbers(kFloat, {2, 8, 8, 16})}},
               gradients[0]);
}

}  // namespace
}  // namespace lockstep::testing
