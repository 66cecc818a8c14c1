// SPDX-License-Identifier: Apache-2.0
#include "ops/array/array.h"
#include "ops/conv/conv.h"
#include "ops/nn/nn.h"
#include "runtime/graph/gradients.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;
using Ints = std::vector<int64_t>;

BuildFn Max(const Ints& k, const Ints& s, const std::string& padding,
            const std::string& format = "NHWC") {
  return [=](const Scope& scope, const std::vector<Output>& in) {
    return std::vector<Output>{
        ops::MaxPool(scope, in[0], k, s, padding, format)};
  };
}
BuildFn Avg(const Ints& k, const Ints& s, const std::string& padding,
            const std::string& format = "NHWC") {
  return [=](const Scope& scope, const std::vector<Output>& in) {
    return std::vector<Output>{
        ops::AvgPool(scope, in[0], k, s, padding, format)};
  };
}
// The gradient by input 0 for output gradient `dy` (input 1).
BuildFn GradientOf(const BuildFn& f) {
  return [f](const Scope& s, const std::vector<Output>& in) {
    std::vector<Output> dx;
    const Status status = AddGradients(s, f(s, {in[0]}), {in[0]}, &dx, {in[1]});
    EXPECT_TRUE(status.ok()) << status.ToString();
    return dx;
  };
}

const Tensor kImage =
    Tensor::Of<double>({1, 3, 4, 1}, {1, 5, 2, 0, 3, 4, 9, 8, -1, 7, 6, -2});

TEST(MaxPoolTest, HandComputed) {
  for (const DType t : {kFloat, kDouble, kHalf, kBfloat16, kInt32}) {
    const Tensor x = ToDType(kImage, t);
    ExpectValues(EvaluateOne({x}, Max({1, 2, 2, 1}, {1, 2, 2, 1}, "VALID")),
                 {1, 1, 2, 1}, {5, 9});
    ExpectValues(EvaluateOne({x}, Max({1, 2, 2, 1}, {1, 2, 2, 1}, "SAME")),
                 {1, 2, 2, 1}, {5, 9, 7, 6});
    ExpectValues(EvaluateOne({x}, Max({1, 3, 3, 1}, {1, 1, 1, 1}, "SAME")),
                 {1, 3, 4, 1}, {5, 9, 9, 9, 7, 9, 9, 9, 7, 9, 9, 9});
  }
}

TEST(MaxPoolTest, GradientGoesToTheFirstLargest) {
  const Tensor x = Tensor::Of<double>({1, 2, 4, 1}, {3, 3, 0, 1, 3, 3, 1, 1});
  const Tensor dy = Tensor::Of<double>({1, 1, 2, 1}, {10, 20});
  const auto build = GradientOf(Max({1, 2, 2, 1}, {1, 2, 2, 1}, "VALID"));
  for (const bool optimize : {false, true}) {
    for (const DType t : {kFloat, kDouble, kHalf}) {
      ExpectValues(EvaluateOne({ToDType(x, t), ToDType(dy, t)}, build,
                               {.optimize = optimize}),
                   {1, 2, 4, 1}, {10, 0, 0, 20, 0, 0, 0, 0});
    }
  }
}

TEST(MaxPoolTest, OverlappingWindowsAddUp) {
  const Tensor x = Tensor::Of<float>({1, 1, 4, 1}, {1, 9, 2, 3});
  const Tensor dy = Tensor::Of<float>({1, 1, 3, 1}, {1, 2, 4});
  const auto build = GradientOf(Max({1, 1, 2, 1}, {1, 1, 1, 1}, "VALID"));
  for (const bool optimize : {false, true}) {
    ExpectValues(EvaluateOne({x, dy}, build, {.optimize = optimize}),
                 {1, 1, 4, 1}, {0, 3, 0, 4});
  }
}

