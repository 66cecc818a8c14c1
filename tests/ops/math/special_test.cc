// SPDX-License-Identifier: Apache-2.0
#include "ops/ops.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

using C64 = std::complex<float>;
using C128 = std::complex<double>;

OpCase Op(const char* name, AttrMap attrs = {}) {
  return OpCase([=](const Scope& s, const Outputs& in) {
    NodeBuilder b = s.Op(name);
    for (const Output& x : in) b.In(x);
    for (const auto& [key, value] : attrs) b.Attr(key, value);
    return b.Out();
  });
}

TEST(BitwiseTest, WorksOnBits) {
  const Tensor x = I({3}, {12, -1, 7}), y = I({3}, {10, 5, 0});
  Op("BitwiseAnd").In(x).In(y).Want(I({3}, {8, 5, 0}));
  Op("BitwiseOr").In(x).In(y).Want(I({3}, {14, -1, 7}));
  Op("BitwiseXor").In(x).In(y).Want(I({3}, {6, -6, 7}));
  Op("Invert").In(x).Want(I({3}, {-13, 0, -8}));
  Op("PopulationCount").In(x).Want(As(kUint8, I({3}, {2, 32, 3})));
  Op("LeftShift").In(x).In(I({}, {2})).Want(I({3}, {48, -4, 28}));
  Op("LeftShift")
      .In(I({}, {1}))
      .In(I({2}, {40, -3}))
      .Want(I({2}, {std::numeric_limits<int32_t>::min(), 1}));
  Op("RightShift").In(I({2}, {-8, 8})).In(I({}, {1})).Want(I({2}, {-4, 4}));
  Op("RightShift")
      .In(As(kUint8, I({1}, {200})))
      .In(As(kUint8, I({1}, {9})))
      .Want(As(kUint8, I({1}, {1})));
}

TEST(GuardedTest, ZeroTimesAnythingIsZero) {
  const Tensor x = F({3}, {0, 2, 0}), y = F({3}, {0, 1, -1});
  Op("Xlogy").In(x).In(y).Want(F({3}, {0, 0, 0}));
  Op("Xlog1py").In(x).In(F({3}, {-1, 0, -2})).Want(F({3}, {0, 0, 0}));
  Op("Xdivy").In(x).In(F({3}, {0, 4, NAN})).Want(F({3}, {0, 0.5f, 0}));
  Op("MulNoNan")
      .In(F({3}, {NAN, INFINITY, 2}))
      .In(F({3}, {0, 0, 3}))
      .Want(F({3}, {0, 0, 6}));
  const Tensor a = Doubles({2, 3}, 0.5, 2), b = Doubles({3}, 0.5, 2, 2);
  for (const char* op : {"Xlogy", "Xlog1py", "Xdivy", "MulNoNan"}) {
    SCOPED_TRACE(op);
    Op(op).In(a).In(b).Gradient();
  }
}

TEST(ClipByValueTest, BringsValuesIntoTheRange) {
  const auto clip = [] {
    return OpCase([](const Scope& s, const Outputs& in) {
      return ops::ClipByValue(s, in[0], in[1], in[2]);
    });
  };
  clip()
      .In(I({4}, {-5, 0, 3, 9}))
      .In(I({}, {-1}))
      .In(I({}, {4}))
      .Want(I({4}, {-1, 0, 3, 4}));
  clip()
      .In(F({2}, {1, 5}))
      .In(F({2}, {2, 2}))
      .In(F({}, {3}))
      .Want(F({2}, {2, 3}));
  clip()
      .In(F({2}, {1, 5}))
      .In(F({3}, {0, 0, 0}))
      .In(F({}, {3}))
      .WantError(Code::kInvalidArgument, "same shape as input, or a scalar");
  clip()
      .In(D({2, 2}, {-3, 0.5, 0.1, 4}))
      .In(D({}, {-1}))
      .In(D({}, {1}))
      .Gradient();
}

