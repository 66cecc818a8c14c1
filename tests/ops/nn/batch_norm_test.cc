// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "ops/ops.h"
#include "runtime/graph/gradients.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;
using Outputs = std::vector<Output>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// i ^ 1.5 as [2,1,3,2]; what is wanted of it was recorded from TensorFlow 2.21.
Tensor Powers() {
  Tensor x(kFloat, Shape{2, 1, 3, 2});
  for (size_t i = 0; i < 12; ++i) {
    x.flat<float>()[i] = std::pow(static_cast<float>(i), 1.5f);
  }
  return x;
}

// x -> y, batch_mean, batch_variance and the gradients of sum(sin(x) y) by x,
// scale and offset, sin(x) being a constant.
BuildFn Norm(const ops::FusedBatchNormOptions& options, bool moments = true) {
  return [=](const Scope& s, const Outputs& in) {
    const Output scale = Input({2.0f, 0.5f}).Resolve(s);
    const Output offset = Input({1.0f, -1.0f}).Resolve(s);
    const Tensor none(kFloat, Shape{0});
    const auto o = ops::FusedBatchNorm(
        s, in[0], scale, offset, moments ? Input({1.0f, 2.0f}) : Input(none),
        moments ? Input({3.0f, 4.0f}) : Input(none), options);
    const Output weight =
        ops::StopGradient(s, ops::Sin(s, ops::Cast(s, in[0], kFloat)));
    Outputs d;
    const Status status =
        AddGradients(s, {o.y}, {in[0], scale, offset}, &d,
                     {ops::Cast(s, weight, BaseOf(in[0].dtype()))});
    EXPECT_TRUE(status.ok()) << status.ToString();
    Outputs all = {o.y, o.batch_mean, o.batch_variance};
    all.insert(all.end(), d.begin(), d.end());
    return all;
  };
}

const std::vector<double> kTrained = {-1.39548397,  -1.63186431,  -0.885895371,
                                      -1.4615016,   0.0458500981, -1.21854544,
                                      1.2524159,    -0.920546889, 2.68122435,
                                      -0.576271832, 4.30188942,   -0.191269994};
const std::vector<double> kTrainedGradient = {
    -0.0820752382, 0.0382618159,  -0.0203280207, -0.0305182543,
    0.113831885,   -0.0325973779, 0.103032991,   -0.00350127742,
    -0.139186591,  0.0511326306,  0.0247249492,  -0.0227775406};

TEST(FusedBatchNormTest, Training) {
  const auto y = Evaluate({Powers()}, Norm({.epsilon = 0.01f}, false));
  ExpectValues(y[0], {2, 1, 3, 2}, kTrained);
  ExpectValues(y[1], {2}, {13.2959261, 16.5632706});
  ExpectValues(y[2], {2}, {147.862015, 181.989685});
  ExpectValues(y[3], {2, 1, 3, 2}, kTrainedGradient);
  ExpectValues(y[4], {2}, {-0.815970957, -0.574405134});
  ExpectValues(y[5], {2}, {1.75598621, -1.3315624});
}

TEST(FusedBatchNormTest, TrainingMovesTheMomentsByAFactor) {
  const auto y = Evaluate(
      {Powers()}, Norm({.epsilon = 0.01f, .exponential_avg_factor = 0.25f}));
  ExpectValues(y[0], {2, 1, 3, 2}, kTrained);
  ExpectValues(y[1], {2}, {4.07398129, 5.64081764});
  ExpectValues(y[2], {2}, {39.2155037, 48.4974213});
  ExpectValues(y[3], {2, 1, 3, 2}, kTrainedGradient);
}

