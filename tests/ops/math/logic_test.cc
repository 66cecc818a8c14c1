// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <cmath>
#include <limits>

#include "ops/ops.h"
#include "runtime/exec/session.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

const float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

OpCase Two(const char* op) {
  return OpCase([op](const Scope& s, const Outputs& in) {
    return s.Op(op).In(in[0]).In(in[1]).Out();
  });
}

TEST(ComparisonTest, ComparesWithBroadcastingAndNan) {
  const Tensor a = F({4}, {1, 2, 3, kNan});
  const Tensor b = F({}, {2});
  Two("Equal").In(a).In(b).Want(B({4}, {false, true, false, false}));
  Two("NotEqual").In(a).In(b).Want(B({4}, {true, false, true, true}));
  Two("Less").In(a).In(b).Want(B({4}, {true, false, false, false}));
  Two("LessEqual").In(a).In(b).Want(B({4}, {true, true, false, false}));
  Two("Greater").In(a).In(b).Want(B({4}, {false, false, true, false}));
  Two("GreaterEqual").In(a).In(b).Want(B({4}, {false, true, true, false}));
  Two("Less")
      .In(Tensor::Scalar<uint8_t>(1))
      .In(Tensor::Scalar<uint8_t>(200))
      .Want(B({}, {true}));
  Two("Less")
      .In(As(kHalf, F({2}, {1, 3})))
      .In(As(kHalf, F({}, {2})))
      .Want(B({2}, {true, false}));
}

TEST(EqualTest, ComparesStringsAndBooleans) {
  Two("Equal")
      .In(S({2}, {"a", "b"}))
      .In(S({}, {"b"}))
      .Want(B({2}, {false, true}));
  Two("NotEqual")
      .In(B({2}, {true, false}))
      .In(B({2}, {true, true}))
      .Want(B({2}, {false, true}));
}

TEST(EqualTest, UnbroadcastableOperandsAreUnequalWhenAllowed) {
  OpCase([](const Scope& s, const Outputs& in) {
    return s.Op("Equal")
        .In(in[0])
        .In(in[1])
        .Attr("incompatible_shape_error", false)
        .Out();
  })
      .In(F({2}, {1, 2}))
      .In(F({3}, {1, 2, 3}))
      .Want(B({}, {false}));
  Two("Equal")
      .In(F({2}, {1, 2}))
      .In(F({3}, {1, 2, 3}))
      .WantError(Code::kInvalidArgument, "[3]");
}

TEST(LogicalTest, CombinesBooleans) {
  const Tensor a = B({4}, {false, false, true, true});
  const Tensor b = B({4}, {false, true, false, true});
  Two("LogicalAnd").In(a).In(b).Want(B({4}, {false, false, false, true}));
  Two("LogicalOr").In(a).In(b).Want(B({4}, {false, true, true, true}));
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::LogicalNot(s, in[0]);
  })
      .In(a)
      .Want(B({4}, {true, true, false, false}));
}

OpCase Select() {
  return OpCase([](const Scope& s, const Outputs& in) {
    return ops::Select(s, in[0], in[1], in[2]);
  });
}
OpCase SelectV2() {
  return OpCase([](const Scope& s, const Outputs& in) {
    return ops::SelectV2(s, in[0], in[1], in[2]);
  });
}

TEST(SelectTest, ChoosesByElementByRowAndAsAWhole) {
  const Tensor x = F({2, 2}, {1, 2, 3, 4}), y = F({2, 2}, {5, 6, 7, 8});
  Select()
      .In(B({2, 2}, {true, false, false, true}))
      .In(x)
      .In(y)
      .Want(F({2, 2}, {1, 6, 7, 4}));
  Select().In(B({2}, {true, false})).In(x).In(y).Want(F({2, 2}, {1, 2, 7, 8}));
  Select().In(B({}, {false})).In(x).In(y).Want(y);
  Select()
      .In(B({2}, {false, true}))
      .In(S({2}, {"a", "b"}))
      .In(S({2}, {"c", "d"}))
      .Want(S({2}, {"c", "b"}));
  Select()
      .In(B({3}, {true, false, true}))
      .In(x)
      .In(y)
      .WantError(Code::kInvalidArgument, "[3]");
  Select()
      .In(B({2, 2}, {true, false, false, true}))
      .In(Doubles({2, 2}))
      .In(Doubles({2, 2}, -1, 1, 2))
      .Gradient();
  Select()
      .In(B({2}, {true, false}))
      .In(Doubles({2, 3}))
      .In(Doubles({2, 3}, -1, 1, 2))
      .Gradient();
}

TEST(SelectV2Test, BroadcastsAllThree) {
  SelectV2()
      .In(B({2, 1}, {true, false}))
      .In(I({3}, {1, 2, 3}))
      .In(I({}, {0}))
      .Want(I({2, 3}, {1, 2, 3, 0, 0, 0}));
  SelectV2()
      .In(B({}, {true}))
      .In(I({}, {4}))
      .In(I({2}, {5, 6}))
      .Want(I({2}, {4, 4}));
  SelectV2()
      .In(B({2, 1}, {true, false}))
      .In(Doubles({3}))
      .In(Doubles({}))
      .Gradient();
  SelectV2()
      .In(B({2}, {true, false}))
      .In(I({3}, {1, 2, 3}))
      .In(I({}, {0}))
      .WantError(Code::kInvalidArgument, "[2]");
}

OpCase Cast(DType to) {
  return OpCase([to](const Scope& s, const Outputs& in) {
    return ops::Cast(s, in[0], to);
  });
}

