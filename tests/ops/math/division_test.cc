// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "ops/ops.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

OpCase Two(const char* op) {
  return OpCase([op](const Scope& s, const Outputs& in) {
    return s.Op(op).In(in[0]).In(in[1]).Out();
  });
}

constexpr float kInf = std::numeric_limits<float>::infinity();
const float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(DivTest, DividesFloatsAndTruncatesIntegers) {
  Two("RealDiv")
      .In(F({3}, {1, -3, 5}))
      .In(F({}, {2}))
      .Want(F({3}, {0.5, -1.5, 2.5}));
  Two("Div")
      .In(I({4}, {7, -7, 7, -7}))
      .In(I({4}, {2, 2, -2, -2}))
      .Want(I({4}, {3, -3, -3, 3}));
  Two("TruncateDiv").In(I({2}, {-7, 7})).In(I({}, {2})).Want(I({2}, {-3, 3}));
  Two("Div")
      .In(F({3}, {1, -1, 0}))
      .In(F({}, {0}))
      .Want(F({3}, {kInf, -kInf, kNan}));
}

TEST(FloorDivTest, RoundsDown) {
  Two("FloorDiv")
      .In(I({4}, {7, -7, 7, -7}))
      .In(I({4}, {2, 2, -2, -2}))
      .Want(I({4}, {3, -4, -4, 3}));
  Two("FloorDiv").In(F({2}, {7, -7})).In(F({}, {2})).Want(F({2}, {3, -4}));
  Two("FloorDiv")
      .In(Tensor::Scalar<uint8_t>(200))
      .In(Tensor::Scalar<uint8_t>(7))
      .Want(Tensor::Scalar<uint8_t>(28));
}

TEST(FloorModTest, TakesTheDivisorsSign) {
  Two("FloorMod")
      .In(I({4}, {7, -7, 7, -7}))
      .In(I({4}, {3, 3, -3, -3}))
      .Want(I({4}, {1, 2, -2, -1}));
  Two("FloorMod").In(F({2}, {-7, 7})).In(F({2}, {3, -3})).Want(F({2}, {2, -2}));
}

TEST(TruncateModTest, TakesTheDividendsSign) {
  for (const char* op : {"TruncateMod", "Mod"}) {
    Two(op)
        .In(I({4}, {7, -7, 7, -7}))
        .In(I({4}, {3, 3, -3, -3}))
        .Want(I({4}, {1, -1, 1, -1}));
    Two(op).In(F({2}, {-7.5, 7.5})).In(F({}, {2})).Want(F({2}, {-1.5, 1.5}));
  }
}

TEST(IntegerDivisionTest, ByZeroIsAnErrorAndLeavesNoCrash) {
  for (const char* op :
       {"Div", "FloorDiv", "TruncateDiv", "FloorMod", "Mod", "TruncateMod"}) {
    SCOPED_TRACE(op);
    Two(op)
        .In(I({2}, {1, 2}))
        .In(I({2}, {1, 0}))
        .WantError(std::string_view(op).starts_with("Truncate")
                       ? Code::kInternal
                       : Code::kInvalidArgument,
                   "division by zero");
    Two(op).In(I({0}, {})).In(I({}, {0})).Want(I({0}, {}));
  }
}

TEST(IntegerDivisionTest, LeastByMinusOneWraps) {
  constexpr int32_t kMin = std::numeric_limits<int32_t>::min();
  constexpr int64_t kMin64 = std::numeric_limits<int64_t>::min();
  Two("Div").In(I({}, {kMin})).In(I({}, {-1})).Want(I({}, {kMin}));
  Two("FloorDiv").In(L({}, {kMin64})).In(L({}, {-1})).Want(L({}, {kMin64}));
  Two("FloorMod").In(I({}, {kMin})).In(I({}, {-1})).Want(I({}, {0}));
  Two("TruncateMod").In(L({}, {kMin64})).In(L({}, {-1})).Want(L({}, {0}));
}

TEST(DivNoNanTest, IsZeroWhereTheDivisorIs) {
  Two("DivNoNan")
      .In(F({4}, {1, 0, kNan, 6}))
      .In(F({4}, {0, 0, 0, 3}))
      .Want(F({4}, {0, 0, 0, 2}));
}

