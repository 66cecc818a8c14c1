// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "ops/nn/nn.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using UnaryOp = Output (*)(const Scope&, const Input&);

BuildFn Of(UnaryOp op) {
  return [op](const Scope& s, const std::vector<Output>& in) {
    return std::vector<Output>{op(s, in[0])};
  };
}
BuildFn Leaky(float alpha) {
  return [alpha](const Scope& s, const std::vector<Output>& in) {
    return std::vector<Output>{ops::LeakyRelu(s, in[0], alpha)};
  };
}
const Tensor kX = Tensor::Of<double>({6}, {-7, -2, -0.5, 0, 0.5, 8});

// Values of the closed forms, computed to double precision.
struct Case {
  const char* name;
  BuildFn f;
  std::vector<double> want;
};
const std::vector<Case>& Cases() {
  static const std::vector<Case> cases = {
      {"Relu", Of(ops::Relu), {0, 0, 0, 0, 0.5, 8}},
      {"Relu6", Of(ops::Relu6), {0, 0, 0, 0, 0.5, 6}},
      {"Elu",
       Of(ops::Elu),
       {-0.9990881180344455, -0.8646647167633873, -0.3934693402873666, 0, 0.5,
        8}},
      {"Selu",
       Of(ops::Selu),
       {-1.756496161764805, -1.520166468595695, -0.6917581878028713, 0,
        0.5253504936777402, 8.405607898843844}},
      {"LeakyRelu", Leaky(0.25f), {-1.75, -0.5, -0.125, 0, 0.5, 8}},
      {"Softplus",
       Of(ops::Softplus),
       {0.0009114664537742, 0.1269280110429725, 0.4740769841801067,
        0.6931471805599453, 0.9740769841801067, 8.000335406372896}},
      {"Softsign",
       Of(ops::Softsign),
       {-0.875, -0.6666666666666666, -0.3333333333333333, 0, 0.3333333333333333,
        0.8888888888888888}},
  };
  return cases;
}

TEST(ActivationsTest, ValuesOfEveryFloatType) {
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.name);
    const std::pair<DType, double> types[] = {
        {kDouble, 1e-12}, {kFloat, 1e-6}, {kHalf, 1e-3}, {kBfloat16, 8e-3}};
    for (const auto& [type, tolerance] : types) {
      const Tensor y = EvaluateOne({ToDType(kX, type)}, c.f);
      EXPECT_EQ(y.dtype(), type);
      ExpectValues(y, {6}, c.want, tolerance);
    }
  }
}

TEST(ActivationsTest, GradientsAgreeWithFiniteDifferences) {
  // Away from the kinks at 0 and 6.
  const Tensor x = Tensor::Of<double>({2, 3}, {-7, -2, -0.5, 0.3, 2.5, 8});
  for (const Case& c : Cases()) {
    SCOPED_TRACE(c.name);
    ExpectGradients({x}, c.f);
  }
}

TEST(ActivationsTest, GradientAtAKinkIsTensorFlows) {
  const Tensor x = Tensor::Of<float>({3}, {0, 6, -0.0f});
  const Tensor dy = Tensor::Of<float>({3}, {5, 7, 9});
  const auto grad = [](const char* op) {
    return [op](const Scope& s, const std::vector<Output>& in) {
      return std::vector<Output>{s.Op(op).In(in[0]).In(in[1]).Out()};
    };
  };
  ExpectValues(EvaluateOne({dy, x}, grad("ReluGrad")), {3}, {0, 7, 0});
  ExpectValues(EvaluateOne({dy, x}, grad("Relu6Grad")), {3}, {0, 0, 0});
  ExpectValues(EvaluateOne({dy, x}, grad("LeakyReluGrad")), {3}, {1, 7, 1.8},
               1e-6);
}

TEST(ActivationsTest, GradientOpsAreDifferentiableAgain) {
  const Tensor dy = Numbers(kDouble, {4});
  const Tensor y = Tensor::Of<double>({4}, {-0.9, -0.25, 0.5, 7});
  for (const char* op : {"ReluGrad", "Relu6Grad"}) {  // linear in dy
    SCOPED_TRACE(op);
    ExpectGradients({dy}, [&](const Scope& s, const std::vector<Output>& in) {
      return std::vector<Output>{s.Op(op).In(in[0]).In(y).Out()};
    });
  }
  for (const char* op : {"EluGrad", "SeluGrad", "SoftsignGrad"}) {
    SCOPED_TRACE(op);
    ExpectGradients(
        {dy, y}, [&](const Scope& s, const std::vector<Output>& in) {
          return std::vector<Output>{s.Op(op).In(in[0]).In(in[1]).Out()};
        });
  }
}

TEST(ActivationsTest, NotANumberStaysOneAndInfinityIsKept) {
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor x = Tensor::Of<double>({3}, {-inf, inf, nan});
  for (const DType t : {kFloat, kDouble}) {
    const auto relu = Values(EvaluateOne({ToDType(x, t)}, Of(ops::Relu)));
    EXPECT_EQ(relu[0], 0);
    EXPECT_EQ(relu[1], inf);
    EXPECT_TRUE(std::isnan(relu[2]));
    const auto softplus =
        Values(EvaluateOne({ToDType(x, t)}, Of(ops::Softplus)));
    EXPECT_EQ(softplus[0], 0);
    EXPECT_EQ(softplus[1], inf);
    EXPECT_TRUE(std::isnan(softplus[2]));
    const auto elu = Values(EvaluateOne({ToDType(x, t)}, Of(ops::Elu)));
    EXPECT_EQ(elu[0], -1);
    EXPECT_EQ(elu[1], inf);
    EXPECT_TRUE(std::isnan(elu[2]));
  }
}

TEST(ActivationsTest, RelusOfIntegers) {
  const Tensor x = Tensor::Of<int32_t>({4}, {-5, 0, 3, 9});
  ExpectValues(EvaluateOne({x}, Of(ops::Relu)), {4}, {0, 0, 3, 9});
  ExpectValues(EvaluateOne({x}, Of(ops::Relu6)), {4}, {0, 0, 3, 6});
}

TEST(ActivationsTest, EmptyAndScalar) {
  for (const Case& c : Cases()) {
    EXPECT_EQ(EvaluateOne({Tensor(kFloat, Shape{0, 4})}, c.f).shape(),
              (Shape{0, 4}));
    ExpectValues(EvaluateOne({Tensor(0.5)}, c.f), {}, {c.want[4]}, 1e-12);
  }
}

TEST(ActivationsTest, IntegersHaveNoElu) {
  auto r = RunGraph({Tensor::Of<int32_t>({1}, {1})}, Of(ops::Elu));
  EXPECT_EQ(r.code(), Code::kInvalidArgument);
  EXPECT_THAT(r.status().message(), ::testing::HasSubstr("int32"));
}

}  // namespace
}  // namespace lockstep::testing
