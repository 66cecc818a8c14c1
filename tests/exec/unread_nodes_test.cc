// SPDX-License-Identifier: Apache-2.0
// Nodes that only control edges ask for: passes/prune.h, DropUnreadNodes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/ops.h"
#include "runtime/exec/session.h"

namespace lockstep {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class UnreadNodesTest : public ::testing::Test {
 protected:
  std::unique_ptr<Session> Open(SessionOptions options = {}) {
    auto session = Session::Create(graph_, std::move(options));
    EXPECT_TRUE(session.ok()) << session.status().ToString();
    return session.ok() ? *std::move(session) : nullptr;
  }
  std::vector<std::string> Steps(Session& session,
                                 const std::vector<Session::Feed>& feeds,
                                 const std::vector<std::string>& fetches,
                                 const std::vector<std::string>& targets = {}) {
    auto info = session.Explain(feeds, fetches, targets);
    EXPECT_TRUE(info.ok()) << info.status().ToString();
    return info.ok() ? info->steps : std::vector<std::string>();
  }

  Graph graph_;
  Scope root_{&graph_};
  Output x_ = ops::Placeholder(root_.WithName("x"), kFloat, Shape{2, 2});
  std::vector<Session::Feed> feeds_ = {
      {"x:0", Tensor::Of<float>({2, 2}, {1, 2, 3, 4})}};
};

// As tf.gradients has it: the gradients to a product's operands are a group,
// though nobody reads the one to the data.
TEST_F(UnreadNodesTest, TheGradientToTheDataIsNotMade) {
  const Output w = ops::Placeholder(root_.WithName("w"), kFloat, Shape{2, 2});
  const Output to_x = ops::MatMul(root_.WithName("to_x"), x_, w, false, true);
  const Output scaled = ops::Neg(root_.WithName("scaled"), to_x);
  const Output to_w = ops::MatMul(root_.WithName("to_w"), x_, w, true);
  Node* group = ops::NoOp(root_.WithName("group").WithControlDependencies(
      std::vector<Node*>{scaled.node, to_w.node}));
  ops::Identity(root_.WithName("y").WithControlDependencies({group}), to_w);
  feeds_.push_back({"w:0", Tensor::Of<float>({2, 2}, {1, 0, 0, 1})});
  auto session = Open();
  const auto steps = Steps(*session, feeds_, {"y:0"});
  EXPECT_THAT(steps, Contains(HasSubstr("to_w")));
  EXPECT_THAT(steps, Not(Contains(HasSubstr("to_x"))));
  EXPECT_THAT(steps, Not(Contains(HasSubstr("scaled"))));
  EXPECT_EQ(session->RunOne(feeds_, "y:0")->flat<float>()[3], 4);
  // Asked for by name they are made.
  EXPECT_THAT(Steps(*session, feeds_, {"y:0"}, {"scaled"}),
              Contains(HasSubstr("scaled")));
  EXPECT_THAT(Steps(*session, feeds_, {"y:0", "to_x:0"}),
              Contains(HasSubstr("to_x")));
  // Without optimisation everything runs.
  auto plain = Open({.optimize = false});
  EXPECT_THAT(Steps(*plain, feeds_, {"y:0"}), Contains(HasSubstr("to_x")));
}

// What such a node waits for, and reads, is still waited for.
TEST_F(UnreadNodesTest, TheOrderOfUpdatesStays) {
  const Output v = ops::InitializedVariable(root_.WithName("v"), 1.0f);
  const Output one = ops::AssignAdd(root_.WithName("one"), v, 1.0f);
  const Output reads = ops::Square(root_.WithName("reads"), one);
  const Output waits = ops::Neg(
      root_.WithName("waits").WithControlDependencies({reads.node}), x_);
  const Output read =
      ops::Identity(root_.WithName("read").WithControlDependencies(
                        {ops::Exp(root_.WithName("more"), waits).node}),
                    v);
  ops::Mul(root_.WithName("y"), read, 10.0f);
  Node* init = ops::VariablesInitializer(root_);
  auto session = Open();
  ASSERT_TRUE(session->RunTargets({init->name()}).ok());
  for (const float want : {20.0f, 30.0f}) {
    auto y = session->RunOne(feeds_, "y:0");
    ASSERT_TRUE(y.ok()) << y.status().ToString();
    EXPECT_EQ(y->scalar<float>(), want);
  }
  const auto steps = Steps(*session, feeds_, {"y:0"});
  for (const char* gone : {"reads", "waits", "more"}) {
    EXPECT_THAT(steps, Not(Contains(HasSubstr(gone))));
  }
}

TEST_F(UnreadNodesTest, ChecksReport) {
  const Output checked =
      ops::CheckNumerics(root_.WithName("checked"), x_, "the input");
  ops::Neg(root_.WithName("y").WithControlDependencies({checked.node}), 1.0f);
  auto session = Open();
  EXPECT_TRUE(session->RunOne(feeds_, "y:0").ok());
  feeds_[0].second.flat<float>()[1] = INFINITY;
  const auto bad = session->RunOne(feeds_, "y:0");
  ASSERT_FALSE(bad.ok());
  EXPECT_THAT(bad.status().message(), HasSubstr("the input"));
}

TEST_F(UnreadNodesTest, APlaceholderBehindOneHasToBeFed) {
  const Output z = ops::Placeholder(root_.WithName("z"), kFloat, Shape{});
  const Output gone = ops::Neg(root_.WithName("gone"), z);
  ops::Identity(root_.WithName("y").WithControlDependencies({gone.node}), x_);
  const auto missing = Open()->RunOne(feeds_, "y:0");
  ASSERT_FALSE(missing.ok());
  EXPECT_THAT(missing.status().message(), HasSubstr("'z'"));
}

// On a branch: what waits for the node is still of that branch.
TEST_F(UnreadNodesTest, BranchesStayBranches) {
  const Output p = ops::Placeholder(root_.WithName("p"), kBool, Shape{});
  const Output v = ops::InitializedVariable(root_.WithName("v"), 0.0f);
  NodeBuilder split = root_.WithName("switch").Op("Switch");
  const Output taken_side = split.In(x_).In(p).Outs()[1];
  const Output direct = ops::Neg(root_.WithName("direct"), taken_side);
  const Output behind = ops::Exp(root_.WithName("behind"), direct);
  const Output bump = ops::AssignAdd(
      root_.WithName("bump").WithControlDependencies({behind.node}), v, 1.0f);
  Node* init = ops::VariablesInitializer(root_);
  auto session = Open();
  ASSERT_TRUE(session->RunTargets({init->name()}).ok());
  for (const bool taken : {true, false, true}) {
    std::vector<Session::Feed> feeds = feeds_;
    feeds.push_back({"p:0", Tensor(taken)});
    ASSERT_TRUE(session->Run(feeds, {}, {bump.node->name()}).ok());
  }
  EXPECT_EQ(session->RunOne({}, "v:0")->scalar<float>(), 2);
}

}  // namespace
}  // namespace lockstep
