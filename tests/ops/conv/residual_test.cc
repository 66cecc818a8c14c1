// SPDX-License-Identifier: Apache-2.0
// What follows a convolution and becomes part of it: a sum with another image,
// and a batch normalisation by constants.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/array/array.h"
#include "ops/conv/conv.h"
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
using Outputs = std::vector<Output>;

// The plan's steps of the rewritten network, after comparing its values.
std::vector<std::string> Compare(const std::vector<Tensor>& inputs,
                                 const BuildFn& build) {
  return CompareRewritten(inputs, build, 2e-4);
}

// x: [1,1,2,2]; the filter adds both channels, and takes the first.
TEST(ResidualTest, IsAddedBeforeRelu) {
  const auto x = Tensor::Of<float>({1, 1, 2, 2}, {1, 2, 3, 4});
  const auto filter = Tensor::Of<float>({1, 1, 2, 2}, {1, 1, 1, 0});
  const auto residual = Tensor::Of<float>({1, 1, 2, 2}, {10, -20, 30, -40});
  for (const bool biased : {false, true}) {
    const BuildFn build = [biased](const Scope& s, const Outputs& in) {
      Output y = ops::Conv2D(s, in[0], in[1], kOne, "SAME");
      if (biased) y = ops::BiasAdd(s, y, {100.0f, 1.0f});
      return Outputs{ops::Relu(s, ops::Add(s, in[2], y))};
    };
    const Tensor y = EvaluateOne({x, filter, residual}, build);
    // 1 + 2 + 10, 1 - 20, 3 + 4 + 30, 3 - 40, and the biases.
    ExpectValues(y, {1, 1, 2, 2},
                 biased ? std::vector<double>{113, 0, 137, 0}
                        : std::vector<double>{13, 0, 37, 0});
    const auto steps = PlanOf({x, filter, residual}, build);
    ASSERT_EQ(steps.size(), 1u) << Join(steps, "\n");
    EXPECT_EQ(CountSteps(steps, "_FusedConv2D"), 1);
  }
}

struct Case {
  Shape image;
  Shape filter;
  std::vector<int64_t> strides = kOne;
  bool biased = true;
  bool relu = true;
  const char* blocked = "_FusedConv2D";  // the op that it ends in
};

TEST(ResidualTest, OfAllLayouts) {
  for (const Case& t : {Case{{2, 9, 7, 5}, {3, 3, 5, 6}},
                        Case{{2, 9, 7, 5}, {3, 3, 5, 6}, kTwo, false},
                        Case{{2, 9, 7, 16}, {3, 3, 16, 24}, kTwo, true, false},
                        Case{{4, 14, 14, 32},
                             {3, 3, 32, 32},
                             kOne,
                             true,
                             true,
                             "_BlockedConv2D"},
                        Case{{4, 14, 14, 32},
                             {3, 3, 32, 32},
                             kOne,
                             false,
                             false,
                             "_BlockedConv2D"}}) {
    SCOPED_TRACE(StrCat(t.image, " ", t.filter));
    const int64_t stride = t.strides[1];
    const Shape made{t.image.dim(0), (t.image.dim(1) + stride - 1) / stride,
                     (t.image.dim(2) + stride - 1) / stride, t.filter.dim(3)};
    const auto steps = Compare(
        {Numbers(kFloat, t.image, -1, 1, 2),
         Numbers(kFloat, t.filter, -1, 1, 3), Numbers(kFloat, made, -1, 1, 4),
         Numbers(kFloat, Shape{made.dim(3)}, -1, 1, 5)},
        [&](const Scope& s, const Outputs& in) {
          Output y = ops::Conv2D(s, in[0], in[1], t.strides, "SAME");
          if (t.biased) y = ops::BiasAdd(s, y, in[3]);
          y = ops::Add(s, y, in[2]);
          return Outputs{t.relu ? ops::Relu(s, y) : y};
        });
    EXPECT_EQ(CountSteps(steps, t.blocked), 1) << Join(steps, "\n");
    EXPECT_EQ(CountSteps(steps, "AddV2") + CountSteps(steps, "Relu"), 0);
  }
}

// Two layers beside their image, which others read as well, and a shortcut
// that is a convolution itself.
BuildFn Network(bool fetched) {
  return [fetched](const Scope& s, const Outputs& in) {
    const auto conv = [&](Output x, size_t filter,
                          const std::vector<int64_t>& strides) {
      return ops::BiasAdd(s, ops::Conv2D(s, x, in[filter], strides, "SAME"),
                          in[5]);
    };
    const Output x = ops::Relu(s, conv(in[0], 1, kOne));
    const Output inner = conv(x, 2, kOne);
    const Output y = ops::Relu(s, ops::Add(s, inner, x));
    const Output z =
        ops::Relu(s, ops::Add(s, conv(y, 3, kTwo), conv(y, 4, kTwo)));
    const Output loss = ops::Mean(s, ops::Square(s, z), {0, 1, 2, 3});
    Outputs all;
    s.graph()->UpdateStatus(AddGradients(
        s, {loss}, {in[0], in[1], in[2], in[3], in[4], in[5]}, &all));
    all.push_back(loss);
    if (fetched) all.push_back(inner);
    return all;
  };
}

