// SPDX-License-Identifier: Apache-2.0
#include "ops/conv/conv.h"
#include "ops/nn/nn.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;

struct Setting {
  std::vector<int64_t> strides = {1, 1, 1, 1};
  std::string padding = "SAME";
  ops::Conv2DOptions options = {};
};

BuildFn Conv(const Setting& c) {
  return [c](const Scope& s, const std::vector<Output>& in) {
    return std::vector<Output>{
        ops::Conv2D(s, in[0], in[1], c.strides, c.padding, c.options)};
  };
}

Tensor Narrow(const Tensor& t) { return ToDType(t, kFloat); }

// [N,H,W,C] -> [N,C,H,W]
Tensor ToNchw(const Tensor& t) {
  const Shape& s = t.shape();
  Tensor out(kDouble, Shape{s.dim(0), s.dim(3), s.dim(1), s.dim(2)});
  const int64_t plane = s.dim(1) * s.dim(2), c = s.dim(3);
  for (int64_t i = 0; i < t.NumElements(); ++i) {
    const int64_t n = i / (plane * c), p = i / c % plane, k = i % c;
    out.flat<double>()[static_cast<size_t>((n * c + k) * plane + p)] =
        t.flat<double>()[static_cast<size_t>(i)];
  }
  return out;
}

