// SPDX-License-Identifier: Apache-2.0
#include "ops/array/array.h"
#include "ops/conv/conv.h"
#include "ops/reduce/reduce.h"
#include "runtime/graph/gradients.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;
using Outputs = std::vector<Output>;

struct Setting {
  std::vector<int64_t> strides = {1, 1, 1, 1, 1};
  std::string padding = "SAME";
  std::vector<int64_t> dilations = {1, 1, 1, 1, 1};
  std::string format = "NDHWC";
};
BuildFn Conv(const Setting& c) {
  return [c](const Scope& s, const Outputs& in) {
    return Outputs{ops::Conv3D(s, in[0], in[1], c.strides, c.padding, c.format,
                               c.dilations)};
  };
}
// The convolution of inputs 0 and 1 and its gradients for a loss of squares.
BuildFn ConvAndGradients(const Setting& c) {
  return [c](const Scope& s, const Outputs& in) {
    Outputs all = Conv(c)(s, in), gradients;
    EXPECT_TRUE(
        AddGradients(s, {ops::L2Loss(s, all[0])}, {in[0], in[1]}, &gradients)
            .ok());
    all.insert(all.end(), gradients.begin(), gradients.end());
    return all;
  };
}
// Floats, which oneDNN multiplies, against doubles by plain loops.
void ExpectFloatsAsDoubles(const Shape& volume, const Shape& filter,
                           const Setting& c) {
  SCOPED_TRACE(StrCat(volume.ToString(), " with ", filter.ToString(), " ",
                      c.padding, " ", c.format));
  const Tensor x = Numbers(kDouble, volume),
               f = Numbers(kDouble, filter, -1, 1, 2);
  const auto want = RunGraph({x, f}, ConvAndGradients(c));
  ASSERT_TRUE(want.ok()) << want.status().ToString();
  for (const DType t : {kFloat, kBfloat16}) {
    const std::vector<Tensor> in = {ToDType(x, t), ToDType(f, t)};
    const auto got = RunGraph(in, ConvAndGradients(c));
    ASSERT_TRUE(got.ok()) << got.status().ToString();
    for (size_t i = 0; i < want->size(); ++i) {
      double largest = 1;
      for (const double v : (*want)[i].flat<double>()) {
        largest = std::max(largest, std::abs(v));
      }
      ExpectClose(ToDType((*got)[i], kDouble), (*want)[i],
                  largest * (t == kFloat ? 1e-5 : 3e-2));
    }
  }
}

TEST(Conv3DTest, HandComputedSums) {
  // 1 .. 8 with a filter of ones.
  const Tensor x =
      Tensor::Of<double>({1, 2, 2, 2, 1}, {1, 2, 3, 4, 5, 6, 7, 8});
  Tensor ones(kDouble, Shape{2, 2, 2, 1, 1});
  std::ranges::fill(ones.flat<double>(), 1.0);
  for (const DType t : {kFloat, kDouble, kHalf, kBfloat16}) {
    const std::vector<Tensor> in = {ToDType(x, t), ToDType(ones, t)};
    ExpectValues(EvaluateOne(in, Conv({.padding = "VALID"})), {1, 1, 1, 1, 1},
                 {36});
    ExpectValues(EvaluateOne(in, Conv({})), {1, 2, 2, 2, 1},
                 {36, 20, 22, 12, 26, 14, 15, 8});
  }
}

TEST(Conv3DTest, OneDeepIsConv2D) {
  const Tensor x = Numbers(kDouble, {2, 5, 4, 3});
  const Tensor f = Numbers(kDouble, {3, 2, 3, 2}, -1, 1, 2);
  const Tensor want =
      EvaluateOne({x, f}, [](const Scope& s, const Outputs& in) {
        return Outputs{ops::Conv2D(s, in[0], in[1], {1, 2, 1, 1}, "SAME",
                                   {.dilations = {1, 1, 1, 1}})};
      });
  const Tensor got = EvaluateOne({x, f}, [](const Scope& s, const Outputs& in) {
    const Output y =
        ops::Conv3D(s, ops::ExpandDims(s, in[0], 1),
                    ops::ExpandDims(s, in[1], 0), {1, 1, 2, 1, 1}, "SAME");
    return Outputs{ops::Squeeze(s, y, {1})};
  });
  ExpectClose(got, want, 1e-12);
}

