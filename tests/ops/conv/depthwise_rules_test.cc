// SPDX-License-Identifier: Apache-2.0
// Depthwise convolutions as convolutions in groups of one channel: in blocks
// of channels, and with what follows them.
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

std::vector<std::string> Compare(const std::vector<Tensor>& inputs,
                                 const BuildFn& build) {
  return CompareRewritten(inputs, build, 1e-3);
}

int CountOf(const std::vector<std::string>& steps, const std::string& part) {
  return static_cast<int>(std::ranges::count_if(
      steps, [&](const std::string& s) { return s.find(part) != s.npos; }));
}

// A convolution, two depthwise ones, each followed by one of 1 by 1, as in
// MobileNet; the mean of each channel and the gradients by all filters.
BuildFn MobileNet(const std::vector<int64_t>& strides) {
  return [strides](const Scope& s, const Outputs& in) {
    const auto normed = [&](Output x) {
      const auto n =
          ops::FusedBatchNorm(s, x, in[1], in[2], in[3], in[4],
                              {.epsilon = 0.01f, .is_training = true});
      return ops::Elu(s, n.y);  // whose slope does not leap
    };
    Output x = normed(ops::Conv2D(s, in[0], in[5], kOne, "SAME"));
    x = normed(ops::DepthwiseConv2dNative(s, x, in[6], strides, "SAME"));
    x = normed(ops::Conv2D(s, x, in[7], kOne, "SAME"));
    x = normed(ops::DepthwiseConv2dNative(s, x, in[8], kOne, "SAME"));
    x = normed(ops::Conv2D(s, x, in[9], kOne, "SAME"));
    const Output loss =
        ops::Sum(s, ops::Square(s, ops::Mean(s, x, {1, 2})), {0, 1});
    Outputs all;
    s.graph()->UpdateStatus(AddGradients(
        s, {loss}, {in[0], in[5], in[6], in[7], in[8], in[9]}, &all));
    all.push_back(loss);
    return all;
  };
}

TEST(DepthwiseRulesTest, AMobileNetStaysInBlocks) {
  const std::vector<Tensor> in = {Numbers(kFloat, {8, 28, 28, 32}, -1, 1, 1),
                                  Numbers(kFloat, {32}, 0.5, 1.5, 2),
                                  Numbers(kFloat, {32}, 0, 0.5, 3),
                                  Numbers(kFloat, {32}, -1, 1, 4),
                                  Numbers(kFloat, {32}, 0.5, 1, 5),
                                  Numbers(kFloat, {3, 3, 32, 32}, -1, 1, 6),
                                  Numbers(kFloat, {3, 3, 32, 1}, -1, 1, 7),
                                  Numbers(kFloat, {1, 1, 32, 32}, -1, 1, 8),
                                  Numbers(kFloat, {3, 3, 32, 1}, -1, 1, 9),
                                  Numbers(kFloat, {1, 1, 32, 32}, -1, 1, 10)};
  for (const auto& strides : {kOne, kTwo}) {
    const auto steps = Compare(in, MobileNet(strides));
    EXPECT_EQ(CountSteps(steps, "_BlockedConv2D"), 15) << Join(steps, "\n");
    // The image and the mean's gradient, and the image's.
    EXPECT_EQ(CountSteps(steps, "_ToBlocked"), 2);
    EXPECT_EQ(CountSteps(steps, "_FromBlocked"), 1);
    EXPECT_EQ(CountOf(steps, "Depthwise"), CountOf(steps, "grouped"));
  }
}

// Two filters a channel have no blocks; nor have 24 channels.
TEST(DepthwiseRulesTest, OthersAreGroups) {
  for (const auto& [channels, multiplier] :
       std::vector<std::pair<int64_t, int64_t>>{{16, 2}, {24, 1}, {16, 1}}) {
    SCOPED_TRACE(StrCat(channels, " ", multiplier));
    const int64_t made = channels * multiplier;
    const std::vector<Tensor> in = {
        Numbers(kFloat, {2, 20, 20, channels}, -1, 1, 1),
        Numbers(kFloat, {3, 3, channels, multiplier}, -1, 1, 2),
        Numbers(kFloat, {3, 3, made, 32}, -1, 1, 3),
        Numbers(kFloat, {made}, -1, 1, 4)};
    const auto steps = Compare(in, [](const Scope& s, const Outputs& x) {
      const Output y = ops::Relu6(
          s, ops::BiasAdd(
                 s, ops::DepthwiseConv2dNative(s, x[0], x[1], kTwo, "SAME"),
                 x[3]));
      const Output loss =
          ops::Mean(s, ops::Square(s, ops::Conv2D(s, y, x[2], kOne, "SAME")),
                    {0, 1, 2, 3});
      Outputs all;
      s.graph()->UpdateStatus(
          AddGradients(s, {loss}, {x[0], x[1], x[2], x[3]}, &all));
      all.push_back(loss);
      return all;
    });
    EXPECT_EQ(CountSteps(steps, "Relu6"), 0) << Join(steps, "\n");
    EXPECT_EQ(CountSteps(steps, "DepthwiseConv2dNative"), 0);
  }
}

TEST(DepthwiseRulesTest, TakesInAConstantNormalisation) {
  const std::vector<Tensor> in = {Numbers(kFloat, {2, 5, 6, 4}, -1, 1, 1)};
  for (const int64_t multiplier : {1, 2}) {
    const auto steps =
        Compare(in, [multiplier](const Scope& s, const Outputs& x) {
          const auto vector = [&](uint64_t seed) {
            return Numbers(kFloat, {4 * multiplier}, 0.5, 2, seed);
          };
          const Output y = ops::DepthwiseConv2dNative(
              s, x[0], Numbers(kFloat, {3, 3, 4, multiplier}, -1, 1, 3), kOne,
              "SAME");
          const auto norm =
              ops::FusedBatchNorm(s, y, vector(5), vector(6), vector(7),
                                  vector(8), {.is_training = false});
          return Outputs{ops::Relu6(s, norm.y)};
        });
    ASSERT_EQ(steps.size(), 1u) << Join(steps, "\n");
    EXPECT_EQ(CountSteps(steps, "_FusedConv2D"), 1);
  }
}

TEST(DepthwiseRulesTest, WithoutImages) {
  const std::vector<Tensor> in = {Tensor(kFloat, Shape{0, 6, 6, 16}),
                                  Tensor(kFloat, Shape{3, 3, 16, 1})};
  Compare(in, [](const Scope& s, const Outputs& x) {
    const Output y = ops::DepthwiseConv2dNative(s, x[0], x[1], kOne, "SAME");
    Outputs all;
    s.graph()->UpdateStatus(
        AddGradients(s, {ops::Square(s, y)}, {x[0], x[1]}, &all));
    all.push_back(ops::Elu(s, y));
    return all;
  });
}

}  // namespace
}  // namespace lockstep::testing
