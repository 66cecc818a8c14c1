// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/placer.h"

#include "runtime/exec/session.h"
#include "runtime/graph/colocation.h"
#include "runtime/op/shape_context.h"
#include "tests/graph/placer_testing.h"

namespace lockstep::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// --- Heuristics and control flow -------------------------------------------

TEST_F(PlacerTest, WhatLooksAtAShapeIsBesideItsTensor) {
  Output x = ops::Placeholder(On("x", "/gpu:1"), kFloat, Shape{2});
  Output c = ops::Placeholder(On("c", "/cpu:0"), kFloat, Shape{2});
  ops::Shape(Named("shape"), x);
  ops::Size(Named("size"), c);
  ops::Rank(On("rank", "/gpu:0"), c);
  EXPECT_EQ(Place(Devices(1, 2)),
            "x /gpu:1 requested\n"
            "c /cpu:0 requested\n"
            "shape /gpu:1 metadata\n"
            "size /cpu:0 metadata\n"
            "rank /gpu:0 requested\n");
}

TEST_F(PlacerTest, AGeneratorGoesToItsReadersWhenTheyAreTogether) {
  Output together = ops::Const(Named("together"), Tensor(1.0f));
  Output apart = ops::Const(Named("apart"), Tensor(1.0f));
  ops::Exp(On("a", "/cpu:0"), together);
  ops::Exp(On("b", "/cpu:0"), together);
  ops::Exp(On("c", "/cpu:0"), apart);
  ops::Exp(On("d", "/gpu:1"), apart);
  EXPECT_EQ(Place(Devices(1, 2)),
            "together /cpu:0 generator\n"
            "apart /gpu:0 priority\n"
            "a /cpu:0 requested\n"
            "b /cpu:0 requested\n"
            "c /cpu:0 requested\n"
            "d /gpu:1 requested\n");
}

TEST_F(PlacerTest, AMergeUnderAGpuScopeRunsOnTheCpu) {
  const Scope s = root_.WithDevice("/gpu:0");
  Output p = ops::Placeholder(On("p", "/cpu:0"), kBool, Shape{});
  Output x = ops::Placeholder(s.WithName("x"), kFloat, Shape{2});
  Node* sides = s.WithName("sides").Op("Switch").In(x).In(p).Build();
  Output yes = ops::Exp(s.WithName("yes"), Output{sides, 1});
  s.WithName("merge")
      .Op("Merge")
      .In(std::vector<Output>{Output{sides, 0}, yes})
      .Build();
  EXPECT_EQ(Place(Devices(1, 1), {.strict_placement = true}),
            "p /cpu:0 requested\n"
            "x /gpu:0 requested\n"
            "sides /gpu:0 requested\n"
            "yes /gpu:0 requested\n"
            "merge /cpu:0 control_flow\n");
}

TEST_F(PlacerTest, AHandleBehindASwitchKeepsItsVariableOnTheGpu) {
  Output p = ops::Placeholder(On("p", "/cpu:0"), kBool, Shape{});
  Output v = ops::VarHandleOp(On("v", "/gpu:0"), kFloat, Shape{2});
  Node* sides = Named("sides").Op("Switch").In(v).In(p).Build();
  ops::ReadVariableOp(Named("read"), Output{sides, 1}, kFloat);
  EXPECT_EQ(Place(Devices(1, 1)),
            "p /cpu:0 requested\n"
            "v /gpu:0 requested\n"
            "sides /gpu:0 colocated\n"
            "read /gpu:0 colocated\n");
}

TEST_F(PlacerTest, AVariableThatALoopTakesIsOnTheCpu) {
  Output v = ops::VarHandleOp(Named("v"), kFloat, Shape{});
  Output x = ops::Placeholder(Named("x"), kFloat, Shape{});
  ops::While(
      Named("loop"), {x, v},
      [](const Scope& s, const std::vector<Output>& in) {
        return std::vector<Output>{ops::Less(s, in[0], 8.0f)};
      },
      [](const Scope& s, const std::vector<Output>& in) {
        return std::vector<Output>{
            ops::Add(s, in[0], ops::ReadVariableOp(s, in[1], kFloat)), in[1]};
      });
  const std::string placed = Place(Devices(1, 1));
  EXPECT_THAT(placed, HasSubstr("v /cpu:0 colocated\n"));
  EXPECT_THAT(placed, HasSubstr("loop /cpu:0 control_flow\n"));
}

