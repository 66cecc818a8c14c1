// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "ops/random/random.h"
#include "runtime/graph/gradients.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;
using Build = std::function<Output(const Scope&)>;

constexpr int32_t kSamples = 100000;

Result<Tensor> Draw(const Build& build) {
  LS_ASSIGN_OR_RETURN(
      std::vector<Tensor> y,
      RunGraph({}, [&](const Scope& s, const std::vector<Output>&) {
        return std::vector<Output>{build(s)};
      }));
  return y[0];
}

struct Moments {
  double mean = 0, variance = 0, least = 0, greatest = 0;
};
// Of column `c` of [samples, columns].
Moments Of(const Tensor& t, int64_t columns = 1, int64_t c = 0) {
  const std::vector<double> all = Values(t);
  std::vector<double> v;
  for (size_t i = static_cast<size_t>(c); i < all.size();
       i += static_cast<size_t>(columns)) {
    v.push_back(all[i]);
  }
  Moments m;
  const double n = static_cast<double>(v.size());
  for (const double x : v) m.mean += x / n;
  for (const double x : v) m.variance += (x - m.mean) * (x - m.mean) / n;
  m.least = *std::ranges::min_element(v);
  m.greatest = *std::ranges::max_element(v);
  return m;
}

TEST(RandomGammaTest, HasAlphaForMeanAndVariance) {
  const std::vector<double> alphas = {0.3, 1, 7.5};
  const Tensor y =
      Draw([&](const Scope& s) {
        return ops::RandomGamma(s, {kSamples}, Tensor::Vector(alphas));
      }).value();
  EXPECT_EQ(y.shape(), Shape({kSamples, 3}));
  for (int64_t c = 0; c < 3; ++c) {
    const double alpha = alphas[static_cast<size_t>(c)];
    const Moments m = Of(y, 3, c);
    EXPECT_NEAR(m.mean, alpha, 0.02 * (1 + alpha));
    EXPECT_NEAR(m.variance, alpha, 0.04 * (1 + alpha));
    EXPECT_GT(m.least, 0);
  }
}

// Recorded from TensorFlow.
TEST(RandomGammaTest, DrawsTensorFlowsNumbersInTheFirstRun) {
  const Tensor gamma =
      Draw([](const Scope& s) {
        return s.Op("RandomGamma")
            .In(Tensor::Of<int32_t>({1}, {3}))
            .In(Tensor::Vector(std::vector<double>{0.3, 1, 7.5}))
            .Attr("seed", int64_t{3})
            .Attr("seed2", int64_t{4})
            .Out();
      }).value();
  ExpectValues(gamma, {3, 3},
               {0.004520016264262328, 1.4409040920653111, 4.280163406005668,
                0.14288064955737248, 0.4698859473298968, 5.475289040332933,
                0.0327880069324512, 0.1677800986538215, 7.518753565428138},
               1e-14);
  const Tensor poisson =
      Draw([](const Scope& s) {
        return s.Op("RandomPoissonV2")
            .In(Tensor::Of<int32_t>({1}, {4}))
            .In(Tensor::Vector(std::vector<double>{0.5, 4, 60}))
            .Attr("dtype", kInt64)
            .Attr("seed", int64_t{3})
            .Attr("seed2", int64_t{4})
            .Out();
      }).value();
  ExpectValues(poisson, {4, 3}, {0, 3, 67, 1, 6, 70, 1, 3, 67, 1, 8, 56});
}

TEST(RandomGammaTest, SamplesMoveWithAlpha) {
  // Recorded from TensorFlow.
  const auto y =
      Evaluate({Tensor::Of<double>({5}, {0.3, 1, 7.5, 50, 2}),
                Tensor::Of<double>({5}, {0.05, 2, 6, 61, 0.01})},
               [](const Scope& s, const std::vector<Output>& in) {
                 return std::vector<Output>{
                     s.Op("RandomGammaGrad").In(in[0]).In(in[1]).Out()};
               });
  ExpectValues(
      y[0], {5},
      {0.494710987, 1.631691462, 0.9125873505, 1.106397256, 0.0277377159},
      1e-9);
  // The mean is alpha: samples move by 1 on average.
  const auto d =
      Evaluate({Tensor::Of<double>({2}, {0.7, 3})},
               [](const Scope& s, const std::vector<Output>& in) {
                 std::vector<Output> dx;
                 const Output x = ops::RandomGamma(s, {kSamples}, in[0]);
                 EXPECT_TRUE(AddGradients(s, {x}, {in[0]}, &dx).ok());
                 return dx;
               });
  for (const double v : Values(d[0])) EXPECT_NEAR(v / kSamples, 1, 0.02);
}

