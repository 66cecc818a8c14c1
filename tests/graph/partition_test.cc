// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/partition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/ops.h"
#include "runtime/exec/session.h"
#include "runtime/graph/placer.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

// Nodes are named by the device they are on: a0, a1 on /cpu:0, b0 on /cpu:1.
class PartitionTest : public ::testing::Test {
 protected:
  Scope On(const char* name) {
    const int cpu = name[0] - 'a';
    return root_.WithName(name).WithDevice(StrCat("/cpu:", cpu));
  }
  void Place() {
    ASSERT_TRUE(root_.ok()) << root_.status().ToString();
    const Status s = PlaceGraph(DeviceSet::Local(0, 2), {}, &graph_);
    ASSERT_TRUE(s.ok()) << s.ToString();
  }
  int Count(const char* op) {
    int n = 0;
    for (Node* node : graph_.nodes()) n += node->op() == op;
    return n;
  }

  Graph graph_;
  Scope root_{&graph_};
};

TEST_F(PartitionTest, CutEdgeBecomesOneSendRecvPair) {
  Output a0 = ops::Placeholder(On("a0"), kFloat, Shape{2});
  Output b0 = ops::Neg(On("b0"), a0);
  Output b1 = ops::Exp(On("b1"), a0);
  Output a1 = ops::Neg(On("a1"), a0);
  Place();
  int pairs = 0;
  ASSERT_TRUE(CutCrossingEdges(&graph_, &pairs).ok());
  EXPECT_EQ(pairs, 1);
  ASSERT_EQ(b0.node->input(0).node->op(), "_Recv");
  EXPECT_EQ(b0.node->input(0), b1.node->input(0));
  EXPECT_EQ(a1.node->input(0), a0);
  Node* recv = b0.node->input(0).node;
  Node* send = recv->input(0).node;
  EXPECT_EQ(send->input(0), a0);
  EXPECT_EQ(send->assigned_device(), a0.node->assigned_device());
  EXPECT_EQ(recv->assigned_device(), b0.node->assigned_device());
  EXPECT_EQ(recv->output_shape(0), (Shape{2}));
}

TEST_F(PartitionTest, EachDirectionHasItsPair) {
  Output a0 = ops::Placeholder(On("a0"), kFloat, Shape{2});
  Output b0 = ops::Neg(On("b0"), a0);
  ops::Neg(On("a1"), b0);
  Place();
  int pairs = 0;
  ASSERT_TRUE(CutCrossingEdges(&graph_, &pairs).ok());
  EXPECT_EQ(pairs, 2);
  EXPECT_TRUE(graph_.TopologicalOrder().ok());
}

TEST_F(PartitionTest, ConstantsAreRepeatedNotSent) {
  Output a0 = ops::Const(On("a0"), Tensor(1.0f));
  Output b0 = ops::Neg(On("b0"), a0);
  Place();
  ASSERT_TRUE(CutCrossingEdges(&graph_).ok());
  EXPECT_EQ(Count("_Send"), 0);
  EXPECT_EQ(Count("Const"), 2);
  EXPECT_EQ(b0.node->input(0).node->assigned_device(),
            b0.node->assigned_device());
}

TEST_F(PartitionTest, AVariableUpdatedFromAnotherDeviceIsRefused) {
  Output v = ops::Variable(On("a0"), kFloat, Shape{});
  Output one = ops::Const(On("b0"), Tensor(1.0f));
  Output update = ops::AssignAdd(On("b1"), v, one);
  Place();
  // The placer would have put it beside the variable.
  update.node->set_assigned_device(one.node->assigned_device());
  const Status s = CutCrossingEdges(&graph_);
  EXPECT_EQ(s.code(), Code::kInvalidArgument);
  EXPECT_THAT(s.message(), HasSubstr("'b1'"));
  EXPECT_THAT(s.message(), HasSubstr("'a0'"));
}

TEST_F(PartitionTest, ASessionOnTwoDevicesComputesTheSame) {
  Output x = ops::Placeholder(On("a0"), kFloat, Shape{-1});
  Output y = ops::Mul(On("b0"), ops::Neg(On("b1"), x), x);
  Output z = ops::Add(On("a1"), y, x);
  SessionOptions options;
  options.device_count["CPU"] = 2;
  auto session = Session::Create(graph_, options);
  ASSERT_TRUE(session.ok());
  auto out = (*session)->RunOne({{x.name(), Tensor::Of<float>({3}, {1, 2, 3})}},
                                z.name());
  ASSERT_TRUE(out.ok()) << out.status().ToString();
  EXPECT_EQ(out->flat<float>()[0], 0);
  EXPECT_EQ(out->flat<float>()[2], -6);
  auto info = (*session)->Explain(
      {{x.name(), Tensor::Of<float>({3}, {1, 2, 3})}}, {z.name()});
  ASSERT_TRUE(info.ok());
  EXPECT_THAT(Join(info->steps, "\n"), HasSubstr("_Recv"));
}

}  // namespace
}  // namespace lockstep