TEST_F(PlacerTest, AVariableIsWhereTheFunctionThatIsCalledNeedsIt) {
  Output a = ops::VarHandleOp(Named("a"), kFloat, Shape{});
  Output b = ops::VarHandleOp(Named("b"), kFloat, Shape{});
  const auto read = [](const Scope& s, const std::vector<Output>& in) {
    return std::vector<Output>{ops::ReadVariableOp(s, in[0], kFloat)};
  };
  const auto branch = [&](const Scope& s, const std::vector<Output>& in) {
    return ops::Cond(s, true, {in[0]}, read, read);
  };
  ops::Call(Named("plain"), ops::DefineFunction(root_, "plain", {a}, read),
            {a});
  const std::string inner = ops::DefineFunction(root_, "branch", {b}, branch);
  ops::Call(Named("branches"), inner, {b});
  const std::string placed = Place(Devices(1, 1));
  EXPECT_THAT(placed, HasSubstr("a /gpu:0 priority\n"));
  EXPECT_THAT(placed, HasSubstr("b /cpu:0 kernel\n"));
  EXPECT_THAT(why_, HasSubstr("b: is used by 'branches', whose function needs "
                              "it on the CPU"));
}

TEST_F(PlacerTest, NodesThatOnlyWaitGoWhereTheyAsk) {
  Output x = ops::Placeholder(On("x", "/gpu:1"), kFloat, Shape{2});
  Node* first = ops::NoOp(On("first", "/cpu:0"), {x.node});
  Node* second = ops::NoOp(On("second", "/gpu:1"), {first});
  ops::NoOp(Named("all"), {first, second});
  EXPECT_EQ(Place(Devices(1, 2)),
            "x /gpu:1 requested\n"
            "first /cpu:0 requested\n"
            "second /gpu:1 requested\n"
            "all /gpu:0 priority\n");
}

LOCKSTEP_OP("TestNoKernel")
    .Input("x: T")
    .Output("y: T")
    .Attr("T: type")
    .Shape(UnchangedShape);

TEST_F(PlacerTest, WhatHasNoKernelAnywhereIsLeftToTheRunThatNeedsIt) {
  Output x = ops::Placeholder(On("x", "/cpu:0"), kFloat, Shape{2});
  Named("y").Op("TestNoKernel").In(x).Build();
  On("z", "/gpu:0").Op("TestNoKernel").In(x).Build();
  EXPECT_EQ(Place(Devices(1, 1)),
            "x /cpu:0 requested\n"
            "y /gpu:0 no_kernel\n"
            "z /gpu:0 no_kernel\n");
}

// --- Tasks ------------------------------------------------------------------

TEST_F(PlacerTest, TasksAreHonouredWhereThereAreSeveral) {
  Output x = ops::Placeholder(Named("x"), kFloat, Shape{2});
  Output a = ops::Exp(On("a", "/task:0"), x);
  Output b = ops::Exp(On("b", "/job:stage/task:1"), a);
  Output c = ops::Const(Named("c"), Tensor::Of<float>({2}, {1, 2}));
  ops::Mul(On("d", "/task:1/gpu:1"), b, c);
  ops::Shape(Named("shape"), b);
  ops::Exp(Named("e"), b);
  EXPECT_EQ(Place(Devices(1, 2, 2)),
            "x 0/gpu:0 generator\n"
            "a 0/gpu:0 requested\n"
            "b 1/gpu:0 requested\n"
            "c 1/gpu:1 generator\n"
            "d 1/gpu:1 requested\n"
            "shape 1/gpu:0 metadata\n"
            "e 0/gpu:0 priority\n");
  EXPECT_THAT(Place(Devices(1, 2, 2), {.task = 1}), HasSubstr("e 1/gpu:0"));
}

TEST_F(PlacerTest, WhatIsFedIsWhereNodesWithoutTaskAre) {
  Output x = ops::Placeholder(Named("x"), kFloat, Shape{2});
  ops::Exp(On("y", "/task:1"), x);
  EXPECT_EQ(Place(Devices(1, 0, 2)),
            "x 0/cpu:0 priority\n"
            "y 1/cpu:0 requested\n");
}

TEST_F(PlacerTest, TheFirstTaskOfAGraphIsTheOnlyOneThereIs) {
  ops::Placeholder(On("x", "/job:worker/task:0/cpu:0"), kFloat, Shape{2});
  const DeviceSet third = DeviceSet::Local(2, 1);
  EXPECT_EQ(Place(third, {.task = 2}), "x 2/cpu:0 requested\n");
  ops::Placeholder(On("z", "/task:1"), kFloat, Shape{2});
  EXPECT_THAT(Place(third, {.task = 2}), HasSubstr("'z' (Placeholder)"));
  EXPECT_THAT(Place(third, {.task = 2, .allow_soft_placement = true}),
              HasSubstr("z 2/cpu:0 soft!"));
}

