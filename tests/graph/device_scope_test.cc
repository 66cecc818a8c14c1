// SPDX-License-Identifier: Apache-2.0
// Device scopes, device functions and colocation in the builder.
#include "runtime/graph/device_function.h"
#include "tests/graph/placer_testing.h"

namespace lockstep::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using DeviceScopeTest = PlacerTest;

TEST_F(DeviceScopeTest, ScopesNest) {
  const Scope outer = root_.WithDevice("/job:worker/task:0/cpu:0");
  Output x = ops::Placeholder(outer.WithName("x"), kFloat, Shape{2});
  Output y = ops::Exp(outer.WithDevice("/gpu:1").WithName("y"), x);
  Output z = ops::Exp(outer.WithDevice("/task:0").WithName("z"), y);
  ops::Exp(outer.WithDevice("").WithName("free"), z);
  EXPECT_EQ(y.node->requested_device(), "/job:worker/task:0/device:GPU:1");
  EXPECT_EQ(z.node->requested_device(), "/job:worker/task:0/device:CPU:0");
  EXPECT_EQ(Place(Devices(1, 2)),
            "x /cpu:0 requested\n"
            "y /gpu:1 requested\n"
            "z /cpu:0 requested\n"
            "free /gpu:0 priority\n");
}

TEST_F(DeviceScopeTest, ADeviceFunctionPutsVariablesOnTheCpu) {
  Output before = ops::Placeholder(Named("before"), kFloat, Shape{2});
  {
    DeviceFunction on_gpu(&graph_, [](const Node& n) {
      return std::string(n.traits().variable ? "/cpu:0" : "/gpu:1");
    });
    Output v = ops::Variable(Named("v"), kFloat, Shape{2});
    Output y = ops::Mul(Named("y"), v, before);
    ops::Assign(Named("assign"), v, y);
    ops::Exp(Named("beside").ColocateWith(v.node), v);
  }
  ops::Exp(Named("after"), before);
  EXPECT_EQ(Place(Devices(1, 2)),
            "before /gpu:0 priority\n"
            "v /cpu:0 requested\n"
            "y /gpu:1 requested\n"
            "assign /cpu:0 overridden!\n"
            "beside /cpu:0 requested\n"
            "after /gpu:0 priority\n");
}

TEST_F(DeviceScopeTest, SeveralCpus) {
  Output x = ops::Placeholder(On("x", "/cpu:1"), kFloat, Shape{2});
  Output y = ops::Exp(On("y", "/device:CPU:*"), x);
  ops::Shape(Named("shape"), x);
  ops::Exp(Named("z"), y);
  EXPECT_EQ(Place(Devices(2, 0)),
            "x /cpu:1 requested\n"
            "y /cpu:0 requested\n"
            "shape /cpu:1 metadata\n"
            "z /cpu:0 priority\n");
}

TEST_F(DeviceScopeTest, SlotsAreBesideTheirVariable) {
  Output x = ops::Placeholder(On("x", "/gpu:0"), kFloat, Shape{2});
  Output w = ops::InitializedVariable(On("w", "/cpu:0"),
                                      Tensor::Of<float>({2}, {1, 2}));
  Output loss =
      ops::Sum(On("loss", "/gpu:0"), ops::Mul(On("wx", "/gpu:0"), w, x), {0});
  ops::MomentumOptimizer(0.1f, 0.9f)
      .Minimize(root_.WithDevice("/gpu:0"), loss, {w});
  const std::string placed = Place(Devices(1, 1));
  EXPECT_THAT(placed, ::testing::HasSubstr("w/Momentum /cpu:0 "));
  EXPECT_THAT(placed, ::testing::HasSubstr("w/Momentum/Assign /cpu:0 "));
  EXPECT_THAT(placed, ::testing::HasSubstr("ApplyMomentum /cpu:0 "));
  EXPECT_THAT(placed, ::testing::Not(::testing::HasSubstr("!")));
}

TEST_F(DeviceScopeTest, ATextThatIsNoDeviceNameIsAMistakeOfTheGraph) {
  ops::Placeholder(root_.WithDevice("gpu0"), kFloat, Shape{2});
  EXPECT_EQ(graph_.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(graph_.status().message(), HasSubstr("'gpu0'"));
}

TEST_F(DeviceScopeTest,
       ADeviceFunctionThatReturnsNoDeviceNameIsNamedByItsNode) {
  {
    DeviceFunction bad(&graph_,
                       [](const Node&) { return std::string("the big one"); });
    ops::Placeholder(Named("x"), kFloat, Shape{2});
  }
  EXPECT_THAT(graph_.status().message(),
              AllOf(HasSubstr("node 'x'"), HasSubstr("'the big one'")));
}

TEST_F(DeviceScopeTest, DeviceFunctionsSeeScopesAndInnerFunctions) {
  std::vector<std::string> seen;
  {
    DeviceFunction outer(&graph_, [&](const Node& n) {
      seen.push_back(n.name() + n.requested_device());
      return n.requested_device();
    });
    {
      DeviceFunction inner(&graph_, [](const Node& n) {
        return n.requested_device().empty() ? std::string("/gpu:1")
                                            : n.requested_device();
      });
      Output a = ops::Placeholder(Named("a"), kFloat, Shape{2});
      ops::Exp(On("b", "/gpu:0"), a);
    }
    ops::Placeholder(Named("c"), kFloat, Shape{2});
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"a/gpu:1", "b/gpu:0", "c"}));
  EXPECT_EQ(graph_.Find("a")->requested_device(), "/gpu:1");
}

TEST_F(DeviceScopeTest, ColocationTakesTheDeviceAndTheGroupOfTheOther) {
  Output v = ops::Variable(On("v", "/gpu:1"), kFloat, Shape{2});
  const Scope outer = root_.WithDevice("/cpu:0");
  const Scope beside = outer.ColocateWith(v.node);
  Output x = ops::Placeholder(beside.WithName("x"), kFloat, Shape{2});
  EXPECT_EQ(x.node->requested_device(), "/gpu:1");
  // By the group of `x`, not by its name.
  Output y = ops::Exp(root_.ColocateWith(x.node).WithName("y"), x);
  EXPECT_EQ(y.node->Attr<std::vector<std::string>>("_class"),
            std::vector<std::string>{"loc:@v"});
  Output w = ops::Variable(On("w", "/gpu:1"), kFloat, Shape{2});
  Output z = ops::Exp(beside.ColocateWith(w.node).WithName("z"), x);
  EXPECT_EQ(z.node->Attr<std::vector<std::string>>("_class"),
            (std::vector<std::string>{"loc:@v", "loc:@w"}));
}

}  // namespace
}  // namespace lockstep::testing
