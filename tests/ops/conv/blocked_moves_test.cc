// SPDX-License-Identifier: Apache-2.0
// Networks with batch normalisation, sums, pools and means whose images stay
// in blocks of channels, beside the same networks without rewrites.
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

// The plan's steps of the rewritten network, after comparing its values.
std::vector<std::string> Compare(const std::vector<Tensor>& inputs,
                                 const BuildFn& build) {
  return CompareRewritten(inputs, build, 1e-3);
}

struct Residual {
  bool training = true;
  bool fetched = false;  // what comes out of the first normalisation
};

Output Norm(const Scope& s, Output x, const Outputs& in, bool training) {
  return ops::FusedBatchNorm(s, x, in[0], in[1], in[2], in[3],
                             {.epsilon = 0.01f, .is_training = training})
      .y;
}

// Two convolutions, normalised, beside their image; then one of stride 2, and
// the mean of each channel. Its sum's gradients by all weights.
BuildFn Build(const Residual& net) {
  return [net](const Scope& s, const Outputs& in) {
    const Outputs norm = {in[1], in[2], in[3], in[4]};
    const auto conv = [&](Output x, size_t filter,
                          const std::vector<int64_t>& strides) {
      return Norm(s, ops::Conv2D(s, x, in[filter], strides, "SAME"), norm,
                  net.training);
    };
    const Output x = ops::Relu(s, conv(in[0], 5, kOne));
    const Output inside = conv(x, 6, kOne);
    const Output y =
        ops::Relu(s, ops::Add(s, x, conv(ops::Relu(s, inside), 7, kOne)));
    const Output z = ops::Relu6(s, conv(y, 8, kTwo));
    const Output loss =
        ops::Sum(s, ops::Square(s, ops::Mean(s, z, {1, 2})), {0, 1});
    Outputs all;
    s.graph()->UpdateStatus(AddGradients(
        s, {loss}, {in[1], in[2], in[5], in[6], in[7], in[8]}, &all));
    all.push_back(loss);
    all.push_back(z);
    if (net.fetched) all.push_back(inside);
    return all;
  };
}

std::vector<Tensor> Inputs() {
  std::vector<Tensor> in = {
      Numbers(kFloat, {8, 14, 14, 3}, -1, 1, 3),
      Numbers(kFloat, {32}, 0.5, 1.5, 4), Numbers(kFloat, {32}, -0.5, 0.5, 5),
      Numbers(kFloat, {32}, -0.1, 0.1, 6), Numbers(kFloat, {32}, 0.5, 1.5, 7)};
  for (const int64_t channels : {3, 32, 32, 32}) {
    in.push_back(Numbers(kFloat, {3, 3, channels, 32}, -0.2, 0.2,
                         static_cast<uint64_t>(in.size()) + 4));
  }
  return in;
}

TEST(BlockedMovesTest, ATrainedResidualStaysInBlocks) {
  const auto steps = Compare(Inputs(), Build({}));
  EXPECT_EQ(CountSteps(steps, "_BlockedConv2D"), 11) << Join(steps, "\n");
  EXPECT_EQ(CountSteps(steps, "_BatchNorm"), 4);
  EXPECT_EQ(CountSteps(steps, "_BatchNormGrad"), 4);
  // The mean's gradient, and what is fetched.
  EXPECT_EQ(CountSteps(steps, "_ToBlocked"), 1);
  EXPECT_EQ(CountSteps(steps, "_FromBlocked"), 1);
}

TEST(BlockedMovesTest, GivenMomentsAndWhatIsFetched) {
  Compare(Inputs(), Build({.training = false}));
  Compare(Inputs(), Build({.fetched = true}));
}

// AvgPool's gradient has the image's shape as an input.
TEST(BlockedMovesTest, AveragePools) {
  const std::vector<Tensor> in = {Numbers(kFloat, {4, 15, 15, 32}, -1, 1, 3),
                                  Numbers(kFloat, {3, 3, 32, 32}, -1, 1, 4),
                                  Numbers(kFloat, {3, 3, 32, 48}, -1, 1, 5)};
  const auto steps = Compare(in, [](const Scope& s, const Outputs& x) {
    const Output a = ops::AvgPool(s, ops::Conv2D(s, x[0], x[1], kOne, "SAME"),
                                  {1, 3, 3, 1}, kTwo, "SAME");
    const Output b = ops::AvgPool(s, ops::Conv2D(s, a, x[2], kOne, "SAME"),
                                  kTwo, kTwo, "VALID");
    const Output loss =
        ops::Mean(s, ops::Square(s, ops::Mean(s, b, {1, 2})), {0, 1});
    Outputs all;
    s.graph()->UpdateStatus(AddGradients(s, {loss}, {x[0], x[1], x[2]}, &all));
    all.push_back(loss);
    return all;
  });
  EXPECT_EQ(CountSteps(steps, "_BlockedConv2D"), 6) << Join(steps, "\n");
  EXPECT_EQ(CountSteps(steps, "AvgPool"), 2);
  // The image and the mean's gradient, and the image's.
  EXPECT_EQ(CountSteps(steps, "_ToBlocked"), 2);
  EXPECT_EQ(CountSteps(steps, "_FromBlocked"), 1);
}

// A sum with what is not in blocks would only read that into them.
TEST(BlockedMovesTest, ASumWithOtherImagesStaysWhereItIs) {
  const std::vector<Tensor> in = {Numbers(kFloat, {4, 14, 14, 32}, -1, 1, 3),
                                  Numbers(kFloat, {3, 3, 32, 32}, -1, 1, 4)};
  const auto steps = Compare(in, [](const Scope& s, const Outputs& x) {
    return Outputs{ops::Exp(
        s, ops::Mul(s, ops::Conv2D(s, x[0], x[1], kOne, "SAME"), x[0]))};
  });
  EXPECT_EQ(CountSteps(steps, "_ToBlocked"), 1) << Join(steps, "\n");
  EXPECT_EQ(CountSteps(steps, "_FromBlocked"), 1);
}

}  // namespace
}  // namespace lockstep::testing
