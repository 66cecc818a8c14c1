// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/branch_lanes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/array/array.h"
#include "ops/linalg/linalg.h"
#include "ops/math/math.h"
#include "ops/nn/nn.h"
#include "ops/reduce/reduce.h"
#include "ops/state/state.h"
#include "runtime/exec/session.h"
#include "runtime/graph/builder.h"

namespace lockstep {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

// Two rows of small ops from one placeholder to one sum; the second row may
// start from the first one's end.
struct TwoRows {
  explicit TwoRows(int length, bool one_after_the_other = false)
      : root(&graph) {
    x = ops::Placeholder(root.WithName("x"), kFloat, {64, 64});
    Output a = x;
    for (int i = 0; i < length; ++i)
      a = ops::Tanh(root, ops::Mul(root, a, 1.1f));
    Output b = one_after_the_other ? a : x;
    for (int i = 0; i < length; ++i) {
      b = ops::Sigmoid(root, ops::Sub(root, b, 0.3f));
    }
    y = ops::Add(root.WithName("y"), a, b);
  }
  Graph graph;
  Scope root;
  Output x, y;
};

std::optional<Branches> Divide(const Graph& graph, double us,
                               const LaneCosts& costs = {}) {
  const auto order = graph.TopologicalOrder();
  EXPECT_TRUE(order.ok());
  return DivideBranches(
      *order,
      [us](const Node& n) {
        return n.traits().constant || n.traits().placeholder ? 0 : us;
      },
      costs);
}

TEST(BranchLanesTest, HalfOfTwoEqualBranchesRunsBeside) {
  const TwoRows rows(50);
  const auto branches = Divide(rows.graph, 5);
  ASSERT_TRUE(branches.has_value());
  EXPECT_NEAR(static_cast<double>(branches->beside.size()), 100, 2);
  EXPECT_NEAR(branches->one_lane_us, 201 * 5, 1e-6);
  EXPECT_LT(branches->two_lanes_us, 101 * 5 + 60);
  // One branch, whole, on each lane.
  std::set<std::string> ops;
  for (const Node* n : branches->beside) ops.insert(n->op());
  EXPECT_NE(ops.contains("Tanh"), ops.contains("Sigmoid"));
}

TEST(BranchLanesTest, OneRowShortRowsAndLargeOpsStayTogether) {
  EXPECT_FALSE(Divide(TwoRows(50, true).graph, 5).has_value());
  EXPECT_FALSE(Divide(TwoRows(5).graph, 5).has_value());
  EXPECT_FALSE(Divide(TwoRows(50).graph, 80).has_value());
}

TEST(BranchLanesTest, PlansOfTwoThreadsHaveTwoLanesAndTheSameValues) {
  // Chains of unlike ops, so that fusing neighbours leaves them apart.
  Graph graph;
  const Scope s(&graph);
  const Output x = ops::Placeholder(s.WithName("x"), kFloat, {48, 48});
  Output a = x, b = x;
  for (int i = 0; i < 60; ++i) {
    a = ops::Softmax(s, ops::MatMul(s, a, x));
    b = ops::Softmax(s, ops::MatMul(s, x, b));
  }
  ops::Add(s.WithName("y"), a, b);
  Tensor in(kFloat, Shape{48, 48});
  uint32_t seed = 3;
  for (float& v : in.flat<float>()) {
    seed = seed * 1664525u + 1013904223u;
    v = static_cast<float>(seed >> 8) / (1 << 24);
  }
  std::vector<Tensor> got;
  for (const auto& [threads, beside] :
       {std::pair(1, 2), std::pair(2, 1), std::pair(2, 0), std::pair(2, 2)}) {
    SessionOptions options;
    options.intra_op_threads = threads;
    options.inter_op_threads = beside;
    auto session = Session::Create(graph, options);
    ASSERT_TRUE(session.ok()) << session.status().ToString();
    const auto info = (*session)->Explain({{"x:0", in}}, {"y:0"}, {});
    ASSERT_TRUE(info.ok()) << info.status().ToString();
    if (threads == 1 || beside == 1) {
      EXPECT_THAT(info->steps, Not(Contains(HasSubstr("beside"))));
    } else {
      EXPECT_THAT(info->steps, Contains(HasSubstr("on /cpu:0 beside")));
    }
    for (int run = 0; run < 20; ++run) {
      const auto y = (*session)->RunOne({{"x:0", in}}, "y:0");
      ASSERT_TRUE(y.ok()) << y.status().ToString();
      got.push_back(y->Clone());
    }
  }
  for (const Tensor& t : got) {
    EXPECT_TRUE(std::ranges::equal(t.flat<float>(), got[0].flat<float>()));
  }
}

// A step that fails on the second lane ends the run like any other.
TEST(BranchLanesTest, AFailureBesideIsTheRunsError) {
  Graph graph;
  const Scope s(&graph);
  const Output x = ops::Placeholder(s.WithName("x"), kFloat, {48, 48});
  const Output indices = ops::Placeholder(s.WithName("i"), kInt32, {4});
  Output a = x, b = x;
  for (int i = 0; i < 60; ++i) a = ops::Softmax(s, ops::MatMul(s, a, x));
  for (int i = 0; i < 60; ++i) {
    b = ops::Softmax(s, ops::MatMul(s, x, b));
    if (i == 30) {
      b = ops::Add(
          s, b,
          ops::Mean(s, ops::Gather(s.WithName("picked"), b, indices, 0),
                    {0, 1}));
    }
  }
  ops::Add(s.WithName("y"), a, b);
  ASSERT_TRUE(graph.status().ok()) << graph.status().ToString();
  SessionOptions options;
  options.intra_op_threads = 2;
  auto session = Session::Create(graph, options);
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  Tensor in(kFloat, Shape{48, 48});
  std::ranges::fill(in.flat<float>(), 0.1f);
  const auto run = [&](int32_t index) {
    return (*session)
        ->RunOne(
            {{"x:0", in}, {"i:0", Tensor::Of<int32_t>({4}, {0, 1, 2, index})}},
            "y:0")
        .status();
  };
  EXPECT_TRUE(run(3).ok());
  const Status failed = run(48);
  EXPECT_EQ(failed.code(), Code::kInvalidArgument);
  EXPECT_THAT(failed.ToString(), HasSubstr("picked"));
  EXPECT_TRUE(run(3).ok());
}

}  // namespace
}  // namespace lockstep
