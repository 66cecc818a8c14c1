// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/task_cut.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "ops/ops.h"
#include "runtime/exec/task_order.h"
#include "runtime/graph/placer.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Nodes are named by the task they are on: a0, a1 on task 0, b0 on task 1.
class TaskCutTest : public ::testing::Test {
 protected:
  static std::string Device(const char* name) {
    return StrCat("/job:worker/task:", name[0] - 'a', "/device:CPU:0");
  }
  Scope On(const char* name) {
    return root_.WithName(name).WithDevice(Device(name));
  }
  Result<TaskCut> Cut(int tasks = 2) {
    EXPECT_TRUE(root_.ok()) << root_.status().ToString();
    for (Node* n : plan_.graph.nodes()) {
      if (n->assigned_device().empty()) {
        n->set_assigned_device(n->requested_device());
      }
    }
    return CutTasks(tasks, &plan_);
  }
  int CutMessages(int tasks = 2) {
    const Result<TaskCut> cut = Cut(tasks);
    EXPECT_TRUE(cut.ok()) << cut.status().ToString();
    return cut.ok() ? cut->messages : -1;
  }
  Output Feed(const char* name) {
    return On(name)
        .Op("_Feed")
        .Attr("dtype", kFloat)
        .Attr("shape", Shape{2})
        .Out();
  }
  // The names of sends and receives, and those that begin with `prefixes`.
  std::vector<std::string> Order(const std::string& prefixes) {
    const Result<std::vector<Node*>> order = OrderOfTasks(plan_);
    EXPECT_TRUE(order.ok()) << order.status().ToString();
    std::vector<std::string> names;
    if (!order.ok()) return names;
    for (const Node* n : *order) {
      const bool message = IsTaskSend(*n) || IsTaskRecv(*n);
      if (message) {
        names.push_back(StrCat(IsTaskSend(*n) ? "send " : "recv ",
                               n->Attr<std::string>("tensor_name")));
      } else if (prefixes.find(n->name()[0]) != std::string::npos) {
        names.push_back(n->name());
      }
    }
    return names;
  }

  PlanGraph plan_;
  Scope root_{&plan_.graph};
};

TEST_F(TaskCutTest, ATensorIsSentOnceToEachTask) {
  const Output a0 = ops::Neg(On("a0"), Feed("a"));
  const Output b0 = ops::Neg(On("b0"), a0);
  const Output b1 = ops::Exp(On("b1"), a0);
  ops::Exp(On("c0"), a0);
  ops::Exp(On("a1"), a0);
  EXPECT_EQ(CutMessages(3), 2);
  ASSERT_EQ(b0.node->input(0).node->op(), "_RecvFromTask");
  EXPECT_EQ(b0.node->input(0), b1.node->input(0));
  const Node* recv = b0.node->input(0).node;
  EXPECT_EQ(recv->assigned_device(), Device("b"));
  EXPECT_EQ(recv->Attr<int64_t>("task"), 0);
  EXPECT_EQ(recv->output_shape(0), (Shape{2}));
  const Node* send = recv->control_inputs().at(0);
  EXPECT_EQ(send->assigned_device(), Device("a"));
  EXPECT_EQ(send->Attr<int64_t>("task"), 1);
}

TEST_F(TaskCutTest, FeedsAndConstantsAreNotSent) {
  const Output constant = ops::Const(On("a0"), Tensor(1.0f));
  const Output b0 = ops::Add(On("b0"), Feed("a"), constant);
  EXPECT_EQ(CutMessages(), 0);
  EXPECT_EQ(b0.node->input(0).node->op(), "_Feed");
  EXPECT_EQ(b0.node->input(1).node->assigned_device(), Device("b"));
}

TEST_F(TaskCutTest, AFetchArrivesOnEveryTask) {
  const Output a0 = ops::Neg(On("a0"), Feed("a"));
  plan_.fetches = {a0};
  const Result<TaskCut> cut = Cut(3);
  ASSERT_TRUE(cut.ok()) << cut.status().ToString();
  EXPECT_EQ(cut->messages, 2);
  EXPECT_EQ(cut->fetches[0][0], a0);
  EXPECT_EQ(cut->fetches[2][0].node->assigned_device(), Device("c"));
}

TEST_F(TaskCutTest, ControlEdgesOfOneNodeToOneTaskShareAMessage) {
  const std::vector<Node*> done = {On("a0").Op("NoOp").Build(),
                                   On("a1").Op("NoOp").Build()};
  Node* b0 = On("b0").WithControlDependencies(done).Op("NoOp").Build();
  On("b1").WithControlDependencies(done).Op("NoOp").Build();
  EXPECT_EQ(CutMessages(), 1);
  ASSERT_EQ(b0->control_inputs().size(), 1u);
  EXPECT_TRUE(IsTaskRecv(*b0->control_inputs()[0]));
}

TEST_F(TaskCutTest, AControlEdgeThatDataImpliesIsNotCarried) {
  const Output a0 = ops::Neg(On("a0"), Feed("a"));
  const Output b0 = ops::Neg(On("b0"), a0);
  ops::Neg(On("b1").WithControlDependencies({a0}), b0);
  EXPECT_EQ(CutMessages(), 1);
}

TEST_F(TaskCutTest, AVariableIsNotUpdatedFromAnotherTask) {
  const Output v = ops::Variable(On("a0"), kFloat, Shape{});
  ops::Assign(On("b0"), v, ops::Const(On("b1"), Tensor(1.0f)));
  const Status refused = Cut().status();
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("node 'b0'"));
  EXPECT_THAT(refused.message(), HasSubstr("variable 'a0'"));
}

TEST_F(TaskCutTest, ABranchOfASwitchStaysOnItsTask) {
  const Output p =
      On("a0").Op("_Feed").Attr("dtype", kBool).Attr("shape", Shape{}).Out();
  const Output s = On("a1").Op("Switch").In(Feed("a")).In(p).Out();
  ops::Neg(On("b0"), ops::Neg(On("a2"), s));
  const Status refused = Cut().status();
  EXPECT_EQ(refused.code(), Code::kUnimplemented) << refused.ToString();
  EXPECT_THAT(refused.message(), HasSubstr("'a2:0'"));
}

// Forward on both tasks, then back, for three parts of a batch: the first task
// goes on with the next part while the second one works; the second finishes a
// part before it takes the next.
TEST_F(TaskCutTest, PartsOfABatchOverlap) {
  std::vector<Output> losses;
  for (int i = 0; i < 3; ++i) {
    const Output a = ops::Neg(On("a"), Feed("f"));
    losses.push_back(ops::Neg(On("b"), a));
  }
  for (const Output& loss : losses) {
    ops::Neg(On("a_back"), ops::Neg(On("b_back"), loss));
  }
  for (Node* n : plan_.graph.nodes()) {
    if (n->op() == "_Feed") n->set_assigned_device(Device("a"));
  }
  EXPECT_EQ(CutMessages(), 6);
  EXPECT_THAT(
      Order("ab"),
      ElementsAre("a", "send a:0", "a_1", "send a_1:0", "a_2", "send a_2:0",
                  "recv a:0", "b", "b_back", "send b_back:0",  //
                  "recv a_1:0", "b_1", "b_back_1", "send b_back_1:0",
                  "recv a_2:0", "b_2", "b_back_2", "send b_back_2:0",
                  "recv b_back:0", "a_back", "recv b_back_1:0", "a_back_1",
                  "recv b_back_2:0", "a_back_2"));
}

}  // namespace
}  // namespace lockstep