struct Geometry {
  Ints ksize, strides;
  std::string padding;
  Shape image;
};
std::vector<Geometry> Geometries() {
  std::vector<Geometry> all;
  for (const char* padding : {"SAME", "VALID"}) {
    all.push_back({{1, 2, 2, 1}, {1, 2, 2, 1}, padding, Shape{2, 6, 8, 3}});
    all.push_back({{1, 2, 2, 1}, {1, 2, 2, 1}, padding, Shape{2, 7, 5, 70}});
    all.push_back({{1, 3, 2, 1}, {1, 2, 1, 1}, padding, Shape{3, 6, 7, 17}});
    all.push_back({{1, 2, 2, 1}, {1, 3, 3, 1}, padding, Shape{2, 8, 9, 4}});
    all.push_back({{1, 3, 3, 1}, {1, 3, 3, 1}, padding, Shape{1, 7, 7, 2}});
  }
  return all;
}

TEST(PoolTest, KeptIndexGivesTheSameBitsAsMaxPoolGrad) {
  for (const Geometry& g : Geometries()) {
    SCOPED_TRACE(StrCat(g.image, g.padding, Join(g.ksize, ",")));
    // Few distinct values: many ties.
    Tensor x = ToDType(Numbers(kInt32, g.image, -3, 4), kFloat);
    const auto pool = Max(g.ksize, g.strides, g.padding);
    const Tensor y = EvaluateOne({x}, pool);
    const Tensor dy = Numbers(kFloat, y.shape(), -1, 1, 9);
    const auto both = [&](const Scope& s, const std::vector<Output>& in) {
      std::vector<Output> out = pool(s, in), dx;
      EXPECT_TRUE(AddGradients(s, out, {in[0]}, &dx, {in[1]}).ok());
      out.push_back(dx[0]);
      return out;
    };
    EXPECT_THAT(Join(PlanOf({x, dy}, both), "\n"),
                HasSubstr("_MaxPoolIndexGrad"));
    const auto fast = RunGraph({x, dy}, both).value();
    const auto plain = RunGraph({x, dy}, both, {.optimize = false}).value();
    EXPECT_TRUE(BitwiseEqual(fast[0], plain[0]));
    ExpectClose(fast[1], plain[1], 0);
    // Sums are kept, whatever goes where.
    double sum_dx = 0, sum_dy = 0;
    for (const double v : Values(fast[1])) sum_dx += v;
    for (const double v : Values(dy)) sum_dy += v;
    EXPECT_NEAR(sum_dx, sum_dy, 1e-3);
  }
}

TEST(PoolTest, ReluAndBiasGradientsMoveBelowThePool) {
  const auto build = [](const Scope& s, const std::vector<Output>& in) {
    const Output h = ops::Relu(s, ops::BiasAdd(s, in[0], in[1]));
    const Output y = ops::MaxPool(s, h, {1, 2, 2, 1}, {1, 2, 2, 1}, "SAME");
    std::vector<Output> dx;
    EXPECT_TRUE(AddGradients(s, {y}, {in[0], in[1]}, &dx, {in[2]}).ok());
    return std::vector<Output>{y, dx[0], dx[1]};
  };
  const std::vector<Tensor> in = {Numbers(kFloat, {3, 6, 6, 5}, -1, 1, 1),
                                  Numbers(kFloat, {5}, -1, 1, 2),
                                  Numbers(kFloat, {3, 3, 3, 5}, -1, 1, 3)};
  const auto fast = RunGraph(in, build).value();
  const auto plain = RunGraph(in, build, {.optimize = false}).value();
  for (size_t i = 0; i < 3; ++i) ExpectClose(fast[i], plain[i], 1e-6);
  const std::string plan = Join(PlanOf(in, build), "\n");
  EXPECT_THAT(plan, HasSubstr("Relu_grad/ReluGrad/pooled")) << plan;
}

TEST(PoolTest, GradientsAgreeWithFiniteDifferences) {
  for (const Geometry& g : Geometries()) {
    if (g.image.NumElements() > 500) continue;
    const Tensor x = Numbers(kDouble, g.image);
    ExpectGradients({x}, Max(g.ksize, g.strides, g.padding));
    ExpectGradients({x}, Avg(g.ksize, g.strides, g.padding));
  }
}

