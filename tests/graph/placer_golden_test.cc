// SPDX-License-Identifier: Apache-2.0
// Placements of whole small graphs, node by node: what TensorFlow does with
// them, and the cases that users report.
#include "tests/graph/placer_testing.h"

namespace lockstep::testing {
namespace {

using PlacerGoldenTest = PlacerTest;

TEST_F(PlacerGoldenTest, WhatAsksForNothingGoesToTheFirstGpu) {
  Output x = ops::Placeholder(Named("x"), kFloat, Shape{2});
  ops::Exp(Named("y"), x);
  EXPECT_EQ(Place(Devices(1, 2)),
            "x /gpu:0 generator\n"
            "y /gpu:0 priority\n");
  EXPECT_EQ(Place(Devices(2, 0)),
            "x /cpu:0 generator\n"
            "y /cpu:0 priority\n");
}

TEST_F(PlacerGoldenTest, PartialNames) {
  Output x = ops::Placeholder(On("x", "/cpu:*"), kFloat, Shape{2});
  ops::Exp(On("one", "/gpu:1"), x);
  ops::Exp(On("any", "/device:GPU:*"), x);
  ops::Exp(On("full", "/job:worker/task:0/device:GPU:1"), x);
  ops::Exp(On("task", "/task:0"), x);
  ops::Exp(On("type", "/device:CPU"), x);
  EXPECT_EQ(Place(Devices(2, 2)),
            "x /cpu:0 requested\n"
            "one /gpu:1 requested\n"
            "any /gpu:0 requested\n"
            "full /gpu:1 requested\n"
            "task /gpu:0 priority\n"
            "type /cpu:0 requested\n");
}

TEST_F(PlacerGoldenTest, OtherJobsMeanThisOne) {
  Output v = ops::Variable(On("v", "/job:ps/task:0"), kFloat, Shape{2});
  ops::Identity(On("y", "/job:localhost/replica:0/task:0/device:CPU:0"), v);
  EXPECT_EQ(Place(Devices(1, 1)),
            "v /gpu:0 priority\n"
            "y /cpu:0 requested\n");
}

TEST_F(PlacerGoldenTest, VariableAndGatherByItsHandle) {
  Output w = ops::VarHandleOp(On("w", "/cpu:0"), kFloat, Shape{10, 4});
  Output rows = ops::Placeholder(On("rows", "/cpu:0"), kInt32, Shape{3});
  Output y = ops::ResourceGather(Named("gather"), w, rows);
  ops::Exp(Named("y"), y);
  EXPECT_EQ(Place(Devices(1, 1)),
            "w /cpu:0 requested\n"
            "rows /cpu:0 requested\n"
            "gather /cpu:0 colocated\n"
            "y /gpu:0 priority\n");
  EXPECT_THAT(why_, ::testing::HasSubstr("gather: 'gather' takes the handle of "
                                         "'w'; 'w' asks for '/cpu:0'"));
}

TEST_F(PlacerGoldenTest, VariableAndGatherByItsValue) {
  Output w = ops::Variable(On("w", "/cpu:0"), kFloat, Shape{10, 4});
  Output rows = ops::Placeholder(On("rows", "/gpu:0"), kInt64, Shape{3});
  // As tf.nn.embedding_lookup does.
  Output y = ops::Gather(Named("gather").ColocateWith(w.node), w, rows);
  ops::Gather(On("apart", "/gpu:0"), w, rows);
  ops::Exp(Named("y"), y);
  const std::string placed = Place(Devices(1, 1));
  EXPECT_THAT(placed, ::testing::HasSubstr("gather /cpu:0 colocated\n"));
  EXPECT_THAT(placed, ::testing::HasSubstr("apart /gpu:0 requested\n"));
  EXPECT_THAT(placed, ::testing::HasSubstr("y /gpu:0 priority\n"));
}

TEST_F(PlacerGoldenTest, AReferenceReadOnAnotherDeviceIsAValue) {
  Output v = ops::Variable(On("v", "/cpu:0"), kFloat, Shape{2});
  ops::Identity(On("read", "/gpu:1"), v);
  EXPECT_EQ(Place(Devices(1, 2)),
            "v /cpu:0 requested\n"
            "read /gpu:1 requested\n");
}

TEST_F(PlacerGoldenTest, AnUpdateGoesWhereItsVariableIs) {
  Output v = ops::Variable(On("v", "/cpu:0"), kFloat, Shape{2});
  Output by = ops::Placeholder(On("by", "/gpu:1"), kFloat, Shape{2});
  ops::AssignAdd(On("update", "/gpu:1"), v, by);
  EXPECT_EQ(Place(Devices(1, 2)),
            "v /cpu:0 requested\n"
            "by /gpu:1 requested\n"
            "update /cpu:0 overridden!\n");
  EXPECT_THAT(why_,
              ::testing::HasSubstr("'update' takes the reference of 'v'"));
}

TEST_F(PlacerGoldenTest, TheFirstUpdatePlacesAVariableThatAsksForNothing) {
  Output v = ops::Variable(Named("v"), kFloat, Shape{2});
  Output by = ops::Placeholder(On("by", "/cpu:0"), kFloat, Shape{2});
  ops::AssignAdd(On("a", "/gpu:1"), v, by);
  ops::AssignAdd(On("b", "/gpu:0"), v, by);
  EXPECT_EQ(Place(Devices(1, 2)),
            "v /gpu:1 colocated\n"
            "by /cpu:0 requested\n"
            "a /gpu:1 requested\n"
            "b /gpu:1 overridden!\n");
}

TEST_F(PlacerGoldenTest, HandlesJoinAcrossScopes) {
  Output v = ops::VarHandleOp(Named("v"), kFloat, Shape{2});
  Output x = ops::Placeholder(On("x", "/cpu:0"), kFloat, Shape{2});
  ops::AssignVariableOp(On("assign", "/gpu:1"), v, x);
  Output same = ops::Identity(Named("same"), v);
  ops::ReadVariableOp(On("read", "/cpu:0"), same, kFloat);
  EXPECT_EQ(Place(Devices(1, 2)),
            "v /gpu:1 colocated\n"
            "x /cpu:0 requested\n"
            "assign /gpu:1 requested\n"
            "same /gpu:1 colocated\n"
            "read /gpu:1 overridden!\n");
}

TEST_F(PlacerGoldenTest, Int32OnAGpu) {
  Output a = ops::Placeholder(On("a", "/gpu:0"), kInt32, Shape{2});
  Output b = ops::Const(On("b", "/gpu:0"), Tensor::Of<int32_t>({2}, {1, 2}));
  ops::Add(On("sum", "/gpu:0"), a, b);
  EXPECT_EQ(Place(Devices(1, 1)),
            "a /gpu:0 requested\n"
            "b /gpu:0 requested\n"
            "sum /gpu:0 requested\n");
}

TEST_F(PlacerGoldenTest, Int32VariablesByReferenceStayOnTheCpu) {
  Output step = ops::Variable(Named("step"), kInt32, Shape{});
  Output one = ops::Const(Named("one"), Tensor(int32_t{1}));
  ops::AssignAdd(Named("next"), step, one);
  EXPECT_EQ(Place(Devices(1, 1)),
            "step /cpu:0 kernel\n"
            "one /cpu:0 generator\n"
            "next /cpu:0 colocated\n");
}

TEST_F(PlacerGoldenTest, Int32VariablesByReferenceUnderAGpuScope) {
  const Scope s = root_.WithDevice("/gpu:0");
  Output step = ops::Variable(s.WithName("step"), kInt32, Shape{});
  ops::AssignAdd(s.WithName("next"), step, int32_t{1});
  EXPECT_THAT(Place(Devices(1, 1)),
              ::testing::HasSubstr(
                  "'step' (VariableV2): it asks for '/gpu:0' and has a kernel "
                  "for CPU only (dtype=int32)"));
  EXPECT_EQ(PlaceSoft(Devices(1, 1)),
            "step /cpu:0 soft!\n"
            "Const /gpu:0 requested\n"
            "next /cpu:0 soft!\n");
}

TEST_F(PlacerGoldenTest, StringsUnderAGpuScope) {
  const Scope s = root_.WithDevice("/gpu:0");
  Output a = ops::Const(s.WithName("a"), Tensor(std::string("a")));
  ops::StringJoin(s.WithName("join"), {a, a});
  EXPECT_THAT(Place(Devices(1, 1)),
              ::testing::HasSubstr("operation 'a' (Const): it asks for "
                                   "'/gpu:0' and has a kernel for CPU only "
                                   "(dtype=string)"));
  EXPECT_EQ(PlaceSoft(Devices(1, 1)),
            "a /cpu:0 soft!\n"
            "join /cpu:0 soft!\n");
}

TEST_F(PlacerGoldenTest, SummariesAreMadeOnTheCpu) {
  Output loss = ops::Placeholder(On("loss", "/gpu:0"), kFloat, Shape{});
  ops::ScalarSummary(Named("summary"), "loss", loss);
  EXPECT_EQ(Place(Devices(1, 1)),
            "loss /gpu:0 requested\n"
            "Const /cpu:0 kernel\n"
            "summary /cpu:0 kernel\n");
}

TEST_F(PlacerGoldenTest, TheSaversNodesAreOnTheCpu) {
  Output v = ops::Variable(On("v", "/gpu:0"), kFloat, Shape{2});
  Output file = ops::Const(Named("file"), Tensor(std::string("model")));
  Output names =
      ops::Const(Named("names"), Tensor::Of<std::string>({1}, {"v"}));
  Output slices =
      ops::Const(Named("slices"), Tensor::Of<std::string>({1}, {""}));
  Named("save")
      .Op("SaveV2")
      .In(file)
      .In(names)
      .In(slices)
      .In(std::vector<Output>{v})
      .Build();
  Output restored = Named("restore")
                        .Op("RestoreV2")
                        .In(file)
                        .In(names)
                        .In(slices)
                        .Attr("dtypes", std::vector<DType>{kFloat})
                        .Out();
  ops::Assign(Named("assign"), v, restored);
  EXPECT_EQ(Place(Devices(1, 1)),
            "v /gpu:0 requested\n"
            "file /cpu:0 kernel\n"
            "names /cpu:0 kernel\n"
            "slices /cpu:0 kernel\n"
            "save /cpu:0 kernel\n"
            "restore /cpu:0 kernel\n"
            "assign /gpu:0 colocated\n");
}

}  // namespace
}  // namespace lockstep::testing