TEST(FusedBatchNormTest, Inference) {
  const auto y =
      Evaluate({Powers()}, Norm({.epsilon = 0.01f, .is_training = false}));
  ExpectValues(y[0], {2, 1, 3, 2},
               {-0.152780771, -1.24968815, 3.10777569, -0.201958716, 9.06946564,
                1.29222155, 16.789566, 3.12491179, 25.9316692, 5.24220228,
                36.3013458, 7.60996246});
  ExpectValues(y[1], {2}, {1, 2});
  ExpectValues(y[2], {2}, {3, 4});
  ExpectValues(y[3], {2, 1, 3, 2},
               {0, 0.21010527, 0.355139226, -0.221036538, 1.14051318,
                -0.245438233, 0.976839244, -0.0807438344, -0.684979856,
                0.238795683, 0.236755326, -0.234157622});
  ExpectValues(y[4], {2}, {7.22420263, -13.216444}, 1e-5);
  ExpectValues(y[5], {2}, {1.75598621, -1.3315624});
}

TEST(FusedBatchNormTest, ChannelsFirstAndDepthAreTheSame) {
  const auto as = [](const std::string& format, const Shape& shape,
                     std::vector<int32_t> perm) {
    return [=](const Scope& s, const Outputs& in) {
      const Tensor order = Tensor::Vector(perm);
      Tensor dims(kInt32, Shape{shape.rank()});
      for (int d = 0; d < shape.rank(); ++d) {
        dims.flat<int32_t>()[static_cast<size_t>(d)] =
            static_cast<int32_t>(shape.dim(d));
      }
      const Output x = ops::Transpose(s, ops::Reshape(s, in[0], dims), order);
      Outputs y =
          Norm({.epsilon = 0.01f, .data_format = format}, false)(s, {x});
      return Outputs{ops::Transpose(s, y[0], ops::InvertPermutation(s, order)),
                     ops::Transpose(s, y[3], ops::InvertPermutation(s, order)),
                     y[1]};
    };
  };
  for (const auto& y :
       {Evaluate({Powers()}, as("NCHW", {2, 1, 3, 2}, {0, 3, 1, 2})),
        Evaluate({Powers()}, as("NDHWC", {1, 2, 1, 3, 2}, {0, 1, 2, 3, 4})),
        Evaluate({Powers()}, as("NCDHW", {1, 2, 1, 3, 2}, {0, 4, 1, 2, 3}))}) {
    EXPECT_EQ(Values(y[0]).size(), kTrained.size());
    for (size_t i = 0; i < kTrained.size(); ++i) {
      EXPECT_NEAR(Values(y[0])[i], kTrained[i], 2e-6) << i;
      EXPECT_NEAR(Values(y[1])[i], kTrainedGradient[i], 2e-6) << i;
    }
    ExpectValues(y[2], {2}, {13.2959261, 16.5632706});
  }
}

TEST(FusedBatchNormTest, SixteenBitsWithFloatMoments) {
  for (const DType t : {kHalf, kBfloat16}) {
    const auto y =
        Evaluate({ToDType(Powers(), t)}, Norm({.epsilon = 0.01f}, false));
    EXPECT_EQ(y[0].dtype(), t);
    EXPECT_EQ(y[1].dtype(), kFloat);
    for (size_t i = 0; i < kTrained.size(); ++i) {
      EXPECT_NEAR(Values(y[0])[i], kTrained[i], t == kHalf ? 0.005 : 0.04);
    }
  }
}

TEST(FusedBatchNormTest, NoSamplesAndOne) {
  const auto none =
      Evaluate({Tensor(kFloat, Shape{0, 1, 3, 2})}, Norm({}, false));
  EXPECT_EQ(none[0].shape(), Shape({0, 1, 3, 2}));
  ExpectValues(none[1], {2}, {kNan, kNan});
  ExpectValues(none[2], {2}, {kNan, kNan});
  ExpectValues(none[5], {2}, {0, 0});
  const auto one = Evaluate({Tensor::Of<float>({1, 1, 1, 2}, {1, 1})},
                            Norm({.epsilon = 0.01f}, false));
  ExpectValues(one[0], {1, 1, 1, 2}, {1, -1});
  ExpectValues(one[2], {2}, {0, 0});
}

