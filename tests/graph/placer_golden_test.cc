// SPDX-License-Identifier: Apache-2.0
// Placements of small graphs, node by node, the cases users report among them.
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
  EXPECT_THAT(placed, ::testing::HasSubstr("gather /cpu:0 requested\n"));
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

TEST_F(PlacerGoldenTest, LowerCaseAndReplicas) {
  Output x = ops::Placeholder(
      On("x", "/job:worker/replica:0/task:0/device:gpu:1"), kFloat, Shape{2});
  ops::Exp(On("y", "/replica:3/device:cpu:0"), x);
  EXPECT_EQ(Place(Devices(1, 2)),
            "x /gpu:1 requested\n"
            "y /cpu:0 requested\n");
}

TEST_F(PlacerGoldenTest, AnUpdateWithoutGpuKernelKeepsItsVariableOnTheCpu) {
  Output v = ops::VarHandleOp(Named("v"), kFloat, Shape{4});
  Output i = ops::Placeholder(On("i", "/cpu:0"), kInt64, Shape{1});
  Output u = ops::Placeholder(On("u", "/cpu:0"), kFloat, Shape{1});
  Named("update").Op("ResourceScatterMul").In(v).In(i).In(u).Build();
  ops::ReadVariableOp(Named("read"), v, kFloat);
  EXPECT_EQ(Place(Devices(1, 1)),
            "v /cpu:0 colocated\n"
            "i /cpu:0 requested\n"
            "u /cpu:0 requested\n"
            "update /cpu:0 kernel\n"
            "read /cpu:0 colocated\n");
  EXPECT_THAT(why_, ::testing::HasSubstr("'update' has a kernel for CPU only"));
}

TEST_F(PlacerGoldenTest, AnUpdateWithoutGpuKernelOfAVariableOnAGpu) {
  Output v = ops::VarHandleOp(On("v", "/gpu:0"), kFloat, Shape{4});
  Output i = ops::Placeholder(On("i", "/cpu:0"), kInt64, Shape{1});
  Output u = ops::Placeholder(On("u", "/cpu:0"), kFloat, Shape{1});
  Named("update").Op("ResourceScatterMul").In(v).In(i).In(u).Build();
  EXPECT_THAT(Place(Devices(1, 1)),
              ::testing::AllOf(
                  ::testing::HasSubstr("'v' (VarHandleOp) asks for '/gpu:0'"),
                  ::testing::HasSubstr("'update' (ResourceScatterMul) has a "
                                       "kernel for CPU only"),
                  ::testing::HasSubstr("'update' takes the handle of 'v'")));
  EXPECT_EQ(PlaceSoft(Devices(1, 1)),
            "v /cpu:0 soft!\n"
            "i /cpu:0 requested\n"
            "u /cpu:0 requested\n"
            "update /cpu:0 kernel\n");
}

TEST_F(PlacerGoldenTest, StacksAreObjectsOfTheHost) {
  Output size = ops::Const(On("size", "/cpu:0"), Tensor(int32_t{4}));
  Output stack =
      Named("stack").Op("StackV2").In(size).Attr("elem_type", kFloat).Out();
  Output x = ops::Placeholder(On("x", "/gpu:0"), kFloat, Shape{2});
  Named("push").Op("StackPushV2").In(stack).In(x).Build();
  EXPECT_EQ(Place(Devices(1, 1)),
            "size /cpu:0 requested\n"
            "stack /cpu:0 kernel\n"
            "x /gpu:0 requested\n"
            "push /cpu:0 colocated\n");
}

TEST_F(PlacerGoldenTest, AVariableInTwoColocationGroupsJoinsThem) {
  const auto with = [&](const char* name, std::vector<std::string> groups,
                        const char* device) {
    Output x = ops::Placeholder(On(name, device), kFloat, Shape{2});
    x.node->mutable_attrs()["_class"] = std::move(groups);
  };
  with("a", {"loc:@one"}, "");
  with("b", {"loc:@two"}, "");
  with("c", {"loc:@one", "loc:@two"}, "");
  with("d", {"loc:@d", "loc:@b"}, "/gpu:1");
  with("e", {"loc:@e"}, "");
  EXPECT_EQ(Place(Devices(1, 2)),
            "a /gpu:1 colocated\n"
            "b /gpu:1 colocated\n"
            "c /gpu:1 colocated\n"
            "d /gpu:1 requested\n"
            "e /gpu:0 priority\n");
}

TEST_F(PlacerGoldenTest, Int32ResourceVariablesAreOnTheGpu) {
  Output v = ops::VarHandleOp(Named("v"), kInt32, Shape{});
  Output one = ops::Const(Named("one"), Tensor(int32_t{1}));
  ops::AssignVariableOp(Named("assign"), v, one);
  EXPECT_EQ(Place(Devices(1, 1)),
            "v /gpu:0 priority\n"
            "one /gpu:0 generator\n"
            "assign /gpu:0 colocated\n");
}

TEST_F(PlacerGoldenTest, AConstantThatOthersWaitForIsNotMovedToItsReader) {
  Output c = ops::Const(Named("c"), Tensor(1.0f));
  ops::Exp(On("read", "/gpu:1"), c);
  ops::NoOp(On("wait", "/cpu:0"), {c.node});
  EXPECT_EQ(Place(Devices(1, 2)),
            "c /gpu:0 priority\n"
            "read /gpu:1 requested\n"
            "wait /cpu:0 requested\n");
}

TEST_F(PlacerGoldenTest, Int64IsOnTheGpuWhereInt32IsTheHosts) {
  Output x = ops::Placeholder(Named("x"), kInt64, Shape{2});
  ops::Add(Named("sum"), x, x);
  Output n = ops::Placeholder(Named("n"), kInt32, Shape{2});
  ops::Add(Named("small"), n, n);
  ops::FloorDiv(Named("divided"), x, x);
  EXPECT_EQ(Place(Devices(1, 1)),
            "x /gpu:0 priority\n"
            "sum /gpu:0 priority\n"
            "n /gpu:0 generator\n"
            "small /gpu:0 priority\n"
            "divided /cpu:0 kernel\n");
}

}  // namespace
}  // namespace lockstep::testing
