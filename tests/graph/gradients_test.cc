// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/gradients.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/ops.h"
#include "runtime/exec/session.h"
#include "runtime/op/kernel.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class GradientsTest : public ::testing::Test {
 protected:
  // d(sum of y)/dx at the given x.
  std::vector<float> Gradient(Output y, Output x, const Tensor& at) {
    std::vector<Output> dx;
    Status s = AddGradients(root_, {y}, {x}, &dx);
    EXPECT_TRUE(s.ok()) << s.ToString();
    if (!s.ok() || !dx[0].defined()) return {};
    auto session = Session::Create(graph_);
    EXPECT_TRUE(session.ok());
    auto out = (*session)->RunOne({{x.name(), at}}, dx[0].name());
    EXPECT_TRUE(out.ok()) << out.status().ToString();
    if (!out.ok()) return {};
    EXPECT_EQ(out->shape(), at.shape());
    auto flat = out->flat<float>();
    return {flat.begin(), flat.end()};
  }

  Graph graph_;
  Scope root_{&graph_};
};

TEST_F(GradientsTest, SumsOverAllPaths) {
  Output x = ops::Placeholder(root_, kFloat, Shape{2});
  // y = x * x + 3 x
  Output y = ops::Add(root_, ops::Mul(root_, x, x), ops::Mul(root_, x, 3.0f));
  EXPECT_THAT(Gradient(y, x, Tensor::Of<float>({2}, {1, 5})),
              ElementsAre(5, 13));
}

TEST_F(GradientsTest, BroadcastOperandsGetTheirShapeBack) {
  Output x = ops::Placeholder(root_, kFloat, Shape{-1});
  Output rows =
      ops::Const(root_, Tensor::Of<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
  Output y = ops::Mul(root_, rows, x);
  EXPECT_THAT(Gradient(y, x, Tensor::Of<float>({3}, {0, 0, 0})),
              ElementsAre(5, 7, 9));
  EXPECT_THAT(Gradient(y, x, Tensor::Of<float>({1}, {0})), ElementsAre(21));
}

TEST_F(GradientsTest, StopGradientAndIntegersStopIt) {
  Output x = ops::Placeholder(root_, kFloat, Shape{1});
  Output y = ops::Mul(root_, ops::StopGradient(root_, x), x);
  EXPECT_THAT(Gradient(y, x, Tensor::Of<float>({1}, {7})), ElementsAre(7));
  Output whole = ops::Cast(root_, ops::Cast(root_, x, kInt32), kFloat);
  std::vector<Output> dx;
  ASSERT_TRUE(AddGradients(root_, {whole}, {x}, &dx).ok());
  EXPECT_FALSE(dx[0].defined());
}

TEST_F(GradientsTest, IntermediateTensorsMayBeAskedFor) {
  Output x = ops::Placeholder(root_, kFloat, Shape{1});
  // The argument's own op needs no gradient.
  Output h = ops::Floor(root_, x);
  Output y = ops::Mul(root_, h, h);
  EXPECT_THAT(Gradient(y, h, Tensor::Of<float>({1}, {3})), ElementsAre(6));
}

TEST_F(GradientsTest, GivenOutputGradientsAreUsed) {
  Output x = ops::Placeholder(root_.WithName("x"), kFloat, Shape{2});
  Output y = ops::Mul(root_, x, 2.0f);
  Output dy = ops::Const(root_, Tensor::Of<float>({2}, {10, 100}));
  std::vector<Output> dx;
  ASSERT_TRUE(AddGradients(root_, {y}, {x}, &dx, {dy}).ok());
  auto session = Session::Create(graph_);
  auto out =
      (*session)->RunOne({{"x:0", Tensor(kFloat, Shape{2})}}, dx[0].name());
  ASSERT_TRUE(out.ok());
  EXPECT_EQ(out->flat<float>()[1], 200);
  EXPECT_EQ(AddGradients(root_, {y, y}, {x}, &dx, {dy}).code(),
            Code::kInvalidArgument);
}

Status TestNoGradientCpu(KernelContext& k) {
  k.output(0).CopyFrom(k.input(0));
  return Ok();
}
LOCKSTEP_OP("TestWithoutGradient")
    .Input("x: float")
    .Output("y: float")
    .Shape(UnchangedShape)
    .Kernel(kCpu, {TestNoGradientCpu});

TEST_F(GradientsTest, TheyAreWhereTheirForwardOpsAskToBe) {
  const Output x = ops::Placeholder(root_, kFloat, Shape{2});
  const Output h = ops::Tanh(root_.WithDevice("/task:0"), x);
  const Output y = ops::Mul(root_.WithDevice("/task:1"), h, h);
  std::vector<Output> dx;
  ASSERT_TRUE(AddGradients(root_, {y}, {x}, &dx).ok());
  EXPECT_EQ(dx[0].node->requested_device(), "/task:0");
  const Output sum = dx[0].node->input(1);  // of both uses of h
  EXPECT_EQ(sum.node->op(), "AddN");
  EXPECT_EQ(sum.node->requested_device(), "/task:0");
  EXPECT_EQ(sum.node->input(0).node->requested_device(), "/task:1");
}

TEST_F(GradientsTest, WhatHasNoKernelOnAGpuIsNotAskedToBeThere) {
  const Scope gpu = root_.WithDevice("/task:1/gpu:0");
  const Output x = ops::Placeholder(root_, kFloat, Shape{-1});
  const Output y = ops::Mean(gpu, x, {0});
  std::vector<Output> dx;
  ASSERT_TRUE(AddGradients(root_, {y}, {x}, &dx).ok());
  int on_gpu = 0, elsewhere = 0;
  for (const Node* n : graph_.nodes()) {
    if (!n->name().starts_with("gradients/")) continue;
    const bool has_kernel = n->def().FindKernel(kGpu, n->attrs()) != nullptr;
    EXPECT_EQ(n->requested_device(),
              has_kernel ? gpu.device() : std::string("/task:1"))
        << n->name() << " " << n->op();
    ++(has_kernel ? on_gpu : elsewhere);
  }
  EXPECT_GT(on_gpu, 0);
  EXPECT_GT(elsewhere, 0);
}

TEST_F(GradientsTest, AnOpWithoutAGradientIsNamed) {
  Output x = ops::Placeholder(root_, kFloat, Shape{1});
  Output y = root_.WithName("odd").Op("TestWithoutGradient").In(x).Out();
  std::vector<Output> dx;
  const Status s = AddGradients(root_, {y}, {x}, &dx);
  EXPECT_EQ(s.code(), Code::kUnimplemented);
  EXPECT_THAT(s.message(), HasSubstr("node 'odd': op TestWithoutGradient"));
}

}  // namespace
}  // namespace lockstep