// Against a composition of simple ops, of many samples of large mean.
BuildFn Compared(int order) {
  return [=](const Scope& s, const Outputs& in) {
    const Tensor axes = Tensor::Of<int32_t>(Shape{3}, {0, 1, 2});
    const Tensor none(kFloat, Shape{0});
    const Output fused =
        ops::FusedBatchNorm(s, in[0], in[1], in[2], none, none).y;
    const Output mean = ops::Mean(s, in[0], axes, true);
    const Output centred = ops::Sub(s, in[0], mean);
    const Output variance = ops::Mean(s, ops::Square(s, centred), axes, true);
    const Output composed =
        ops::Add(s,
                 ops::Mul(s, ops::Mul(s, centred, in[1]),
                          ops::Rsqrt(s, ops::Add(s, variance, 1e-4f))),
                 in[2]);
    Outputs all;
    for (const Output& y : {fused, composed}) {
      Outputs d = {ops::Mul(s, y, ops::Sin(s, in[0]))};
      for (int i = 0; i < order; ++i) {
        Outputs ys, next;
        for (const Output& o : d) ys.push_back(ops::Square(s, o));
        const Status status = AddGradients(s, ys, {in[0], in[1], in[2]}, &next);
        EXPECT_TRUE(status.ok()) << status.ToString();
        d = next;
      }
      all.insert(all.end(), d.begin(), d.end());
    }
    return all;
  };
}

void ExpectTheComposition(const Shape& image, int order) {
  SCOPED_TRACE(StrCat(image, " order ", order));
  const Shape channels{image.dim(3)};
  const auto run =
      RunGraph({Numbers(kFloat, image), Numbers(kFloat, channels, 0.5, 2, 2),
                Numbers(kFloat, channels, -1, 1, 3)},
               Compared(order));
  ASSERT_TRUE(run.ok()) << run.status().ToString();
  const std::vector<Tensor>& y = *run;
  const size_t half = y.size() / 2;
  for (size_t i = 0; i < half; ++i) {
    const auto got = Values(y[i]), want = Values(y[half + i]);
    double largest = 1;
    for (const double v : want) largest = std::max(largest, std::abs(v));
    for (size_t j = 0; j < got.size(); ++j) {
      ASSERT_NEAR(got[j], want[j], 1e-4 * largest) << "gradient " << i;
    }
  }
}

TEST(FusedBatchNormTest, GradientsAreThoseOfTheComposition) {
  ExpectTheComposition({4, 3, 5, 3}, 1);
  ExpectTheComposition({4, 3, 5, 3}, 2);
}

// Channels that divide runs of 64 elements, with pixels left over, that are
// such runs, that do not fit; and pixels that are summed in parts.
TEST(FusedBatchNormTest, AnyNumberOfChannelsAndPixels) {
  for (const int64_t channels : {1, 8, 24, 64, 96, 128}) {
    ExpectTheComposition({3, 5, 7, channels}, 1);
  }
  ExpectTheComposition({1, 50, 60, 16}, 1);
  ExpectTheComposition({2, 17, 31, 130}, 1);
}

TEST(FusedBatchNormTest, LargeMeansDoNotCostPrecision) {
  const Tensor x = Numbers(kFloat, {64, 40, 40, 2}, 999, 1001);
  const auto y = Evaluate({x}, Norm({}, false));
  double mean = 0, square = 0;
  for (const double v : Values(x)) mean += v / 204800;
  for (const double v : Values(x)) square += (v - mean) * (v - mean) / 204800;
  EXPECT_NEAR(Values(y[1])[0], mean, 0.01);
  EXPECT_NEAR(Values(y[2])[0], square, 2e-3);
}

int Count(const std::vector<std::string>& steps, const std::string& op) {
  int count = 0;
  for (const std::string& s : steps) {
    count += s.find(" = " + op + "(") != std::string::npos;
  }
  return count;
}

