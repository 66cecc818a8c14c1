// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <functional>
#include <limits>

#include "ops/ops.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

const float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

OpCase One(std::string op) {
  return OpCase([op](const Scope& s, const Outputs& in) {
    return s.Op(op).In(in[0]).Out();
  });
}

TEST(UnaryTest, SimpleFunctionsOfFloatsAndIntegers) {
  One("Neg").In(F({3}, {1, -2, 0})).Want(F({3}, {-1, 2, -0.0f}));
  One("Neg")
      .In(I({2}, {5, std::numeric_limits<int32_t>::min()}))
      .Want(I({2}, {-5, std::numeric_limits<int32_t>::min()}));
  One("Abs").In(F({3}, {-1.5, 2, -kInf})).Want(F({3}, {1.5, 2, kInf}));
  One("Abs").In(L({2}, {-5, 5})).Want(L({2}, {5, 5}));
  One("Sign").In(F({4}, {-3, 0, 2, kNan})).Want(F({4}, {-1, 0, 1, kNan}));
  One("Sign").In(I({3}, {-3, 0, 2})).Want(I({3}, {-1, 0, 1}));
  One("Square").In(I({3}, {-3, 0, 2})).Want(I({3}, {9, 0, 4}));
  One("Square")
      .In(As(kHalf, F({2}, {1.5, -3})))
      .Want(As(kHalf, F({2}, {2.25, 9})));
  One("Sqrt").In(F({3}, {4, 2.25, -1})).Want(F({3}, {2, 1.5, kNan}));
  One("Rsqrt").In(F({3}, {4, 0.25, 0})).Want(F({3}, {0.5, 2, kInf}));
  One("Reciprocal").In(F({3}, {4, -0.5, 0})).Want(F({3}, {0.25, -2, kInf}));
}

TEST(UnaryTest, RoundsInAllDirections) {
  const Tensor x = F({7}, {-2.5, -1.5, -0.5, 0.5, 1.5, 2.4, 2.6});
  One("Floor").In(x).Want(F({7}, {-3, -2, -1, 0, 1, 2, 2}));
  One("Ceil").In(x).Want(F({7}, {-2, -1, -0.0f, 1, 2, 3, 3}));
  One("Round").In(x).Want(F({7}, {-2, -2, -0.0f, 0, 2, 2, 3}));
  One("Rint").In(x).Want(F({7}, {-2, -2, -0.0f, 0, 2, 2, 3}));
  One("Round").In(I({2}, {3, -4})).Want(I({2}, {3, -4}));
}

TEST(UnaryTest, TestsForNanAndInfinity) {
  const Tensor x = F({4}, {1, kNan, kInf, -kInf});
  One("IsNan").In(x).Want(B({4}, {false, true, false, false}));
  One("IsInf").In(x).Want(B({4}, {false, false, true, true}));
  One("IsFinite").In(x).Want(B({4}, {true, false, false, false}));
}

struct Function {
  const char* op;
  double (*exact)(double);
  double low, high;
};

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

const Function kFunctions[] = {
    {"Exp", std::exp, -100, 88},   {"Expm1", std::expm1, -20, 88},
    {"Log", std::log, 1e-37, 1e6}, {"Log1p", std::log1p, -0.99, 1e6},
    {"Sin", std::sin, -30, 30},    {"Cos", std::cos, -30, 30},
    {"Tan", std::tan, -1.5, 1.5},  {"Asin", std::asin, -1, 1},
    {"Acos", std::acos, -1, 1},    {"Atan", std::atan, -50, 50},
    {"Sinh", std::sinh, -80, 80},  {"Cosh", std::cosh, -80, 80},
    {"Tanh", std::tanh, -12, 12},  {"Sigmoid", Sigmoid, -80, 80},
    {"Erf", std::erf, -4, 4},      {"Erfc", std::erfc, -4, 8},
};

// Distance in units of the last place of float. Denormals count as zero, which
// runs take them for.
double Ulps(float got, double want) {
  const float w = static_cast<float>(want);
  if (std::fpclassify(w) == FP_SUBNORMAL && got == 0) return 0;
  if (std::isnan(want)) return std::isnan(got) ? 0 : 1e9;
  if (got == w) return 0;
  const float next = std::nextafter(std::abs(w), kInf);
  const double ulp =
      std::isinf(next) ? 0x1p104 : static_cast<double>(next) - std::abs(w);
  return std::abs(static_cast<double>(got) - want) / ulp;
}

