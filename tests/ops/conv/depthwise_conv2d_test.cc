// SPDX-License-Identifier: Apache-2.0
#include "ops/conv/conv.h"
#include "ops/reduce/reduce.h"
#include "runtime/graph/gradients.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;

struct Setting {
  std::vector<int64_t> strides = {1, 1, 1, 1};
  std::string padding = "SAME";
  ops::Conv2DOptions options = {};
};

BuildFn Depthwise(const Setting& c) {
  return [c](const Scope& s, const std::vector<Output>& in) {
    return std::vector<Output>{ops::DepthwiseConv2dNative(
        s, in[0], in[1], c.strides, c.padding, c.options)};
  };
}

TEST(DepthwiseConv2dTest, EachChannelHasFiltersOfItsOwn) {
  // Channels 1 2 / 3 4 and 5 6 / 7 8; each with two filters of one number.
  const Tensor x = Tensor::Of<double>({1, 2, 2, 2}, {1, 5, 2, 6, 3, 7, 4, 8});
  const Tensor f = Tensor::Of<double>({1, 1, 2, 2}, {1, 2, 4, 16});
  for (const DType t : {kFloat, kDouble, kHalf, kBfloat16}) {
    ExpectValues(EvaluateOne({ToDType(x, t), ToDType(f, t)}, Depthwise({})),
                 {1, 2, 2, 4},
                 {1, 2, 20, 80, 2, 4, 24, 96, 3, 6, 28, 112, 4, 8, 32, 128});
  }
}

// Filter [h,w,C,M] as one of Conv2D, [h,w,C,C M], with zeros between channels.
Tensor Widened(const Tensor& f) {
  const Shape& s = f.shape();
  const int64_t c = s.dim(2), m = s.dim(3);
  Tensor wide(kDouble, Shape{s.dim(0), s.dim(1), c, c * m});
  std::ranges::fill(wide.flat<double>(), 0.0);
  for (int64_t i = 0; i < f.NumElements(); ++i) {
    const int64_t tap = i / (c * m), k = i / m % c;
    const int64_t to = (tap * c + k) * c * m + i % (c * m);
    wide.flat<double>()[static_cast<size_t>(to)] =
        f.flat<double>()[static_cast<size_t>(i)];
  }
  return wide;
}

std::vector<Setting> Settings() {
  return {{},
          {.padding = "VALID"},
          {.strides = {1, 2, 2, 1}},
          {.options = {.dilations = {1, 2, 2, 1}}},
          {.padding = "EXPLICIT",
           .options = {.explicit_paddings = {0, 0, 1, 2, 0, 1, 0, 0}}}};
}

TEST(DepthwiseConv2dTest, IsAConvolutionWithZerosBetweenChannels) {
  for (const int64_t multiplier : {1, 2}) {
    const Tensor x = Numbers(kDouble, {2, 6, 5, 3});
    const Tensor f = Numbers(kDouble, {3, 2, 3, multiplier}, -1, 1, 2);
    for (const Setting& c : Settings()) {
      const Tensor want = EvaluateOne(
          {x, Widened(f)}, [&](const Scope& s, const std::vector<Output>& in) {
            return std::vector<Output>{
                ops::Conv2D(s, in[0], in[1], c.strides, c.padding, c.options)};
          });
      ExpectClose(EvaluateOne({x, f}, Depthwise(c)), want, 1e-12);
      ExpectClose(
          EvaluateOne({ToDType(x, kFloat), ToDType(f, kFloat)}, Depthwise(c)),
          want, 1e-5);
    }
  }
}

TEST(DepthwiseConv2dTest, GradientsByImageAndFilter) {
  const Tensor x = Numbers(kDouble, {1, 3, 3, 2});
  const Tensor f = Numbers(kDouble, {2, 2, 2, 2}, -1, 1, 2);
  for (const Setting& c : Settings()) ExpectGradients({x, f}, Depthwise(c));
}

TEST(DepthwiseConv2dTest, GradientOpsAreDifferentiableAgain) {
  const Tensor x = Numbers(kDouble, {1, 3, 3, 1});
  const Tensor f = Numbers(kDouble, {2, 2, 1, 2}, -1, 1, 2);
  ExpectGradients({x, f}, [](const Scope& s, const std::vector<Output>& in) {
    std::vector<Output> d;
    const Output y = Depthwise({})(s, in)[0];
    EXPECT_TRUE(AddGradients(s, {ops::L2Loss(s, y)}, {in[0], in[1]}, &d).ok());
    return std::vector<Output>{ops::L2Loss(s, d[0]), ops::L2Loss(s, d[1])};
  });
}

TEST(DepthwiseConv2dTest, ChannelsFirstIsTheSame) {
  const Tensor x = Tensor::Of<float>({1, 2, 1, 2}, {1, 2, 5, 6});
  const Tensor f = Tensor::Of<float>({1, 1, 2, 2}, {1, 10, 100, 1000});
  ExpectValues(
      EvaluateOne({x, f}, Depthwise({.options = {.data_format = "NCHW"}})),
      {1, 4, 1, 2}, {1, 2, 10, 20, 500, 600, 5000, 6000});
}

TEST(DepthwiseConv2dTest, EmptyImagesAndWrongChannels) {
  EXPECT_EQ(EvaluateOne(
                {Numbers(kFloat, {0, 4, 4, 2}), Numbers(kFloat, {2, 2, 2, 3})},
                Depthwise({}))
                .shape(),
            Shape({0, 4, 4, 6}));
  const auto r =
      RunGraph({Numbers(kFloat, {1, 4, 4, 2}), Numbers(kFloat, {2, 2, 3, 1})},
               Depthwise({}));
  EXPECT_EQ(r.code(), Code::kInvalidArgument);
  EXPECT_THAT(r.status().message(), HasSubstr("3 input channels"));
}

}  // namespace
}  // namespace lockstep::testing
