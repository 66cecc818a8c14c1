// SPDX-License-Identifier: Apache-2.0
// Placements of parts of models, node by node.
#include "runtime/graph/gradients.h"
#include "tests/graph/placer_testing.h"

namespace lockstep::testing {
namespace {

using PlacerModelsTest = PlacerTest;

TEST_F(PlacerModelsTest, TowersShareAVariable) {
  Output w = ops::Variable(On("w", "/cpu:0"), kFloat, Shape{4, 2});
  std::vector<Output> parts;
  for (int t = 0; t < 2; ++t) {
    const Scope tower = root_.SubScope("tower").WithDevice(StrCat("/gpu:", t));
    Output x = ops::Placeholder(tower.WithName("x"), kFloat, Shape{3, 4});
    parts.push_back(ops::MatMul(tower.WithName("y"), x, w));
  }
  Output sum = On("sum", "/cpu:0").Op("AddN").In(parts).Out();
  ops::Exp(Named("out"), sum);
  EXPECT_EQ(Place(Devices(1, 2)),
            "w /cpu:0 requested\n"
            "tower/x /gpu:0 requested\n"
            "tower/y /gpu:0 requested\n"
            "tower_1/x /gpu:1 requested\n"
            "tower_1/y /gpu:1 requested\n"
            "sum /cpu:0 requested\n"
            "out /gpu:0 priority\n");
}

TEST_F(PlacerModelsTest, WordsBecomeRowsOfATable) {
  Output words = ops::Placeholder(Named("words"), kString, Shape{-1});
  Output ids = ops::StringToHashBucketFast(Named("ids"), words, 100);
  Output table = ops::Variable(Named("table"), kFloat, Shape{100, 8});
  Output zero = ops::Const(Named("axis"), Tensor(int32_t{0}));
  Named("rows").Op("GatherV2").In(table).In(ids).In(zero).Build();
  EXPECT_EQ(Place(Devices(1, 1)),
            "words /cpu:0 kernel\n"
            "ids /cpu:0 kernel\n"
            "table /gpu:0 priority\n"
            "axis /gpu:0 generator\n"
            "rows /gpu:0 priority\n");
}

TEST_F(PlacerModelsTest, TheSaversNodesAreOnTheCpu) {
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

TEST_F(PlacerModelsTest, ALayerAndItsLoss) {
  Output x = ops::Placeholder(Named("x"), kFloat, Shape{8, 4});
  Output labels = ops::Placeholder(Named("labels"), kInt64, Shape{8});
  Output w = ops::VarHandleOp(Named("w"), kFloat, Shape{4, 3});
  Output y =
      ops::MatMul(Named("y"), x, ops::ReadVariableOp(Named("read"), w, kFloat));
  ops::SparseSoftmaxCrossEntropyWithLogits(Named("loss"), y, labels);
  EXPECT_EQ(Place(Devices(1, 1)),
            "x /gpu:0 generator\n"
            "labels /gpu:0 generator\n"
            "w /gpu:0 priority\n"
            "read /gpu:0 colocated\n"
            "y /gpu:0 priority\n"
            "loss /gpu:0 priority\n");
}

TEST_F(PlacerModelsTest, GradientsAreWhereTheForwardOpAsksToBe) {
  Output x = ops::Placeholder(On("x", "/cpu:0"), kFloat, Shape{2});
  Output y = ops::Exp(On("y", "/gpu:1"), x);
  std::vector<Output> dx;
  ASSERT_TRUE(AddGradients(root_.WithDevice("/cpu:0"), {y}, {x}, &dx).ok());
  const std::string placed = Place(Devices(1, 2));
  EXPECT_THAT(placed, ::testing::HasSubstr(
                          StrCat(dx[0].node->name(), " /gpu:1 requested")));
}

TEST_F(PlacerModelsTest, ADefaultIsFedOrTakenOnTheGpu) {
  Output rate = ops::Const(Named("rate"), Tensor(0.5f));
  Output in = Named("in")
                  .Op("PlaceholderWithDefault")
                  .In(rate)
                  .Attr("shape", Shape{})
                  .Out();
  ops::Exp(On("y", "/gpu:1"), in);
  EXPECT_EQ(Place(Devices(1, 2)),
            "rate /gpu:0 generator\n"
            "in /gpu:0 priority\n"
            "y /gpu:1 requested\n");
}

TEST_F(PlacerModelsTest, TowersShareVariablesOfTheCpu) {
  Output w = ops::Variable(On("w", "/cpu:0"), kFloat, Shape{2, 2});
  Output x = ops::Placeholder(Named("x"), kFloat, Shape{2, 2});
  Output a = ops::MatMul(On("a", "/gpu:0"), x, w);
  Output b = ops::MatMul(On("b", "/gpu:1"), x, w);
  Output sum = ops::Add(On("sum", "/cpu:0"), a, b);
  Named("train")
      .Op("ApplyGradientDescent")
      .In(w)
      .In(ops::Const(Named("rate"), Tensor(0.1f)))
      .In(sum)
      .Build();
  EXPECT_EQ(Place(Devices(1, 2)),
            "w /cpu:0 requested\n"
            "x /gpu:0 priority\n"
            "a /gpu:0 requested\n"
            "b /gpu:1 requested\n"
            "sum /cpu:0 requested\n"
            "rate /cpu:0 generator\n"
            "train /cpu:0 colocated\n");
}

TEST_F(PlacerModelsTest, SummariesAreMadeOnTheCpu) {
  Output loss = ops::Placeholder(On("loss", "/gpu:0"), kFloat, Shape{});
  ops::ScalarSummary(Named("summary"), "loss", loss);
  EXPECT_EQ(Place(Devices(1, 1)),
            "loss /gpu:0 requested\n"
            "Const /cpu:0 kernel\n"
            "summary /cpu:0 kernel\n");
}

TEST_F(PlacerModelsTest, WhatPrintsAndChecksIsOnTheCpuBesideTheGpu) {
  Output x = ops::Placeholder(On("x", "/gpu:0"), kFloat, Shape{2});
  Output ok = ops::Placeholder(On("ok", "/gpu:0"), kBool, Shape{});
  Node* check =
      Named("check").Op("Assert").In(ok).In(std::vector<Output>{x}).Build();
  ops::Exp(Named("y").WithControlDependencies(std::vector<Node*>{check}), x);
  EXPECT_EQ(Place(Devices(1, 1)),
            "x /gpu:0 requested\n"
            "ok /gpu:0 requested\n"
            "check /cpu:0 kernel\n"
            "y /gpu:0 priority\n");
}

}  // namespace
}  // namespace lockstep::testing