TEST(Conv2DTest, HandComputedSums) {
  // 1 .. 9 with a filter of ones: sums of neighbourhoods.
  const Tensor x =
      Tensor::Of<double>({1, 3, 3, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  const Tensor ones = Tensor::Of<double>({2, 2, 1, 1}, {1, 1, 1, 1});
  for (const DType t : {kFloat, kDouble, kInt32, kHalf, kBfloat16}) {
    const std::vector<Tensor> in = {ToDType(x, t), ToDType(ones, t)};
    ExpectValues(EvaluateOne(in, Conv({.padding = "VALID"})), {1, 2, 2, 1},
                 {12, 16, 24, 28});
    // SAME pads below and right here.
    ExpectValues(EvaluateOne(in, Conv({})), {1, 3, 3, 1},
                 {12, 16, 9, 24, 28, 15, 15, 17, 9});
    ExpectValues(EvaluateOne(in, Conv({.strides = {1, 2, 2, 1}})), {1, 2, 2, 1},
                 {12, 9, 15, 9});
    ExpectValues(
        EvaluateOne(
            in,
            Conv({.padding = "EXPLICIT",
                  .options = {.explicit_paddings = {0, 0, 1, 0, 0, 1, 0, 0}}})),
        {1, 3, 3, 1}, {3, 5, 3, 12, 16, 9, 24, 28, 15});
    ExpectValues(
        EvaluateOne(in, Conv({.padding = "VALID",
                              .options = {.dilations = {1, 2, 2, 1}}})),
        {1, 1, 1, 1}, {20});
  }
}

// Many geometries: float through oneDNN against double's plain loops, and
// channels-first against channels-last.
std::vector<std::pair<Setting, std::array<Shape, 2>>> Geometries() {
  std::vector<std::pair<Setting, std::array<Shape, 2>>> all;
  const std::array<Shape, 2> plain = {Shape{2, 6, 7, 3}, Shape{3, 3, 3, 5}};
  for (const char* padding : {"SAME", "VALID"}) {
    all.push_back({{.padding = padding}, plain});
    all.push_back({{.strides = {1, 2, 2, 1}, .padding = padding}, plain});
    all.push_back({{.strides = {1, 1, 3, 1}, .padding = padding}, plain});
    all.push_back(
        {{.padding = padding, .options = {.dilations = {1, 2, 1, 1}}}, plain});
    all.push_back(
        {{.padding = padding}, {Shape{3, 8, 8, 16}, Shape{3, 3, 16, 32}}});
    all.push_back(
        {{.padding = padding}, {Shape{2, 9, 9, 1}, Shape{5, 5, 1, 8}}});
    all.push_back(
        {{.padding = padding}, {Shape{2, 5, 5, 4}, Shape{1, 1, 4, 4}}});
    all.push_back({{.padding = padding},  // grouped
                   {Shape{2, 5, 6, 4}, Shape{3, 2, 2, 6}}});
  }
  all.push_back({{.padding = "EXPLICIT",
                  .options = {.explicit_paddings = {0, 0, 2, 1, 0, 3, 0, 0}}},
                 plain});
  return all;
}

Setting Nchw(const Setting& s) {
  const auto swap = [](std::vector<int64_t> v) {
    return std::vector<int64_t>{v[0], v[3], v[1], v[2]};
  };
  Setting n = s;
  n.options.data_format = "NCHW";
  n.strides = swap(s.strides);
  n.options.dilations = swap(s.options.dilations);
  if (auto& e = n.options.explicit_paddings; !e.empty()) {
    e = {e[0], e[1], e[6], e[7], e[2], e[3], e[4], e[5]};
  }
  return n;
}

TEST(Conv2DTest, FloatAgreesWithPlainLoops) {
  uint64_t seed = 1;
  for (const auto& [setting, shapes] : Geometries()) {
    SCOPED_TRACE(StrCat(shapes[0], shapes[1], setting.padding,
                        Join(setting.strides, ",")));
    const Tensor x = Numbers(kDouble, shapes[0], -1, 1, ++seed);
    const Tensor f = Numbers(kDouble, shapes[1], -1, 1, ++seed);
    const Tensor want = EvaluateOne({x, f}, Conv(setting));
    ExpectClose(EvaluateOne({Narrow(x), Narrow(f)}, Conv(setting)), want, 2e-5);
    const Tensor nchw = EvaluateOne({ToNchw(x), f}, Conv(Nchw(setting)));
    ExpectClose(nchw, ToNchw(want), 1e-12);
    ExpectClose(
        EvaluateOne({Narrow(ToNchw(x)), Narrow(f)}, Conv(Nchw(setting))),
        ToNchw(want), 2e-5);
  }
}

BuildFn BackwardOf(const Setting& c, const Shape& x, const Shape& f,
                   bool input) {
  const auto sizes = [](const Shape& s) {
    return Input(
        {static_cast<int32_t>(s.dim(0)), static_cast<int32_t>(s.dim(1)),
         static_cast<int32_t>(s.dim(2)), static_cast<int32_t>(s.dim(3))});
  };
  return [=](const Scope& s, const std::vector<Output>& in) {
    return std::vector<Output>{
        input ? ops::Conv2DBackpropInput(s, sizes(x), in[0], in[1], c.strides,
                                         c.padding, c.options)
              : ops::Conv2DBackpropFilter(s, in[0], sizes(f), in[1], c.strides,
                                          c.padding, c.options)};
  };
}

TEST(Conv2DTest, FloatGradientsAgreeWithPlainLoops) {
  uint64_t seed = 100;
  for (const auto& [setting, shapes] : Geometries()) {
    SCOPED_TRACE(StrCat(shapes[0], shapes[1], setting.padding,
                        Join(setting.strides, ",")));
    const Tensor x = Numbers(kDouble, shapes[0], -1, 1, ++seed);
    const Tensor f = Numbers(kDouble, shapes[1], -1, 1, ++seed);
    const Tensor dy = Numbers(
        kDouble, EvaluateOne({x, f}, Conv(setting)).shape(), -1, 1, ++seed);
    const auto dx = BackwardOf(setting, shapes[0], shapes[1], true);
    const auto df = BackwardOf(setting, shapes[0], shapes[1], false);
    const Tensor want_dx = EvaluateOne({f, dy}, dx),
                 want_df = EvaluateOne({x, dy}, df);
    ExpectClose(EvaluateOne({Narrow(f), Narrow(dy)}, dx), want_dx, 2e-5);
    ExpectClose(EvaluateOne({Narrow(x), Narrow(dy)}, df), want_df, 5e-5);
    const Setting nchw = Nchw(setting);
    const Shape nchw_x = ToNchw(x).shape();
    ExpectClose(EvaluateOne({Narrow(f), Narrow(ToNchw(dy))},
                            BackwardOf(nchw, nchw_x, shapes[1], true)),
                ToNchw(want_dx), 2e-5);
    ExpectClose(EvaluateOne({Narrow(ToNchw(x)), Narrow(ToNchw(dy))},
                            BackwardOf(nchw, nchw_x, shapes[1], false)),
                want_df, 5e-5);
  }
}

TEST(Conv2DTest, GradientsAgreeWithFiniteDifferences) {
  for (const Setting& setting :
       {Setting{}, Setting{.strides = {1, 2, 2, 1}, .padding = "VALID"},
        Setting{.options = {.dilations = {1, 2, 2, 1}}}}) {
    ExpectGradients({Numbers(kDouble, {1, 4, 5, 2}, -1, 1, 1),
                     Numbers(kDouble, {2, 3, 2, 2}, -1, 1, 2)},
                    Conv(setting));
  }
  ExpectGradients({Numbers(kDouble, {1, 2, 4, 4}, -1, 1, 1),
                   Numbers(kDouble, {2, 2, 1, 4}, -1, 1, 2)},
                  Conv({.options = {.data_format = "NCHW"}}));
}

TEST(Conv2DTest, GradientOpsAreDifferentiableAgain) {
  const Shape x{1, 3, 3, 2}, f{2, 2, 2, 2};
  const Tensor dy = Numbers(kDouble, {1, 3, 3, 2}, -1, 1, 3);
  ExpectGradients({Numbers(kDouble, f), dy}, BackwardOf({}, x, f, true));
  ExpectGradients({Numbers(kDouble, x), dy}, BackwardOf({}, x, f, false));
}

TEST(Conv2DTest, EmptyBatch) {
  for (const DType t : {kFloat, kDouble, kHalf}) {
    const Tensor x(t, Shape{0, 4, 4, 3});
    const Tensor f = Numbers(t, {2, 2, 3, 1});
    EXPECT_EQ(EvaluateOne({x, f}, Conv({})).shape(), (Shape{0, 4, 4, 1}));
    const Tensor dy(t, Shape{0, 4, 4, 1});
    EXPECT_EQ(EvaluateOne({f, dy}, BackwardOf({}, x.shape(), f.shape(), true))
                  .shape(),
              (Shape{0, 4, 4, 3}));
    ExpectValues(
        EvaluateOne({x, dy}, BackwardOf({}, x.shape(), f.shape(), false)),
        {2, 2, 3, 1}, std::vector<double>(12, 0.0));
  }
}

TEST(Conv2DTest, MistakesAreTold) {
  const auto message = [](const std::vector<Tensor>& in, const Setting& s) {
    auto r = RunGraph(in, Conv(s));
    EXPECT_EQ(r.code(), Code::kInvalidArgument);
    return r.status().message();
  };
  EXPECT_THAT(
      message({Numbers(kFloat, {32, 28, 28, 1}), Numbers(kFloat, {3, 3, 3, 8})},
              {}),
      HasSubstr(
          "input depth must be evenly divisible by filter depth: 1 vs 3: "
          "filter has 3 input channels, input has 1 (shape [32,28,28,1])"));
  const Tensor x = Numbers(kFloat, {1, 2, 2, 1});
  const Tensor f = Numbers(kFloat, {4, 4, 1, 1});
  EXPECT_THAT(message({x, f}, {.padding = "VALID"}),
              HasSubstr("would be negative"));
  EXPECT_THAT(message({x, f}, {.strides = {1, 0, 1, 1}}),
              HasSubstr("strides must be positive"));
  EXPECT_THAT(message({x, f}, {.strides = {2, 1, 1, 1}}),
              HasSubstr("batch and depth"));
  EXPECT_THAT(message({x, f}, {.strides = {1, 1}}), HasSubstr("4 numbers"));
  EXPECT_THAT(message({x, f}, {.padding = "FULL"}), HasSubstr("padding"));
  EXPECT_THAT(message({Numbers(kFloat, {2, 2}), f}, {}), HasSubstr("rank 4"));
  auto r = RunGraph({f, Numbers(kFloat, {1, 3, 2, 1})},
                    BackwardOf({}, x.shape(), f.shape(), true));
  EXPECT_THAT(r.status().message(), HasSubstr("out_backprop has shape"));
}

TEST(FusedConv2DTest, BiasAndReluJoinTheConvolution) {
  const auto build = [](const Scope& s, const std::vector<Output>& in) {
    const Output y = ops::Conv2D(s, in[0], in[1], {1, 1, 1, 1}, "SAME");
    return std::vector<Output>{ops::Relu(s, ops::BiasAdd(s, y, in[2]))};
  };
  for (const int64_t channels : {1, 16}) {
    const std::vector<Tensor> in = {
        Numbers(kFloat, {2, 6, 6, channels}, -1, 1, 1),
        Numbers(kFloat, {3, 3, channels, 16}, -1, 1, 2),
        Numbers(kFloat, {16}, -1, 1, 3)};
    const auto plan = PlanOf(in, build);
    ASSERT_EQ(plan.size(), 1u) << Join(plan, "\n");
    EXPECT_THAT(plan[0], HasSubstr("_FusedConv2D"));
    ExpectClose(EvaluateOne(in, build),
                RunGraph(in, build, {.optimize = false}).value()[0], 1e-5);
  }
  const std::vector<Tensor> empty = {Tensor(kFloat, Shape{0, 6, 6, 1}),
                                     Numbers(kFloat, {3, 3, 1, 16}),
                                     Numbers(kFloat, {16})};
  EXPECT_EQ(EvaluateOne(empty, build).shape(), (Shape{0, 6, 6, 16}));
}

}  // namespace
}  // namespace lockstep::testing