TEST(RandomPoissonTest, HasTheRateForMeanAndVariance) {
  const std::vector<double> rates = {0.5, 4, 60};
  for (const DType t : {kInt64, kFloat}) {
    const Tensor y =
        Draw([&](const Scope& s) {
          return ops::RandomPoisson(s, {kSamples}, Tensor::Vector(rates), t);
        }).value();
    EXPECT_EQ(y.dtype(), t);
    for (int64_t c = 0; c < 3; ++c) {
      const double rate = rates[static_cast<size_t>(c)];
      const Moments m = Of(y, 3, c);
      EXPECT_NEAR(m.mean, rate, 0.01 * (1 + rate));
      EXPECT_NEAR(m.variance, rate, 0.03 * (1 + rate));
      EXPECT_EQ(m.least, std::floor(m.least));
    }
  }
}

Result<Tensor> Truncated(double mean, double sd, double low, double high) {
  return Draw([=](const Scope& s) {
    return ops::ParameterizedTruncatedNormal(s, {kSamples}, mean, sd, low,
                                             high);
  });
}

// Means and variances from the normal's density and distribution function.
TEST(ParameterizedTruncatedNormalTest, WideNarrowAndFarFromTheMean) {
  struct Case {
    double mean, sd, low, high;
  };
  const double infinity = std::numeric_limits<double>::infinity();
  for (const Case& c : {Case{0, 1, -2, 2}, Case{1, 2, 0.5, 1}, Case{0, 1, 3, 9},
                        Case{5, 0.5, -infinity, 3}, Case{0, 1, -0.2, 40}}) {
    const double a = (c.low - c.mean) / c.sd, b = (c.high - c.mean) / c.sd;
    const auto density = [](double z) {
      return std::isfinite(z) ? std::exp(-0.5 * z * z) / 2.5066282746310002 : 0;
    };
    const auto above = [](double z) { return 0.5 * std::erfc(z / M_SQRT2); };
    const double part = above(a) - above(b);
    const double shift = (density(a) - density(b)) / part;
    const auto weighted = [&](double z) {
      return std::isfinite(z) ? z * density(z) : 0;
    };
    const double spread =
        1 + (weighted(a) - weighted(b)) / part - shift * shift;
    const Tensor y = Truncated(c.mean, c.sd, c.low, c.high).value();
    const Moments m = Of(y);
    EXPECT_NEAR(m.mean, c.mean + c.sd * shift, 0.02 * c.sd) << c.low;
    EXPECT_NEAR(m.variance, c.sd * c.sd * spread, 0.03 * c.sd * c.sd) << c.low;
    EXPECT_GE(m.least, c.low);
    EXPECT_LE(m.greatest, c.high);
  }
}

TEST(ParameterizedTruncatedNormalTest, WrongParametersAreTold) {
  for (const auto& [sd, low, high] :
       {std::tuple{0.0, -1.0, 1.0}, {1.0, 2.0, 2.0}, {1.0, 3.0, 2.0}}) {
    const auto r = Truncated(0, sd, low, high);
    EXPECT_EQ(r.code(), Code::kInvalidArgument);
    EXPECT_THAT(r.status().message(), HasSubstr("Invalid parameters"));
  }
}

TEST(RandomGammaTest, WrongAlphasGiveNanAndNothingGivesNothing) {
  const Tensor y =
      Draw([](const Scope& s) {
        return ops::RandomGamma(s, {2}, Tensor::Of<float>({2}, {-1, 0}));
      }).value();
  for (const double v : Values(y)) EXPECT_TRUE(std::isnan(v));
  EXPECT_EQ(Draw([](const Scope& s) {
              return ops::RandomGamma(s, {3}, Tensor(kFloat, Shape{0, 2}));
            })
                .value()
                .shape(),
            Shape({3, 0, 2}));
}

}  // namespace
}  // namespace lockstep::testing