TEST(MaxPoolTest, GradientOfTheGradientGathers) {
  // Both are linear in the gradient they are given.
  const Tensor x = Numbers(kDouble, {2, 4, 5, 3});
  const auto pool = Max({1, 2, 2, 1}, {1, 2, 2, 1}, "SAME");
  const Tensor dy = Numbers(kDouble, {2, 2, 3, 3}, -1, 1, 5);
  const auto first = [&](const Scope& s, const std::vector<Output>& in) {
    return GradientOf(pool)(s, {Input(x).Resolve(s), in[0]});
  };
  ExpectGradients({dy}, first);
  const Tensor ddx = Numbers(kDouble, {2, 4, 5, 3}, -1, 1, 6);
  ExpectGradients({ddx}, [&](const Scope& s, const std::vector<Output>& in) {
    const Output seed = Input(dy).Resolve(s);
    const Output dx = first(s, {seed})[0];
    std::vector<Output> ddy;
    EXPECT_TRUE(AddGradients(s, {dx}, {seed}, &ddy, {in[0]}).ok());
    return ddy;
  });
}

TEST(AvgPoolTest, CountsOnlyWhatIsInside) {
  for (const DType t : {kFloat, kDouble, kHalf}) {
    const Tensor x = ToDType(kImage, t);
    ExpectValues(EvaluateOne({x}, Avg({1, 2, 2, 1}, {1, 2, 2, 1}, "SAME")),
                 {1, 2, 2, 1}, {3.25, 4.75, 3, 2});
  }
}

// Few channels and many go by loops of their own: the same beside copies of
// themselves.
TEST(MaxPoolTest, OfFewChannels) {
  struct Case {
    Shape image;
    std::vector<int64_t> size, strides;
    const char* padding;
  };
  for (const Case& c :
       {Case{{2, 5, 1500, 3}, {1, 2, 2, 1}, {1, 2, 2, 1}, "SAME"},
        Case{{2, 6, 300, 15}, {1, 2, 5, 1}, {1, 3, 3, 1}, "VALID"},
        Case{{1, 7, 9, 1}, {1, 3, 3, 1}, {1, 1, 2, 1}, "SAME"},
        Case{{1, 2, 4000, 2}, {1, 2, 3000, 1}, {1, 1, 500, 1}, "VALID"}}) {
    const auto pool = [&](const Scope& s, const Output& x) {
      return ops::MaxPool(s, x, c.size, c.strides, c.padding);
    };
    const Tensor x = Numbers(kFloat, c.image, -3, -1);
    const auto both =
        Evaluate({x}, [&](const Scope& s, const std::vector<Output>& in) {
          const std::vector<Output> copies(16, in[0]);
          const Output many = pool(s, ops::Concat(s, copies, 3));
          const auto channels = static_cast<int32_t>(c.image.dim(3));
          return std::vector<Output>{
              pool(s, in[0]),
              ops::Slice(s, many, {0, 0, 0, channels}, {-1, -1, -1, channels})};
        });
    ExpectClose(both[0], both[1], 0);
  }
}

// By the definition: rows that are cut into parts, channels too.
TEST(AvgPoolTest, OfFewAndManyChannels) {
  struct Case {
    int64_t height, width, channels, rows, columns, stride;
    const char* padding;
  };
  for (const Case& c :
       {Case{5, 1500, 3, 2, 2, 2, "SAME"}, Case{6, 300, 15, 2, 5, 3, "VALID"},
        Case{4, 70, 64, 3, 3, 1, "SAME"}, Case{3, 5, 1500, 2, 2, 1, "SAME"},
        Case{2, 9, 3000, 1, 3, 3, "VALID"}}) {
    const Tensor x = Numbers(kFloat, {2, c.height, c.width, c.channels}, -1, 1);
    const auto pool =
        Avg({1, c.rows, c.columns, 1}, {1, c.stride, c.stride, 1}, c.padding);
    const Tensor y = EvaluateOne({x}, pool);
    const Tensor dy = Numbers(kFloat, y.shape(), -1, 1, 7);
    const Tensor dx = EvaluateOne({x, dy}, GradientOf(pool));
    const int64_t oh = y.shape().dim(1), ow = y.shape().dim(2);
    const auto before = [&](int64_t in, int64_t out, int64_t size) {
      return std::max<int64_t>(0, (out - 1) * c.stride + size - in) / 2;
    };
    const int64_t top = before(c.height, oh, c.rows);
    const int64_t left = before(c.width, ow, c.columns);
    std::vector<double> sums(static_cast<size_t>(x.NumElements()));
    double worst = 0;
    for (int64_t at = 0; at < y.NumElements(); ++at) {
      const int64_t channel = at % c.channels, w = at / c.channels % ow;
      const int64_t h = at / c.channels / ow % oh;
      const int64_t image = at / c.channels / ow / oh;
      std::vector<size_t> inside;
      for (int64_t i = 0; i < c.rows * c.columns; ++i) {
        const int64_t row = h * c.stride - top + i / c.columns;
        const int64_t column = w * c.stride - left + i % c.columns;
        if (row < 0 || row >= c.height || column < 0 || column >= c.width) {
          continue;
        }
        inside.push_back(static_cast<size_t>(
            ((image * c.height + row) * c.width + column) * c.channels +
            channel));
      }
      const auto count = static_cast<double>(inside.size());
      double mean = 0;
      for (const size_t i : inside) {
        mean += x.flat<float>()[i] / count;
        sums[i] += dy.flat<float>()[static_cast<size_t>(at)] / count;
      }
      worst = std::max(
          worst, std::abs(mean - y.flat<float>()[static_cast<size_t>(at)]));
    }
    EXPECT_LT(worst, 1e-6) << c.channels;
    worst = 0;
    for (size_t i = 0; i < sums.size(); ++i) {
      worst = std::max(worst, std::abs(sums[i] - dx.flat<float>()[i]));
    }
    EXPECT_LT(worst, 2e-6) << c.channels;
  }
}

