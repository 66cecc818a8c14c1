// SPDX-License-Identifier: Apache-2.0
// Activations that become part of the convolution they follow, with a bias or
// without, beside the same network without rewrites.
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

using Outputs = std::vector<Output>;

const char* const kActivations[] = {"Relu", "Relu6", "LeakyRelu", "Elu"};

Output Apply(const Scope& s, const std::string& op, Output x) {
  return op == "LeakyRelu" ? ops::LeakyRelu(s, x, 0.25f) : s.Op(op).In(x).Out();
}

// The plan's steps of the rewritten network, after comparing its values.
std::vector<std::string> Compare(const std::vector<Tensor>& inputs,
                                 const BuildFn& build) {
  return CompareRewritten(inputs, build, 1e-4);
}

BuildFn Layer(const std::string& op, bool biased = false, bool padded = false) {
  return [=](const Scope& s, const Outputs& in) {
    Output y =
        padded ? ops::Conv2D(s, in[0], in[1], kOne, "EXPLICIT",
                             {.explicit_paddings = {0, 0, 1, 1, 0, 0, 0, 0}})
               : ops::Conv2D(s, in[0], in[1], kOne, "SAME");
    if (biased) y = ops::BiasAdd(s, y, in[2]);
    return Outputs{Apply(s, op, y)};
  };
}

struct Known {
  std::string op;
  std::initializer_list<float> values;  // of -2, 0.5, 8, 0
};

TEST(ConvActivationTest, KnownValues) {
  const std::vector<Tensor> in = {
      Tensor::Of<float>({1, 1, 4, 1}, {-1, 0.25, 4, 0}),
      Tensor::Of<float>({1, 1, 1, 1}, {2})};
  for (const Known& t :
       {Known{"Relu", {0, 0.5, 8, 0}}, Known{"Relu6", {0, 0.5, 6, 0}},
        Known{"LeakyRelu", {-0.5, 0.5, 8, 0}},
        Known{"Elu", {-0.8646647f, 0.5, 8, 0}}}) {
    SCOPED_TRACE(t.op);
    ExpectClose(EvaluateOne(in, Layer(t.op)),
                Tensor::Of<float>({1, 1, 4, 1}, t.values), 1e-6);
    const auto steps = PlanOf(in, Layer(t.op));
    ASSERT_EQ(steps.size(), 1u) << Join(steps, "\n");
    EXPECT_EQ(CountSteps(steps, "_FusedConv2D"), 1);
  }
}

// Where all is padding there is no product; the activation is of the bias.
TEST(ConvActivationTest, OfAnEmptySum) {
  const std::vector<Tensor> in = {Tensor(kFloat, Shape{1, 0, 1, 1}),
                                  Tensor::Of<float>({1, 1, 1, 2}, {3, 4}),
                                  Tensor::Of<float>({2}, {-1, 9})};
  for (const char* op : kActivations) {
    SCOPED_TRACE(op);
    EXPECT_EQ(CountSteps(Compare(in, Layer(op, false, true)), "_FusedConv2D"),
              1);
    EXPECT_EQ(CountSteps(Compare(in, Layer(op, true, true)), "_FusedConv2D"),
              1);
  }
}

// Two layers, the second with a bias, and the gradients by all that is read:
// LeakyRelu's needs what it was made of.
BuildFn Network(const std::string& op, bool pooled) {
  return [=](const Scope& s, const Outputs& in) {
    const Output x = Apply(s, op, ops::Conv2D(s, in[0], in[1], kOne, "SAME"));
    Output y = Apply(
        s, op, ops::BiasAdd(s, ops::Conv2D(s, x, in[2], kTwo, "SAME"), in[3]));
    if (pooled) y = ops::MaxPool(s, y, kTwo, kTwo, "SAME");
    const Output loss = ops::Mean(s, ops::Square(s, y), {0, 1, 2, 3});
    Outputs all;
    s.graph()->UpdateStatus(
        AddGradients(s, {loss}, {in[0], in[1], in[2], in[3]}, &all));
    all.push_back(loss);
    return all;
  };
}