TEST_F(PlacerTest, SoftPlacementDoesNotMoveNodesToOtherTasks) {
  ops::Placeholder(On("x", "/task:1/gpu:0"), kFloat, Shape{2});
  EXPECT_EQ(PlaceSoft(Devices(1, 0, 2)), "x 1/cpu:0 soft!\n");
  ops::Placeholder(On("y", "/task:7"), kFloat, Shape{2});
  EXPECT_THAT(PlaceSoft(Devices(1, 0, 2)),
              AllOf(HasSubstr("'y' (Placeholder): it asks for '/task:7'"),
                    HasSubstr("/job:worker/task:1/device:CPU:0")));
}

// --- Soft placement, strictness ---------------------------------------------

TEST_F(PlacerTest, AMissingDevice) {
  Output x = ops::Placeholder(On("x", "/gpu:7"), kFloat, Shape{2});
  ops::Exp(On("y", "/cpu:1"), x);
  const std::string refused = Place(Devices(1, 1));
  EXPECT_THAT(refused,
              AllOf(HasSubstr("INVALID_ARGUMENT: Cannot assign a device for "
                              "operation 'x' (Placeholder): it asks for "
                              "'/gpu:7'; the devices are /cpu:0, /gpu:0."),
                    Not(HasSubstr("'y'"))));
  EXPECT_EQ(PlaceSoft(Devices(1, 1)),
            "x /gpu:0 soft!\n"
            "y /gpu:0 soft!\n");
  EXPECT_EQ(PlaceSoft(Devices(1, 0)),
            "x /cpu:0 soft!\n"
            "y /cpu:0 soft!\n");
  EXPECT_THAT(why_, HasSubstr("x: soft placement: there is no such device"));
}

TEST_F(PlacerTest, StrictPlacementRefusesFallBacksAndListsThem) {
  Output x = ops::Placeholder(On("x", "/gpu:7"), kFloat, Shape{2});
  ops::AsString(On("text", "/gpu:0"), x);
  ops::Exp(On("y", "/gpu:0"), x);
  const std::string refused = Place(
      Devices(1, 1), {.allow_soft_placement = true, .strict_placement = true});
  EXPECT_THAT(refused, AllOf(HasSubstr("2 nodes are not where they ask to be"),
                             HasSubstr("'x' (Placeholder) asks for '/gpu:7'"),
                             HasSubstr("'text' (AsString) asks for '/gpu:0'"),
                             HasSubstr("device:CPU:0"), Not(HasSubstr("'y'"))));
}

// --- Conflicts --------------------------------------------------------------

TEST_F(PlacerTest, AConflictNamesTheTwoNodesAndWhatJoinsThem) {
  Output a = ops::Variable(On("a", "/gpu:0"), kFloat, Shape{2});
  Output b = ops::Exp(Named("b").ColocateWith(a.node), a);
  b.node->set_requested_device("");
  Node* far = Named("far")
                  .Op("Exp")
                  .In(b)
                  .Attr("_class", std::vector<std::string>{"loc:@b"})
                  .Build();
  ASSERT_NE(far, nullptr);
  far->set_requested_device("/cpu:0");
  for (int i = 0; i < 5; ++i) {
    ops::Exp(root_.WithName(StrCat("other", i)).ColocateWith(a.node), a);
  }
  const std::string refused = Place(Devices(1, 1));
  EXPECT_THAT(refused, AllOf(HasSubstr("'a' (VariableV2) asks for '/gpu:0'"),
                             HasSubstr("'far' (Exp) asks for '/cpu:0'"),
                             HasSubstr("'far' is colocated with 'b' by _class"),
                             HasSubstr("'b' is colocated with 'a' by _class"),
                             Not(HasSubstr("other"))));
  const std::string soft = PlaceSoft(Devices(1, 1));
  EXPECT_THAT(soft, HasSubstr("a /gpu:0 requested\n"));
  EXPECT_THAT(soft, HasSubstr("far /gpu:0 soft!\n"));
  EXPECT_THAT(why_, HasSubstr("far: soft placement: 'far' is colocated with "
                              "'b' by _class; their group asks for devices "
                              "that exclude each other"));
}