TEST(AvgPoolTest, GradientOfTheGradientIsAvgPool) {
  const auto build = [](const Scope& s, const std::vector<Output>& in) {
    return std::vector<Output>{s.Op("AvgPoolGrad")
                                   .In({1, 3, 3, 2})
                                   .In(in[0])
                                   .Attr("ksize", Ints{1, 2, 2, 1})
                                   .Attr("strides", Ints{1, 1, 1, 1})
                                   .Attr("padding", "VALID")
                                   .Out()};
  };
  ExpectGradients({Numbers(kDouble, {1, 2, 2, 2})}, build);
}

TEST(PoolTest, ChannelsFirst) {
  const Tensor x = kImage.Reshaped({1, 1, 3, 4}).value();
  const Ints two = {1, 1, 2, 2};
  ExpectValues(EvaluateOne({x}, Max(two, two, "SAME", "NCHW")), {1, 1, 2, 2},
               {5, 9, 7, 6});
  ExpectValues(EvaluateOne({x}, Avg(two, two, "SAME", "NCHW")), {1, 1, 2, 2},
               {3.25, 4.75, 3, 2});
  const Tensor many = Numbers(kDouble, {2, 3, 4, 4});
  ExpectGradients({many}, Max(two, two, "VALID", "NCHW"));
  ExpectGradients({many}, Avg(two, two, "VALID", "NCHW"));
}

TEST(PoolTest, EmptyBatch) {
  const Tensor x(kFloat, Shape{0, 4, 4, 3}), dy(kFloat, Shape{0, 2, 2, 3});
  for (const auto& pool : {Max({1, 2, 2, 1}, {1, 2, 2, 1}, "SAME"),
                           Avg({1, 2, 2, 1}, {1, 2, 2, 1}, "SAME")}) {
    EXPECT_EQ(EvaluateOne({x}, pool).shape(), dy.shape());
    EXPECT_EQ(EvaluateOne({x, dy}, GradientOf(pool)).shape(), x.shape());
  }
}

TEST(PoolTest, MistakesAreTold) {
  const auto message = [](const BuildFn& build) {
    auto r = RunGraph({Numbers(kFloat, {1, 4, 4, 2})}, build);
    EXPECT_EQ(r.code(), Code::kInvalidArgument);
    return r.status().message();
  };
  EXPECT_THAT(message(Max({1, 6, 6, 1}, {1, 1, 1, 1}, "VALID")),
              HasSubstr("would be negative"));
  EXPECT_THAT(message(Max({1, 2, 2, 2}, {1, 1, 1, 1}, "VALID")),
              HasSubstr("ksize must be 1 in the batch and depth"));
  EXPECT_THAT(message(Avg({1, 2, 2, 1}, {1, 2, 0, 1}, "SAME")),
              HasSubstr("strides must be positive"));
}

}  // namespace
}  // namespace lockstep::testing