// Values of the functions from tables.
TEST(SpecialTest, FunctionsHaveTheirKnownValues) {
  Op("Lgamma")
      .In(D({3}, {1, 0.5, 10}))
      .Within(1e-14)
      .Want(D({3}, {0, 0.57236494292470008, 12.801827480081469}));
  Op("Digamma")
      .In(D({4}, {1, 0.5, 10, -0.5}))
      .Within(1e-13)
      .Want(D({4}, {-0.57721566490153286, -1.9635100260214235,
                    2.2517525890667211, 0.036489973978576520}));
  Op("Polygamma")
      .In(D({2}, {1, 2}))
      .In(D({}, {1}))
      .Within(1e-13)
      .Want(D({2}, {1.6449340668482264, -2.4041138063191886}));
  Op("Zeta")
      .In(D({2}, {2, 4}))
      .In(D({}, {1}))
      .Within(1e-13)
      .Want(D({2}, {1.6449340668482264, 1.0823232337111382}));
  Op("Erfinv")
      .In(D({4}, {0, 0.5, -0.999999, 1}))
      .Within(1e-12)
      .Want(D({4}, {0, 0.47693627620446987, -3.4589107372754974, INFINITY}));
  Op("Ndtri")
      .In(D({3}, {0.5, 0.975, 1e-10}))
      .Within(1e-11)
      .Want(D({3}, {0, 1.9599639845400542, -6.3613409024040557}));
  Op("Asinh").In(D({}, {1})).Within(1e-14).Want(D({}, {0.88137358701954305}));
  Op("Acosh").In(D({}, {2})).Within(1e-14).Want(D({}, {1.3169578969248168}));
  Op("Atanh").In(D({}, {0.5})).Within(1e-14).Want(D({}, {0.54930614433405484}));
}

TEST(SpecialTest, GammaAndBesselFunctions) {
  // P(1, x) = 1 - e^-x, P(1/2, x) = erf(sqrt(x)).
  Op("Igamma")
      .In(D({3}, {1, 0.5, 2}))
      .In(D({3}, {2, 9, 0}))
      .Within(1e-13)
      .Want(D({3}, {1 - std::exp(-2.0), std::erf(3.0), 0}));
  Op("Igammac")
      .In(D({2}, {1, -1}))
      .In(D({2}, {5, 1}))
      .Within(1e-13)
      .Want(D({2}, {std::exp(-5.0), NAN}));
  Op("BesselI0e")
      .In(D({4}, {0, 1, -2, 100}))
      .Within(1e-13)
      .Want(D({4}, {1, 0.46575960759364043, 0.30850832255367103,
                    0.039944379299096687}));
  Op("BesselI1e")
      .In(D({3}, {0, -1, 100}))
      .Within(1e-13)
      .Want(D({3}, {0, -0.20791041534970844, 0.039744153025130256}));
  for (const char* op : {"Igamma", "Igammac"}) {
    SCOPED_TRACE(op);
    Op(op).In(Doubles({4}, 0.5, 4)).In(Doubles({4}, 0.5, 4, 2)).Gradient(1e-5);
  }
  Op("BesselI0e").In(Doubles({4}, 0.5, 4)).Gradient(1e-5);
  Op("BesselI1e").In(D({3}, {-2, 0.5, 3})).Gradient(1e-5);
}

TEST(SpecialTest, Gradients) {
  for (const char* op : {"Lgamma", "Digamma", "Asinh"}) {
    SCOPED_TRACE(op);
    Op(op).In(Doubles({4}, 0.5, 3)).Gradient(1e-5);
  }
  for (const char* op : {"Erfinv", "Ndtri", "Atanh"}) {
    SCOPED_TRACE(op);
    Op(op).In(Doubles({4}, 0.2, 0.8)).Gradient(1e-5);
  }
  Op("Acosh").In(Doubles({4}, 1.5, 3)).Gradient(1e-5);
  Op("Polygamma").Constant(D({}, {1})).In(Doubles({4}, 0.5, 3)).Gradient(1e-5);
  Op("Zeta").Constant(D({}, {2})).In(Doubles({4}, 0.5, 3)).Gradient(1e-5);
}

Tensor Z(const Shape& shape, std::initializer_list<C64> values) {
  return Tensor::Of<C64>(shape, values);
}