TEST(ResidualTest, GradientsAndWhatIsFetched) {
  const std::vector<Tensor> in = {Numbers(kFloat, {3, 14, 14, 32}, -1, 1, 2),
                                  Numbers(kFloat, {3, 3, 32, 32}, -0.2, 0.2, 3),
                                  Numbers(kFloat, {3, 3, 32, 32}, -0.2, 0.2, 4),
                                  Numbers(kFloat, {3, 3, 32, 32}, -0.2, 0.2, 5),
                                  Numbers(kFloat, {1, 1, 32, 32}, -0.2, 0.2, 6),
                                  Numbers(kFloat, {32}, -0.1, 0.1, 7)};
  const std::string by_itself = " of AddV2, Relu";
  const auto steps = Compare(in, Network(false));
  EXPECT_THAT(steps, Not(Contains(HasSubstr(by_itself))));
  EXPECT_EQ(CountSteps(steps, "Relu"), 0) << Join(steps, "\n");
  EXPECT_THAT(Compare(in, Network(true)), Contains(HasSubstr(by_itself)));
}

TEST(ResidualTest, WhatIsNoImageOfItsSizeOrReadTwiceIsAddedByItself) {
  const std::vector<Tensor> in = {Numbers(kFloat, {2, 6, 6, 4}, -1, 1, 2),
                                  Numbers(kFloat, {3, 3, 4, 4}, -1, 1, 3),
                                  Numbers(kFloat, {6, 1, 4}, -1, 1, 4)};
  const auto broadcast = Compare(in, [](const Scope& s, const Outputs& x) {
    return Outputs{ops::Add(s, ops::Conv2D(s, x[0], x[1], kOne, "SAME"), x[2])};
  });
  EXPECT_EQ(CountSteps(broadcast, "Conv2D"), 1) << Join(broadcast, "\n");
  const auto twice = Compare(in, [](const Scope& s, const Outputs& x) {
    const Output y = ops::Conv2D(s, x[0], x[1], kOne, "SAME");
    return Outputs{ops::Add(s, y, y)};
  });
  EXPECT_EQ(CountSteps(twice, "Conv2D"), 1) << Join(twice, "\n");
}

// --- Batch normalisation by constants ---------------------------------------

struct Frozen {
  bool biased = false, training = false, variable = false, moments = false;
};

BuildFn Build(const Frozen& t) {
  return [t](const Scope& s, const Outputs& in) {
    const Tensor filter = Numbers(kFloat, {3, 3, 4, 6}, -1, 1, 3);
    const auto vector = [](double low, uint64_t seed) {
      return Numbers(kFloat, {6}, low, 2, seed);
    };
    Output y = ops::Conv2D(s, in[0], filter, kOne, "SAME");
    if (t.biased) y = ops::BiasAdd(s, y, vector(-1, 4));
    const auto norm = ops::FusedBatchNorm(
        s, y, t.variable ? Input(in[1]) : Input(vector(0.5, 5)), vector(-1, 6),
        vector(-1, 7), vector(0.5, 8),
        {.epsilon = 0.01f, .is_training = t.training});
    Outputs all = {ops::Relu(s, ops::Add(s, norm.y, in[2]))};
    if (t.moments) all.push_back(norm.batch_mean);
    return all;
  };
}

TEST(FoldBatchNormTest, BecomesWeightsAndBias) {
  const std::vector<Tensor> in = {Numbers(kFloat, {2, 5, 6, 4}, -1, 1, 1),
                                  Numbers(kFloat, {6}, 0.5, 2, 9),
                                  Numbers(kFloat, {2, 5, 6, 6}, -1, 1, 2)};
  for (const bool biased : {false, true}) {
    const auto steps = Compare(in, Build({.biased = biased}));
    ASSERT_EQ(steps.size(), 1u) << Join(steps, "\n");
    EXPECT_EQ(CountSteps(steps, "_FusedConv2D"), 1);
  }
  for (const Frozen& other :
       {Frozen{.training = true}, Frozen{.variable = true},
        Frozen{.moments = true}}) {
    EXPECT_EQ(CountSteps(Compare(in, Build(other)), "_BatchNorm"), 1);
  }
}

}  // namespace
}  // namespace lockstep::testing