TEST(ConvActivationTest, GradientsOfAllLayouts) {
  for (const int64_t channels : {5, 16}) {
    const std::vector<Tensor> in = {
        Numbers(kFloat, {4, 12, 14, channels}, -1, 1, 1),
        Numbers(kFloat, {3, 3, channels, 16}, -0.5, 0.5, 2),
        Numbers(kFloat, {3, 3, 16, 16}, -0.5, 0.5, 3),
        Numbers(kFloat, {16}, -1, 1, 4)};
    for (const std::string op : kActivations) {
      for (const bool pooled : {false, true}) {
        SCOPED_TRACE(StrCat(op, " ", channels, " ", pooled));
        const auto steps = Compare(in, Network(op, pooled));
        const int alone = op == "LeakyRelu" ? 2 : 0;
        EXPECT_EQ(CountSteps(steps, op), alone) << Join(steps, "\n");
      }
    }
  }
}

// A first layer and its pool, by tiles.
TEST(ConvActivationTest, InTilesOfAPool) {
  const std::vector<Tensor> in = {Numbers(kFloat, {8, 28, 28, 1}, -1, 1, 1),
                                  Numbers(kFloat, {5, 5, 1, 32}, -1, 1, 2)};
  for (const char* op : kActivations) {
    SCOPED_TRACE(op);
    Compare(in, [op](const Scope& s, const Outputs& x) {
      const Output y = Apply(s, op, ops::Conv2D(s, x[0], x[1], kOne, "SAME"));
      const Output loss =
          ops::Mean(s, ops::Square(s, ops::MaxPool(s, y, kTwo, kTwo, "SAME")),
                    {0, 1, 2, 3});
      Outputs all;
      s.graph()->UpdateStatus(AddGradients(s, {loss}, {x[1]}, &all));
      return all;
    });
  }
}

// Winograd's kernels, a third faster, end in Relu and in nothing else.
TEST(ConvActivationTest, WinogradTakesRelu) {
  const std::vector<Tensor> in = {Numbers(kFloat, {2, 12, 12, 32}, -1, 1, 1),
                                  Numbers(kFloat, {3, 3, 32, 32}, -1, 1, 2)};
  for (const std::string op : kActivations) {
    SCOPED_TRACE(op);
    const auto steps = CompareRewritten(in, Layer(op), 1e-3);
    EXPECT_EQ(CountSteps(steps, "_BlockedConv2D"), 1) << Join(steps, "\n");
    EXPECT_EQ(CountSteps(steps, op), op == "Relu" ? 0 : 1);
  }
}

TEST(ConvActivationTest, WhatOthersReadIsAppliedByItself) {
  const std::vector<Tensor> in = {Numbers(kFloat, {2, 6, 6, 4}, -1, 1, 1),
                                  Numbers(kFloat, {3, 3, 4, 4}, -1, 1, 2)};
  const auto steps = Compare(in, [](const Scope& s, const Outputs& x) {
    const Output y = ops::Conv2D(s, x[0], x[1], kOne, "SAME");
    return Outputs{ops::Relu6(s, y), y};
  });
  EXPECT_EQ(CountSteps(steps, "Conv2D"), 1) << Join(steps, "\n");
  EXPECT_EQ(CountSteps(steps, "Relu6"), 1);
}

TEST(ConvActivationTest, BehindAFoldedNormalisation) {
  const std::vector<Tensor> in = {Numbers(kFloat, {2, 5, 6, 4}, -1, 1, 1)};
  const auto steps = Compare(in, [](const Scope& s, const Outputs& x) {
    const auto vector = [](uint64_t seed) {
      return Numbers(kFloat, {6}, 0.5, 2, seed);
    };
    const Output y = ops::Conv2D(
        s, x[0], Numbers(kFloat, {3, 3, 4, 6}, -1, 1, 3), kOne, "SAME");
    const auto norm = ops::FusedBatchNorm(s, y, vector(5), vector(6), vector(7),
                                          vector(8), {.is_training = false});
    return Outputs{ops::Relu6(s, norm.y)};
  });
  ASSERT_EQ(steps.size(), 1u) << Join(steps, "\n");
  EXPECT_EQ(CountSteps(steps, "_FusedConv2D"), 1);
}

}  // namespace
}  // namespace lockstep::testing