TEST(ComplexTest, ArithmeticAndParts) {
  const Tensor x = Z({2}, {{1, 2}, {3, -4}}), y = Z({}, {{0, 1}});
  Op("AddV2").In(x).In(y).Want(Z({2}, {{1, 3}, {3, -3}}));
  Op("Mul").In(x).In(y).Want(Z({2}, {{-2, 1}, {4, 3}}));
  Op("RealDiv").In(x).In(y).Want(Z({2}, {{2, -1}, {-4, -3}}));
  Op("Neg").In(x).Want(Z({2}, {{-1, -2}, {-3, 4}}));
  Op("Square").In(x).Want(Z({2}, {{-3, 4}, {-7, -24}}));
  Op("Equal").In(x).In(Z({}, {{1, 2}})).Want(B({2}, {true, false}));
  Op("Conj").In(x).Want(Z({2}, {{1, -2}, {3, 4}}));
  Op("Real").In(x).Want(F({2}, {1, 3}));
  Op("Imag").In(x).Want(F({2}, {2, -4}));
  Op("ComplexAbs").In(Z({1}, {{3, -4}})).Want(F({1}, {5}));
  Op("Angle").In(y).Want(F({}, {1.5707964f}));
  Op("Complex")
      .In(F({2}, {1, 2}))
      .In(F({}, {3}))
      .Want(Z({2}, {{1, 3}, {2, 3}}));
  Op("Sum").In(x).In(I({1}, {0})).Want(Z({}, {{4, -2}}));
  Op("MatMul")
      .In(Z({1, 1}, {{1, 1}}))
      .In(Z({1, 1}, {{0, 2}}))
      .Want(Z({1, 1}, {{-2, 2}}));
  Op("BatchMatMulV2", {{"adj_x", true}})
      .In(Z({1, 1}, {{1, 1}}))
      .In(Z({1, 1}, {{0, 2}}))
      .Want(Z({1, 1}, {{2, 2}}));
}

// |f(z)|^2 of z from its parts: differences see every complex gradient.
TEST(ComplexTest, GradientsThroughComplexFunctions) {
  const auto through = [](std::function<Output(const Scope&, Output)> f) {
    return OpCase([f](const Scope& s, const Outputs& in) {
      const Output w = f(s, ops::Complex(s, in[0], in[1]));
      return ops::Add(s, ops::Square(s, ops::Real(s, w)),
                      ops::Mul(s, 0.5f, ops::Imag(s, w)));
    });
  };
  const Tensor re = Doubles({3}, 0.5, 1), im = Doubles({3}, 0.5, 1, 2);
  for (const char* op : {"Square", "Exp", "Log", "Sin", "Tanh", "Sqrt", "Rsqrt",
                         "Reciprocal", "Conj", "Sigmoid", "Asinh"}) {
    SCOPED_TRACE(op);
    through([op](const Scope& s, Output z) { return s.Op(op).In(z).Out(); })
        .In(re)
        .In(im)
        .Gradient(1e-5);
  }
  for (const char* op : {"Mul", "RealDiv", "Pow", "Xlogy"}) {
    SCOPED_TRACE(op);
    through([op](const Scope& s, Output z) {
      return s.Op(op).In(ops::Exp(s, z)).In(z).Out();
    })
        .In(re)
        .In(im)
        .Gradient(1e-5);
  }
  OpCase([](const Scope& s, const Outputs& in) {
    const Output z = ops::Complex(s, in[0], in[1]);
    return ops::Mul(s, ops::ComplexAbs(s, z), ops::Angle(s, z));
  })
      .In(re)
      .In(im)
      .Gradient(1e-5);
}

TEST(ComplexTest, CastsTakeTheRealPart) {
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::Cast(s, in[0], kInt32);
  })
      .In(Z({2}, {{1.9f, 5}, {-2.5f, 0}}))
      .Want(I({2}, {1, -2}));
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::Cast(s, in[0], kComplex128);
  })
      .In(F({1}, {1.5f}))
      .Want(Tensor::Of<C128>({1}, {{1.5, 0}}));
}

TEST(AddTest, JoinsStrings) {
  Op("Add").In(S({2}, {"a", "b"})).In(S({}, {"c"})).Want(S({2}, {"ac", "bc"}));
}

TEST(ApproximateEqualTest, ComparesWithATolerance) {
  Op("ApproximateEqual", {{"tolerance", 0.5f}})
      .In(F({3}, {1, 1, NAN}))
      .In(F({3}, {1.4f, 1.5f, NAN}))
      .Want(B({3}, {true, false, false}));
}

}  // namespace
}  // namespace lockstep