TEST(DivisionGradientTest, MatchesDifferences) {
  for (const char* op : {"RealDiv", "Div", "DivNoNan"}) {
    SCOPED_TRACE(op);
    Two(op).In(Doubles({2, 3})).In(Doubles({3}, 0.5, 2, 2)).Gradient();
    Two(op).In(Doubles({2, 1})).In(Doubles({2, 3}, 0.5, 2, 2)).Gradient();
  }
  for (const char* op : {"FloorMod", "Mod", "TruncateMod"}) {
    SCOPED_TRACE(op);
    Two(op).In(D({3}, {7.3, -7.4, 5.1})).In(D({}, {2.2})).Gradient();
  }
}

TEST(ExtremesTest, ChooseAndPropagateNan) {
  Two("Maximum")
      .In(F({4}, {1, 5, kNan, 2}))
      .In(F({4}, {3, 2, 1, kNan}))
      .Want(F({4}, {3, 5, kNan, kNan}));
  Two("Minimum")
      .In(F({4}, {1, 5, kNan, 2}))
      .In(F({4}, {3, 2, 1, kNan}))
      .Want(F({4}, {1, 2, kNan, kNan}));
  Two("Maximum").In(I({2}, {-1, 4})).In(I({}, {0})).Want(I({2}, {0, 4}));
  Two("Maximum").In(Doubles({2, 3})).In(Doubles({3}, -1, 1, 2)).Gradient();
  Two("Minimum").In(Doubles({2, 3})).In(Doubles({2, 1}, -1, 1, 2)).Gradient();
}

TEST(ExtremesTest, EqualOperandsPassTheGradientToTheFirst) {
  OpCase([](const Scope& s, const Outputs& in) {
    std::vector<Output> dx;
    const Output z = ops::Maximum(s, in[0], in[1]);
    EXPECT_TRUE(AddGradients(s, {z}, {in[0], in[1]}, &dx).ok());
    return ops::Pack(s, dx);
  })
      .In(F({2}, {1, 2}))
      .In(F({2}, {1, 3}))
      .Want(F({2, 2}, {1, 0, 0, 1}));
}

TEST(PowTest, RaisesFloatsAndIntegers) {
  Two("Pow")
      .In(F({4}, {2, 3, 4, -2}))
      .In(F({4}, {3, 2, 0.5, 3}))
      .Within(1e-6)
      .Want(F({4}, {8, 9, 2, -8}));
  Two("Pow")
      .In(F({3}, {0, -1, 2}))
      .In(F({3}, {0, 0.5, -1}))
      .Within(1e-6)
      .Want(F({3}, {1, kNan, 0.5}));
  Two("Pow")
      .In(I({4}, {2, -3, 0, 7}))
      .In(I({4}, {10, 3, 0, 1}))
      .Want(I({4}, {1024, -27, 1, 7}));
  Two("Pow")
      .In(I({}, {2}))
      .In(I({}, {-1}))
      .WantError(Code::kInvalidArgument, "negative integer powers");
  Two("Pow")
      .In(Doubles({2, 3}, 0.5, 2))
      .In(Doubles({3}, -1, 2, 2))
      .Gradient(1e-5);
}

TEST(PowTest, GradientAtZeroIsFinite) {
  OpCase([](const Scope& s, const Outputs& in) {
    std::vector<Output> dx;
    const Output z = ops::Pow(s, in[0], in[1]);
    EXPECT_TRUE(AddGradients(s, {z}, {in[0], in[1]}, &dx).ok());
    return ops::Pack(s, dx);
  })
      .In(D({}, {0}))
      .In(D({}, {2}))
      .Want(D({2}, {0, 0}));
}

TEST(Atan2Test, GivesTheAngleOfAllQuadrants) {
  Two("Atan2")
      .In(D({4}, {1, 1, -1, -1}))
      .In(D({4}, {1, -1, -1, 1}))
      .Within(1e-12)
      .Want(D({4}, {M_PI / 4, 3 * M_PI / 4, -3 * M_PI / 4, -M_PI / 4}));
  Two("Atan2").In(Doubles({3})).In(Doubles({3}, 0.5, 1, 2)).Gradient();
}

}  // namespace
}  // namespace lockstep
