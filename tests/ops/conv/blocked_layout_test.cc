// SPDX-License-Identifier: Apache-2.0
// Networks of convolutions whose images lie in blocks of channels between
// them, beside the same networks without rewrites.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/array/array.h"
#include "ops/conv/blocked.h"
#include "ops/conv/conv.h"
#include "ops/linalg/linalg.h"
#include "ops/math/math.h"
#include "ops/nn/nn.h"
#include "ops/reduce/reduce.h"
#include "runtime/graph/gradients.h"
#include "tests/ops/conv/rewritten.h"

namespace lockstep::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

struct Network {
  Shape image;
  std::vector<Shape> filters;  // one for each layer
  std::vector<bool> pooled;    // after the layer
  bool see_inside = false;     // the first layer's output is fetched, too
  bool residual = false;       // the last layer's input is added to its output
};

// The network's output's mean and its gradients by all filters and biases.
BuildFn Build(const Network& net) {
  return [net](const Scope& s, const std::vector<Output>& in) {
    Output x = in[0], inside;
    std::vector<Output> by;
    for (size_t i = 0; i < net.filters.size(); ++i) {
      const Output f = in[1 + 2 * i], b = in[2 + 2 * i];
      Output y = ops::BiasAdd(s, ops::Conv2D(s, x, f, kOne, "SAME"), b);
      if (net.residual && i + 1 == net.filters.size()) y = ops::Add(s, y, x);
      x = ops::Relu(s, y);
      if (net.pooled[i]) x = ops::MaxPool(s, x, kTwo, kTwo, "SAME");
      if (i == 0) inside = x;
      by.push_back(f);
      by.push_back(b);
    }
    const Output loss = ops::Mean(s, ops::Square(s, x), {0, 1, 2, 3});
    std::vector<Output> all;
    s.graph()->UpdateStatus(AddGradients(s, {loss}, by, &all));
    all.push_back(loss);
    if (net.see_inside) all.push_back(inside);
    return all;
  };
}

std::vector<Tensor> Inputs(const Network& net) {
  std::vector<Tensor> in = {Numbers(kFloat, net.image, -1, 1, 3)};
  uint64_t seed = 4;
  for (const Shape& f : net.filters) {
    in.push_back(Numbers(kFloat, f, -0.2, 0.2, seed++));
    in.push_back(Numbers(kFloat, Shape{f.dim(3)}, -0.1, 0.1, seed++));
  }
  return in;
}

// The plan's steps of the rewritten network, after comparing its values.
std::vector<std::string> Compare(const Network& net) {
  return CompareRewritten(Inputs(net), Build(net), 2e-4);
}

TEST(BlockedLayoutTest, ATrainedNetworkStaysInBlocks) {
  const auto steps = Compare({.image = {8, 28, 28, 1},
                              .filters = {{3, 3, 1, 32}, {3, 3, 32, 64}},
                              .pooled = {true, true}});
  // One forward, one by filter, one by image; the first layer with its pool.
  EXPECT_EQ(CountSteps(steps, "_BlockedConv2D"), 3);
  EXPECT_EQ(CountSteps(steps, "_BlockedConvMaxPool"), 1);
  EXPECT_EQ(CountSteps(steps, "_BlockedMaxPoolFilterGrad"), 1);
  EXPECT_EQ(CountSteps(steps, "_BlockedBiasAddGrad"), 2);
  EXPECT_THAT(steps, Not(Contains(HasSubstr("= Conv2D"))));
  // In and out once, where the network ends.
  EXPECT_EQ(CountSteps(steps, "_FromBlocked"), 1);
  EXPECT_EQ(CountSteps(steps, "_ToBlocked"), 1);
}

TEST(BlockedLayoutTest, FirstLayersOfColourAndOddSizes) {
  const auto steps = Compare({.image = {5, 19, 23, 3},
                              .filters = {{5, 3, 3, 16}, {3, 3, 16, 48}},
                              .pooled = {true, false}});
  // The first layer alone: what reads the second one's output knows no blocks.
  EXPECT_EQ(CountSteps(steps, "_BlockedConv2D"), 2);
}

TEST(BlockedLayoutTest, WhatIsFetchedIsAsEver) {
  const auto steps = Compare({.image = {6, 14, 14, 32},
                              .filters = {{3, 3, 32, 64}, {3, 3, 64, 32}},
                              .pooled = {false, true},
                              .see_inside = true});
  EXPECT_GE(CountSteps(steps, "_BlockedConv2D"), 4);
}

TEST(BlockedLayoutTest, ResidualsAndLayersInARow) {
  Compare({.image = {4, 12, 12, 32},
           .filters = {{3, 3, 32, 32}, {3, 3, 32, 32}, {3, 3, 32, 32}},
           .pooled = {false, false, false},
           .residual = true});
}