// y of Powers(), by twice the first channel's scale, Relu or Relu6 of it, and
// the gradients of sum(x Relu(y)).
BuildFn WithActivation(const char* op, bool fetched, bool waits) {
  return [=](const Scope& s, const Outputs& in) {
    const Tensor none(kFloat, Shape{0});
    const auto o = ops::FusedBatchNorm(s, in[0], {4.0f, 0.5f}, {1.0f, -1.0f},
                                       none, none, {.epsilon = 0.01f});
    const Scope after =
        waits ? s.WithControlDependencies({ops::Neg(s, o.batch_mean)}) : s;
    const Output y = after.Op(op).In(o.y).Out();
    Outputs all = {y, o.batch_mean}, d;
    const Status status =
        AddGradients(s, {y}, {in[0]}, &d, {ops::StopGradient(s, in[0])});
    EXPECT_TRUE(status.ok()) << status.ToString();
    all.push_back(d[0]);
    if (fetched) all.push_back(o.y);
    return all;
  };
}

TEST(FusedBatchNormTest, TakesInTheActivationBehindIt) {
  for (const char* op : {"Relu", "Relu6"}) {
    SCOPED_TRACE(op);
    const auto build = WithActivation(op, false, false);
    const auto y = Evaluate({Powers()}, build);
    std::vector<double> want = kTrained;
    for (size_t i = 0; i < want.size(); ++i) {
      if (i % 2 == 0) want[i] = 2 * want[i] - 1;
      want[i] = std::clamp(want[i], 0.0, op == std::string("Relu") ? 99. : 6.);
    }
    ExpectValues(y[0], {2, 1, 3, 2}, want);
    ExpectValues(y[1], {2}, {13.2959261, 16.5632706});
    const auto plain = RunGraph({Powers()}, build, {.optimize = false});
    ASSERT_TRUE(plain.ok()) << plain.status().ToString();
    ExpectClose(y[2], (*plain)[2], 1e-6);
    const auto steps = PlanOf({Powers()}, build);
    EXPECT_EQ(Count(steps, op), 0) << Join(steps, "\n");
    EXPECT_EQ(Count(steps, "_BatchNorm"), 1);
  }
}

// Where others read y, and where the activation waits for the moments.
TEST(FusedBatchNormTest, LeavesActivationsThatItMustNotTakeIn) {
  for (const bool waits : {false, true}) {
    const auto build = WithActivation("Relu", !waits, waits);
    const auto y = Evaluate({Powers()}, build);
    if (!waits) {
      EXPECT_NEAR(Values(y[3])[0], 2 * kTrained[0] - 1, 1e-5);
    }
    const auto steps = PlanOf({Powers()}, build);
    EXPECT_EQ(Count(steps, "Relu"), 1) << Join(steps, "\n");
  }
}

// Gradients are only built of what is right so far.
BuildFn Forward(const ops::FusedBatchNormOptions& options) {
  return [=](const Scope& s, const Outputs& in) {
    const Tensor none(kFloat, Shape{0});
    return Outputs{ops::FusedBatchNorm(s, in[0], {2.0f, 0.5f}, {1.0f, -1.0f},
                                       none, none, options)
                       .y};
  };
}

TEST(FusedBatchNormTest, WrongVectorsAreTold) {
  const auto wrong = RunGraph({Tensor(kFloat, Shape{1, 1, 1, 3})}, Forward({}));
  EXPECT_EQ(wrong.code(), Code::kInvalidArgument);
  EXPECT_THAT(wrong.status().message(),
              HasSubstr("scale must have the same number of elements as the "
                        "channels of x, got 2 and 3"));
  const auto empty = RunGraph({Tensor(kFloat, Shape{1, 1, 1, 2})},
                              Forward({.is_training = false}));
  EXPECT_THAT(empty.status().message(), HasSubstr("mean must have"));
}

}  // namespace
}  // namespace lockstep::testing