TEST(CastTest, TruncatesFloatsTowardsZero) {
  Cast(kInt32).In(F({4}, {1.9, -1.9, 0.5, -0.5})).Want(I({4}, {1, -1, 0, 0}));
  Cast(kUint8)
      .In(F({2}, {3.7, 255}))
      .Want(Tensor::Of<uint8_t>(Shape{2}, {3, 255}));
  Cast(kInt64).In(D({2}, {1e15, -2.5})).Want(L({2}, {1000000000000000, -2}));
}

// As the scalar conversions have them, denormal halves too, in runs of any
// length.
TEST(CastTest, HalvesAndFloatsOfAllKinds) {
  constexpr int64_t kAll = 65536 + 5;
  Tensor halves(kHalf, Shape{kAll}), floats(kFloat, Shape{kAll});
  for (size_t i = 0; i < kAll; ++i) {
    halves.flat<Half>()[i].bits = static_cast<uint16_t>(i);
    // Between, at and beyond the halves: all exponents, ties among them.
    floats.flat<float>()[i] =
        std::bit_cast<float>(static_cast<uint32_t>(i * 65536 + i % 7 * 4096));
  }
  Graph graph;
  const Scope root(&graph);
  ops::Cast(root.WithName("up"),
            ops::Placeholder(root.WithName("h"), kHalf, Shape{-1}), kFloat);
  ops::Cast(root.WithName("down"),
            ops::Placeholder(root.WithName("f"), kFloat, Shape{-1}), kHalf);
  auto session = *Session::Create(graph, {});
  const Tensor up = *session->RunOne({{"h:0", halves}}, "up:0");
  const Tensor down = *session->RunOne({{"f:0", floats}}, "down:0");
  for (size_t i = 0; i < kAll; ++i) {
    const float want = halves.flat<Half>()[i];
    const float got = up.flat<float>()[i];
    ASSERT_TRUE(got == want || (std::isnan(got) && std::isnan(want))) << i;
    const Half made = floats.flat<float>()[i], has = down.flat<Half>()[i];
    ASSERT_TRUE(has.bits == made.bits ||
                (std::isnan(float(has)) && std::isnan(float(made))))
        << floats.flat<float>()[i];
  }
}

TEST(CastTest, OutOfRangeBecomesTheLeastInteger) {
  constexpr int32_t kMin = std::numeric_limits<int32_t>::min();
  constexpr int64_t kMin64 = std::numeric_limits<int64_t>::min();
  Cast(kInt32)
      .In(F({5}, {3e9, -3e9, kNan, kInf, -kInf}))
      .Want(I({5}, {kMin, kMin, kMin, kMin, kMin}));
  Cast(kInt64)
      .In(F({3}, {1e19f, kNan, -kInf}))
      .Want(L({3}, {kMin64, kMin64, kMin64}));
  Cast(kUint64)
      .In(D({2}, {1e19, 2.5}))
      .Want(Tensor::Of<uint64_t>(Shape{2}, {10000000000000000000ull, 2}));
}

TEST(CastTest, IntegersKeepTheirLowBits) {
  Cast(kInt8)
      .In(I({3}, {127, 128, -129}))
      .Want(Tensor::Of<int8_t>(Shape{3}, {127, -128, 127}));
  Cast(kUint32)
      .In(L({2}, {-1, 1ll << 33}))
      .Want(Tensor::Of<uint32_t>(Shape{2}, {4294967295u, 0}));
}

TEST(CastTest, BooleansAreZeroAndOne) {
  Cast(kFloat).In(B({2}, {true, false})).Want(F({2}, {1, 0}));
  Cast(kBool)
      .In(F({4}, {0, -0.0f, 0.5, kNan}))
      .Want(B({4}, {false, false, true, true}));
  Cast(kInt32).In(B({2}, {true, false})).Want(I({2}, {1, 0}));
}

TEST(CastTest, SixteenBitFloatsRoundToNearestEven) {
  Cast(kHalf)
      .In(F({3}, {1.0f, 2049, 65520}))
      .Want(As(kHalf, F({3}, {1, 2048, kInf})));
  Cast(kBfloat16)
      .In(F({2}, {257, 259}))
      .Want(As(kBfloat16, F({2}, {256, 260})));
  Cast(kFloat).In(As(kBfloat16, F({2}, {1.5, -2}))).Want(F({2}, {1.5, -2}));
}

TEST(CastTest, EveryPairOfTypesConverts) {
  const std::vector<DType> types = {
      kFloat, kDouble, kHalf,   kBfloat16, kInt8,   kInt16, kInt32,
      kInt64, kUint8,  kUint16, kUint32,   kUint64, kBool};
  for (DType from : types) {
    for (DType to : types) {
      SCOPED_TRACE(StrCat(DTypeName(from), " to ", DTypeName(to)));
      Cast(to).In(As(from, D({2}, {0, 1}))).Want(As(to, D({2}, {0, 1})));
    }
  }
}

TEST(CastTest, RefusesStrings) {
  Cast(kFloat).In(S({}, {"1"})).WantError(Code::kUnimplemented, "string");
}

TEST(CastTest, GradientIsCastBackBetweenFloatsAndStopsAtIntegers) {
  Cast(kDouble).In(F({3}, {1, 2, 3})).Gradient(1e-3);
  Graph graph;
  const Scope s(&graph);
  const Output x = ops::Placeholder(s, kFloat, {2});
  const Output y = ops::Cast(s, ops::Cast(s, x, kInt32), kFloat);
  std::vector<Output> dx;
  ASSERT_TRUE(AddGradients(s, {y}, {x}, &dx).ok());
  EXPECT_FALSE(dx[0].defined());
}

}  // namespace
}  // namespace lockstep