// Without a pool behind it, which makes the bias's gradient out of fewer
// numbers. The last layer's output is read by what knows no blocks.
TEST(BlockedLayoutTest, AFiltersGradientBringsItsBiases) {
  const auto steps = Compare({.image = {4, 14, 14, 32},
                              .filters = {{3, 3, 32, 32},
                                          {5, 5, 32, 16},
                                          {3, 3, 16, 32},
                                          {3, 3, 32, 32}},
                              .pooled = {false, false, false, true}});
  int both = 0;
  for (const std::string& s : steps) both += s.find("/bias = ") != s.npos;
  EXPECT_EQ(both, 3) << Join(steps, "\n");
  EXPECT_LE(CountSteps(steps, "_BlockedBiasAddGrad"), 1);
  const auto few = Compare({.image = {5, 19, 23, 3},
                            .filters = {{5, 3, 3, 16}, {3, 3, 16, 48}},
                            .pooled = {false, true}});
  EXPECT_THAT(few, Contains(HasSubstr("/bias = ")));
}

TEST(BlockedLayoutTest, SmallAndUnevenChannelsAreLeftAsTheyAre) {
  EXPECT_EQ(CountSteps(Compare({.image = {2, 8, 8, 4},
                                .filters = {{3, 3, 4, 16}},
                                .pooled = {true}}),
                       "_BlockedConv2D"),
            0);
  EXPECT_EQ(CountSteps(Compare({.image = {8, 28, 28, 24},
                                .filters = {{3, 3, 24, 40}},
                                .pooled = {true}}),
                       "_BlockedConv2D"),
            0);
}

// A convolution that is only a target was replaced again and again.
TEST(BlockedLayoutTest, WhatNobodyReadsIsLeftAsItIs) {
  Graph graph;
  const Scope s(&graph);
  const Output x = ops::Placeholder(s.WithName("x"), kFloat, {8, 14, 14, 32});
  const Output f = ops::Placeholder(s.WithName("f"), kFloat, {3, 3, 32, 64});
  ops::Conv2D(s.WithName("y"), x, f, kOne, "SAME");
  auto session = Session::Create(graph, {});
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  const auto ran =
      (*session)->Run({{"x:0", Numbers(kFloat, {8, 14, 14, 32}, -1, 1, 1)},
                       {"f:0", Numbers(kFloat, {3, 3, 32, 64}, -1, 1, 2)}},
                      {}, {"y"});
  EXPECT_TRUE(ran.ok()) << ran.status().ToString();
}

TEST(BlockedLayoutTest, BlocksAndBack) {
  const Tensor x = Numbers(kFloat, {3, 4, 5, 32}, -1, 1, 9);
  const BuildFn build = [](const Scope& s, const std::vector<Output>& in) {
    const Output blocked = s.Op("_ToBlocked").In(in[0]).Out();
    const Output back = s.Op("_FromBlocked")
                            .In(blocked)
                            .Attr("shape", Shape{3, 4, 5, 32})
                            .Out();
    const Output sums = s.Op("_BlockedBiasAddGrad")
                            .In(blocked)
                            .Attr("shape", Shape{3, 4, 5, 32})
                            .Out();
    return std::vector<Output>{blocked, back, sums};
  };
  const auto out = RunGraph({x}, build, {.optimize = false});
  ASSERT_TRUE(out.ok()) << out.status().ToString();
  EXPECT_EQ((*out)[0].shape(), (Shape{6, 4, 5, 16}));
  ExpectClose((*out)[1], x, 0);
  // Image 1, row 2, column 3, channel 17: the second block's second channel.
  EXPECT_EQ((*out)[0].flat<float>()[(((1 * 2 + 1) * 4 + 2) * 5 + 3) * 16 + 1],
            x.flat<float>()[((1 * 4 + 2) * 5 + 3) * 32 + 17]);
  std::vector<double> sums(32, 0);
  for (size_t i = 0; i < x.flat<float>().size(); ++i) {
    sums[i % 32] += x.flat<float>()[i];
  }
  ExpectValues((*out)[2], {32}, sums, 1e-5);
}

TEST(BlockedLayoutTest, WhatDoesNotFitIsRefused) {
  const Tensor x = Numbers(kFloat, {2, 4, 4, 16}, -1, 1, 9);
  const auto refused = [&](const Shape& shape) {
    return RunGraph(
               {x},
               [&](const Scope& s, const std::vector<Output>& in) {
                 return std::vector<Output>{
                     s.Op("_FromBlocked").In(in[0]).Attr("shape", shape).Out()};
               })
        .status();
  };
  EXPECT_EQ(refused({2, 4, 4, 24}).code(), Code::kInvalidArgument);
  EXPECT_EQ(refused({2, 4, 4, 32}).code(), Code::kInvalidArgument);
  EXPECT_TRUE(refused({1, 4, 4, 32}).ok());
}

}  // namespace
}  // namespace lockstep::testing