TEST(TranscendentalTest, FloatsAreWithinFourUlps) {
  for (const Function& f : kFunctions) {
    SCOPED_TRACE(f.op);
    const Tensor x = As(kFloat, Doubles({40011}, f.low, f.high, 5));
    Result<Tensor> y = One(f.op).In(x).Run();
    ASSERT_TRUE(y.ok()) << y.status().ToString();
    double worst = 0;
    float at = 0;
    for (size_t i = 0; i < x.flat<float>().size(); ++i) {
      const double ulps =
          Ulps(y->flat<float>()[i], f.exact(x.flat<float>()[i]));
      if (ulps > worst) {
        worst = ulps;
        at = x.flat<float>()[i];
      }
    }
    EXPECT_LE(worst, 4.0) << "at " << at;
  }
}

TEST(TranscendentalTest, DoublesAreExactToTwelveDigits) {
  for (const Function& f : kFunctions) {
    SCOPED_TRACE(f.op);
    const Tensor x = Doubles({1003}, f.low, f.high, 6);
    Tensor want(kDouble, x.shape());
    for (size_t i = 0; i < 1003; ++i) {
      want.flat<double>()[i] = f.exact(x.flat<double>()[i]);
    }
    One(f.op).In(x).Within(1e-12).Want(want);
  }
}

TEST(TranscendentalTest, SpecialValuesAreThoseOfTheMathLibrary) {
  const float tiny = std::numeric_limits<float>::min();  // that is not denormal
  const Tensor x =
      F({9}, {0, -0.0f, kInf, -kInf, kNan, tiny, -tiny, 1e38f, -1e38f});
  for (const Function& f : kFunctions) {
    if (std::string(f.op) == "Tan" || std::string(f.op) == "Sin" ||
        std::string(f.op) == "Cos") {
      continue;  // huge arguments: see the next test
    }
    SCOPED_TRACE(f.op);
    Result<Tensor> y = One(f.op).In(x).Run();
    ASSERT_TRUE(y.ok());
    for (size_t i = 0; i < 9; ++i) {
      const float want =
          static_cast<float>(f.exact(static_cast<double>(x.flat<float>()[i])));
      EXPECT_LE(Ulps(y->flat<float>()[i], want), 4.0)
          << "at " << x.flat<float>()[i] << ": " << y->flat<float>()[i];
    }
  }
}

TEST(TranscendentalTest, SineOfInfinityIsNan) {
  One("Sin").In(F({2}, {kInf, kNan})).Want(F({2}, {kNan, kNan}));
  One("Cos").In(F({2}, {-kInf, kNan})).Want(F({2}, {kNan, kNan}));
}

// An element's result must not depend on where it stands in the tensor.
TEST(TranscendentalTest, ResultsDoNotDependOnPosition) {
  for (const Function& f : kFunctions) {
    SCOPED_TRACE(f.op);
    const Tensor x = As(kFloat, Doubles({37}, f.low, f.high, 8));
    Result<Tensor> whole = One(f.op).In(x).Run();
    ASSERT_TRUE(whole.ok());
    for (size_t i = 0; i < 37; ++i) {
      Result<Tensor> alone = One(f.op).In(Tensor(x.flat<float>()[i])).Run();
      ASSERT_TRUE(alone.ok());
      EXPECT_TRUE(SameTensor(*alone, Tensor(whole->flat<float>()[i])));
    }
  }
}

TEST(UnaryGradientTest, MatchesDifferences) {
  for (const char* op :
       {"Neg", "Square", "Exp", "Expm1", "Sin", "Cos", "Tan", "Atan", "Sinh",
        "Cosh", "Tanh", "Sigmoid", "Erf", "Erfc"}) {
    SCOPED_TRACE(op);
    One(op).In(Doubles({2, 3})).Gradient(1e-5);
  }
  for (const char* op :
       {"Abs", "Sqrt", "Rsqrt", "Reciprocal", "Log", "Log1p", "Asin", "Acos"}) {
    SCOPED_TRACE(op);
    One(op).In(Doubles({5}, 0.3, 0.9)).Gradient(1e-5);
  }
}

// d/dx of (dy/dx)^2, through the gradient ops' own gradients.
TEST(UnaryGradientTest, SecondDerivativesMatchDifferences) {
  for (std::string op :
       {"Tanh", "Sigmoid", "Sqrt", "Rsqrt", "Reciprocal", "Square"}) {
    SCOPED_TRACE(op);
    OpCase([op](const Scope& s, const Outputs& in) {
      std::vector<Output> dx;
      const Output y = s.Op(op).In(in[0]).Out();
      EXPECT_TRUE(AddGradients(s, {y}, {in[0]}, &dx).ok());
      return ops::Square(s, dx[0]);
    })
        .In(Doubles({3}, 0.5, 1.5))
        .Gradient(1e-5);
  }
}

TEST(UnaryTest, RefuseTypesTheyDoNotHave) {
  One("Exp").In(I({}, {1})).WantError(Code::kInvalidArgument, "int32");
  One("Neg")
      .In(Tensor::Scalar<uint8_t>(1))
      .WantError(Code::kInvalidArgument, "uint8");
}

}  // namespace
}  // namespace lockstep