TEST_F(PlacerTest, AConflictOfADeviceWithAKernelNamesTypes) {
  ops::VarHandleOp(Named("v"), kString, Shape{});
  Output x = ops::Placeholder(On("x", "/gpu:0"), kFloat, Shape{2});
  x.node->mutable_attrs()["_class"] = std::vector<std::string>{"loc:@v"};
  EXPECT_THAT(Place(Devices(1, 1)),
              AllOf(HasSubstr("'v' (VarHandleOp) has a kernel for CPU only "
                              "(dtype=string)"),
                    HasSubstr("'x' (Placeholder) asks for '/gpu:0'"),
                    HasSubstr("'x' is colocated with 'v' by _class")));
  EXPECT_EQ(PlaceSoft(Devices(1, 1)),
            "v /cpu:0 kernel\n"
            "x /cpu:0 soft!\n");
}

TEST_F(PlacerTest, ThreeNeedsOfWhichAnyTwoGoTogether) {
  DeviceSet devices;
  for (const char* name :
       {"/job:worker/task:0/device:CPU:0", "/job:worker/task:0/device:GPU:1",
        "/job:worker/task:1/device:CPU:1"}) {
    devices.Add({.name = *DeviceName::Parse(name)});
  }
  ops::Placeholder(On("a", "/task:0"), kFloat, Shape{2});
  Output b = ops::Placeholder(On("b", "/device:*:1"), kFloat, Shape{2});
  Output c = ops::Placeholder(On("c", "/cpu:*"), kFloat, Shape{2});
  const std::vector<std::string> group = {"loc:@a"};
  b.node->mutable_attrs()["_class"] = group;
  c.node->mutable_attrs()["_class"] = group;
  EXPECT_THAT(Place(devices), AllOf(HasSubstr("'a' (Placeholder) asks for"),
                                    HasSubstr("'b' (Placeholder) asks for"),
                                    HasSubstr("'c' (Placeholder) asks for")));
}

TEST_F(PlacerTest, AGroupMayBeNamedByNothingInTheGraph) {
  const std::vector<std::string> group = {"loc:@gone"};
  for (const char* name : {"a", "b"}) {
    Output x = ops::Placeholder(Named(name), kFloat, Shape{2});
    x.node->mutable_attrs()["_class"] = group;
  }
  graph_.Find("b")->set_requested_device("/gpu:1");
  EXPECT_EQ(Place(Devices(1, 2)),
            "a /gpu:1 colocated\n"
            "b /gpu:1 requested\n");
}

// --- Graphs that were placed before -----------------------------------------

TEST_F(PlacerTest, NewNodesOfAPlacedGraphFollowWhatTheyAreAttachedTo) {
  Output v = ops::Variable(On("v", "/gpu:1"), kFloat, Shape{2});
  Output x = ops::Placeholder(On("x", "/cpu:0"), kFloat, Shape{2});
  ASSERT_TRUE(PlaceGraph(Devices(1, 2), {}, &graph_).ok());
  ops::Exp(Named("y"), x);
  ops::Assign(On("assign", "/cpu:0"), v, x);
  EXPECT_EQ(Place(Devices(1, 2)),
            "y /cpu:0 input\n"
            "assign /gpu:1 overridden!\n");
}

TEST_F(PlacerTest, ADeviceThatTheSetLacksIsRefused) {
  Output x = ops::Placeholder(Named("x"), kFloat, Shape{2});
  ops::Exp(Named("y"), x);
  x.node->set_assigned_device("/job:worker/task:0/device:GPU:3");
  EXPECT_THAT(Place(Devices(1, 1)),
              AllOf(HasSubstr("node 'x'"), HasSubstr("GPU:3")));
}

// --- Sessions ---------------------------------------------------------------

TEST_F(PlacerTest, ASessionTellsItsPlacementsAndLogsThem) {
  Output x = ops::Placeholder(On("x", "/gpu:3"), kFloat, Shape{2});
  ops::Exp(Named("y"), x);
  SessionOptions options;
  options.allow_soft_placement = true;
  options.log_device_placement = true;
  ::testing::internal::CaptureStderr();
  auto session = Session::Create(graph_, options);
  const std::string log = ::testing::internal::GetCapturedStderr();
  ASSERT_TRUE(session.ok());
  EXPECT_THAT(log,
              HasSubstr("x: (Placeholder): /job:worker/task:0/device:CPU:0\n"));
  const std::vector<Placement>& all = (*session)->placements();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].requested, "/gpu:3");
  EXPECT_TRUE(all[0].fell_back);
  EXPECT_FALSE(all[1].fell_back);
}

}  // namespace
}  // namespace lockstep::testing