TEST(Conv3DTest, ChannelsFirstIsTheSame) {
  const std::vector<Tensor> in = {Numbers(kDouble, {2, 3, 4, 3, 2}),
                                  Numbers(kDouble, {2, 2, 2, 2, 3}, -1, 1, 2)};
  const Tensor first = EvaluateOne(in, [](const Scope& s, const Outputs& x) {
    const Output y = ops::Conv3D(
        s, ops::Transpose(s, x[0], Tensor::Of<int32_t>({5}, {0, 4, 1, 2, 3})),
        x[1], {1, 1, 1, 1, 1}, "SAME", "NCDHW");
    return Outputs{
        ops::Transpose(s, y, Tensor::Of<int32_t>({5}, {0, 2, 3, 4, 1}))};
  });
  ExpectClose(first, EvaluateOne(in, Conv({})), 1e-12);
}

TEST(Conv3DTest, Gradients) {
  const Tensor x = Numbers(kDouble, {1, 3, 3, 2, 2});
  const Tensor f = Numbers(kDouble, {2, 2, 1, 2, 2}, -1, 1, 2);
  for (const Setting& c :
       {Setting{}, Setting{.strides = {1, 2, 1, 1, 1}, .padding = "VALID"},
        Setting{.dilations = {1, 2, 1, 1, 1}}}) {
    ExpectGradients({x, f}, Conv(c));
  }
  ExpectGradients(
      {Numbers(kDouble, {1, 2, 2, 2, 1}), Numbers(kDouble, {2, 1, 2, 1, 1})},
      [](const Scope& s, const Outputs& in) {
        Outputs d;
        const Output loss = ops::L2Loss(s, Conv({})(s, in)[0]);
        EXPECT_TRUE(AddGradients(s, {loss}, {in[0], in[1]}, &d).ok());
        return Outputs{ops::L2Loss(s, d[0]), ops::L2Loss(s, d[1])};
      });
}

TEST(Conv3DTest, FloatsAreAsDoubles) {
  const Shape few = {3, 3, 2, 3, 5}, many = {3, 3, 3, 16, 32};
  ExpectFloatsAsDoubles({2, 5, 6, 7, 3}, few, {});
  ExpectFloatsAsDoubles({2, 6, 7, 5, 3}, few,
                        {.strides = {1, 2, 1, 2, 1}, .padding = "VALID"});
  ExpectFloatsAsDoubles({2, 7, 6, 5, 3}, few, {.dilations = {1, 2, 1, 1, 1}});
  ExpectFloatsAsDoubles({2, 3, 5, 6, 7}, few, {.format = "NCDHW"});
  ExpectFloatsAsDoubles({2, 6, 8, 8, 16}, many, {});
  ExpectFloatsAsDoubles({2, 7, 9, 8, 16}, many, {.strides = {1, 2, 2, 2, 1}});
  ExpectFloatsAsDoubles({1, 4, 6, 5, 8}, {1, 1, 1, 8, 16}, {});
}

// Channels 0, 1 make outputs 0 .. 2, channels 2, 3 the others.
TEST(Conv3DTest, GroupsAreConvolutionsSideBySide) {
  const Tensor x = Numbers(kDouble, {2, 4, 3, 5, 4});
  const Tensor f = Numbers(kDouble, {2, 2, 2, 2, 6}, -1, 1, 2);
  const Tensor want =
      EvaluateOne({x, f}, [](const Scope& s, const Outputs& in) {
        std::vector<Output> halves;
        for (const int32_t i : {0, 1}) {
          halves.push_back(ops::Conv3D(
              s, ops::Slice(s, in[0], {0, 0, 0, 0, 2 * i}, {-1, -1, -1, -1, 2}),
              ops::Slice(s, in[1], {0, 0, 0, 0, 3 * i}, {-1, -1, -1, -1, 3}),
              {1, 1, 1, 1, 1}, "SAME"));
        }
        return Outputs{ops::Concat(s, halves, 4)};
      });
  ExpectClose(EvaluateOne({x, f}, Conv({})), want, 1e-12);
  ExpectFloatsAsDoubles({2, 4, 3, 5, 4}, {2, 2, 2, 2, 6}, {});
}

TEST(Conv3DTest, EmptyAndWrongOperands) {
  EXPECT_EQ(EvaluateOne({Tensor(kFloat, Shape{0, 3, 3, 3, 2}),
                         Numbers(kFloat, {2, 2, 2, 2, 4})},
                        Conv({}))
                .shape(),
            Shape({0, 3, 3, 3, 4}));
  const std::vector<Tensor> in = {Numbers(kFloat, {1, 3, 3, 3, 2}),
                                  Numbers(kFloat, {2, 2, 2, 3, 4})};
  const auto channels = RunGraph(in, Conv({}));
  EXPECT_EQ(channels.code(), Code::kInvalidArgument);
  EXPECT_THAT(channels.status().message(), HasSubstr("3 input channels"));
  const auto strides = RunGraph(in, Conv({.strides = {2, 1, 1, 1, 1}}));
  EXPECT_EQ(strides.code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace lockstep::testing
