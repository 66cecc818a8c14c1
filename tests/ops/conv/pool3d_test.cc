// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/gradients.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;
using Ints = std::vector<int64_t>;

BuildFn Pool(const std::string& op, const Ints& k, const Ints& s,
             const std::string& padding, const std::string& format = "NDHWC") {
  return [=](const Scope& scope, const std::vector<Output>& in) {
    return std::vector<Output>{scope.Op(op)
                                   .In(in[0])
                                   .Attr("ksize", k)
                                   .Attr("strides", s)
                                   .Attr("padding", padding)
                                   .Attr("data_format", format)
                                   .Out()};
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

const Ints kTwo = {1, 2, 2, 2, 1};
const Ints kOne = {1, 1, 1, 1, 1};
const Tensor kVolume =
    Tensor::Of<double>({1, 2, 2, 3, 1}, {1, 5, 2, 0, 3, 4, 9, 8, -1, 7, 6, -2});

TEST(Pool3DTest, HandComputed) {
  for (const DType t : {kFloat, kHalf, kBfloat16}) {
    const Tensor x = ToDType(kVolume, t);
    ExpectValues(EvaluateOne({x}, Pool("MaxPool3D", kTwo, kOne, "VALID")),
                 {1, 1, 1, 2, 1}, {9, 8});
    ExpectValues(EvaluateOne({x}, Pool("MaxPool3D", kTwo, kTwo, "SAME")),
                 {1, 1, 1, 2, 1}, {9, 4});
  }
  for (const DType t : {kFloat, kDouble, kHalf, kBfloat16}) {
    const Tensor x = ToDType(kVolume, t);
    ExpectValues(EvaluateOne({x}, Pool("AvgPool3D", kTwo, kTwo, "SAME")),
                 {1, 1, 1, 2, 1}, {4.875, 0.75}, 1e-2);
  }
}

TEST(Pool3DTest, GradientGoesToTheFirstLargest) {
  const Tensor x = Tensor::Of<float>({1, 2, 2, 2, 1}, {3, 3, 0, 1, 3, 3, 1, 1});
  const Tensor dy = Tensor::Of<float>({1, 2, 1, 1, 1}, {10, 20});
  const BuildFn max =
      Pool("MaxPool3D", {1, 1, 2, 2, 1}, {1, 1, 2, 2, 1}, "VALID");
  ExpectValues(EvaluateOne({x, dy}, GradientOf(max)), {1, 2, 2, 2, 1},
               {10, 0, 0, 0, 20, 0, 0, 0});
}

TEST(Pool3DTest, Gradients) {
  const Tensor x = Numbers(kDouble, {2, 3, 4, 3, 2});
  for (const char* padding : {"SAME", "VALID"}) {
    const BuildFn avg =
        Pool("AvgPool3D", {1, 2, 3, 2, 1}, {1, 1, 2, 2, 1}, padding);
    ExpectGradients({x}, avg);
    const Tensor y = EvaluateOne({x}, avg);
    // Linear in x, so the gradient's gradient is by dy alone.
    ExpectGradients(
        {Numbers(kDouble, y.shape(), -1, 1, 2)},
        [&](const Scope& s, const std::vector<Output>& in) {
          const Output image =
              s.Op("Const").Attr("value", x).Attr("dtype", kDouble).Out();
          return GradientOf(avg)(s, {image, in[0]});
        });
  }
}

// Of floats by differences of float; windows overlap.
TEST(Pool3DTest, GradientsOfTheLargest) {
  const Tensor x = Numbers(kDouble, {1, 3, 3, 3, 2});
  const auto in_float = [](const BuildFn& f) {
    return [f](const Scope& s, const std::vector<Output>& in) {
      std::vector<Output> narrow;
      for (const Output& o : in) {
        narrow.push_back(s.Op("Cast").In(o).Attr("DstT", kFloat).Out());
      }
      const Output y = f(s, narrow)[0];
      return std::vector<Output>{
          s.Op("Cast").In(y).Attr("DstT", kDouble).Out()};
    };
  };
  const BuildFn max = Pool("MaxPool3D", kTwo, kOne, "SAME");
  const auto difference = [&](const Tensor& a) {
    return EvaluateOne({a}, in_float(max));
  };
  const Tensor dy = Numbers(kDouble, difference(x).shape(), -1, 1, 2);
  const Tensor dx = EvaluateOne({x, dy}, GradientOf(in_float(max)));
  for (int64_t i = 0; i < x.NumElements(); ++i) {
    double sum = 0;
    for (const double step : {1e-4, -1e-4}) {
      Tensor moved = x.Clone();
      moved.flat<double>()[static_cast<size_t>(i)] += step;
      const Tensor y = difference(moved);
      for (size_t j = 0; j < y.flat<double>().size(); ++j) {
        sum += y.flat<double>()[j] * dy.flat<double>()[j] / (2 * step);
      }
    }
    EXPECT_NEAR(dx.flat<double>()[static_cast<size_t>(i)], sum, 2e-3) << i;
  }
  // Linear in dy: the gradient by it is the transpose.
  const auto again = [&](const Scope& s, const std::vector<Output>& in) {
    std::vector<Output> dx;
    const Output g = GradientOf(in_float(max))(s, {in[0], in[1]})[0];
    EXPECT_TRUE(AddGradients(s, {g}, {in[1]}, &dx, {in[2]}).ok());
    return dx;
  };
  const Tensor v = Numbers(kDouble, x.shape(), -1, 1, 3);
  const Tensor taken = EvaluateOne({x, dy, v}, again);
  double left = 0, right = 0;
  for (size_t i = 0; i < dx.flat<double>().size(); ++i) {
    left += dx.flat<double>()[i] * v.flat<double>()[i];
  }
  for (size_t i = 0; i < taken.flat<double>().size(); ++i) {
    right += taken.flat<double>()[i] * dy.flat<double>()[i];
  }
  EXPECT_NEAR(left, right, 1e-5);
}

TEST(Pool3DTest, ChannelsFirstIsTheSame) {
  const Tensor x = Numbers(kFloat, {1, 1, 3, 4, 3});
  const Tensor last = Numbers(kFloat, {1, 3, 4, 3, 1});
  for (const char* op : {"MaxPool3D", "AvgPool3D"}) {
    const Tensor y = EvaluateOne(
        {x}, Pool(op, {1, 1, 2, 2, 2}, {1, 1, 1, 2, 1}, "SAME", "NCDHW"));
    const Tensor want =
        EvaluateOne({last}, Pool(op, kTwo, {1, 1, 2, 1, 1}, "SAME"));
    EXPECT_EQ(Values(y), Values(want)) << op;
  }
}

TEST(Pool3DTest, NothingAndBadUse) {
  ExpectValues(EvaluateOne({Tensor(kFloat, Shape{0, 2, 2, 2, 1})},
                           Pool("MaxPool3D", kTwo, kOne, "VALID")),
               {0, 1, 1, 1, 1}, {});
  const auto error = [](const Tensor& x, const BuildFn& f) {
    return RunGraph({x}, f).status().message();
  };
  EXPECT_THAT(error(Numbers(kFloat, {1, 2, 2, 2}),
                    Pool("AvgPool3D", kTwo, kOne, "SAME")),
              HasSubstr("must have rank 5"));
  const Tensor x = Numbers(kFloat, {1, 2, 2, 2, 1});
  EXPECT_THAT(error(x, Pool("MaxPool3D", {2, 1, 1, 1, 1}, kOne, "SAME")),
              HasSubstr("ksize must be 5 positive numbers"));
  EXPECT_THAT(error(x, Pool("MaxPool3D", kTwo, {1, 0, 1, 1, 1}, "SAME")),
              HasSubstr("strides must be 5 positive numbers"));
}

}  // namespace
}  // namespace lockstep::testing
