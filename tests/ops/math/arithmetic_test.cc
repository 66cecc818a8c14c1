// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "ops/ops.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

OpCase Add() {
  return OpCase([](const Scope& s, const Outputs& in) {
    return ops::Add(s, in[0], in[1]);
  });
}
OpCase Sub() {
  return OpCase([](const Scope& s, const Outputs& in) {
    return ops::Sub(s, in[0], in[1]);
  });
}
OpCase Mul() {
  return OpCase([](const Scope& s, const Outputs& in) {
    return ops::Mul(s, in[0], in[1]);
  });
}

TEST(AddTest, AddsElementsOfEqualShapes) {
  Add()
      .In(F({2, 2}, {1, 2, 3, 4}))
      .In(F({2, 2}, {10, 20, 30, 40}))
      .Want(F({2, 2}, {11, 22, 33, 44}));
  Add().In(I({}, {2})).In(I({}, {3})).Want(I({}, {5}));
  Add().In(F({0, 3}, {})).In(F({3}, {1, 2, 3})).Want(F({0, 3}, {}));
}

TEST(AddTest, BroadcastsRowsColumnsAndScalars) {
  const Tensor m = F({2, 3}, {1, 2, 3, 4, 5, 6});
  Add()
      .In(m)
      .In(F({3}, {10, 20, 30}))
      .Want(F({2, 3}, {11, 22, 33, 14, 25, 36}));
  Add().In(F({2, 1}, {10, 20})).In(m).Want(F({2, 3}, {11, 12, 13, 24, 25, 26}));
  Add().In(m).In(F({}, {1})).Want(F({2, 3}, {2, 3, 4, 5, 6, 7}));
  Add().In(F({1, 1}, {1})).In(m).Want(F({2, 3}, {2, 3, 4, 5, 6, 7}));
  Add()
      .In(F({2, 1, 2}, {1, 2, 3, 4}))
      .In(F({2, 1}, {10, 20}))
      .Want(F({2, 2, 2}, {11, 12, 21, 22, 13, 14, 23, 24}));
}

TEST(AddTest, RefusesShapesThatDoNotBroadcast) {
  Add()
      .In(F({2}, {1, 2}))
      .In(F({3}, {1, 2, 3}))
      .WantError(Code::kInvalidArgument, "Incompatible shapes: [2] vs. [3]");
}

TEST(AddTest, RefusesStringsAndMixedTypes) {
  Add()
      .In(S({}, {"a"}))
      .In(S({}, {"b"}))
      .WantError(Code::kInvalidArgument, "T");
  Add()
      .In(F({}, {1}))
      .In(I({}, {1}))
      .WantError(Code::kInvalidArgument, "int32");
}

TEST(AddTest, LargeSumsMatchWhateverThePathOrThreads) {
  const Shape shape{257, 521};
  const Tensor a = As(kFloat, Doubles(shape, -1, 1, 3));
  const Tensor b = As(kFloat, Doubles(shape, -1, 1, 4));
  Tensor want(kFloat, shape);
  for (size_t i = 0; i < want.flat<float>().size(); ++i) {
    want.flat<float>()[i] = a.flat<float>()[i] + b.flat<float>()[i];
  }
  Add().In(a).In(b).Want(want);
}

TEST(AddTest, WorksForEveryRealType) {
  for (DType t : {kFloat, kDouble, kHalf, kBfloat16, kInt8, kInt16, kInt32,
                  kInt64, kUint8, kUint16, kUint32, kUint64}) {
    SCOPED_TRACE(DTypeName(t));
    Add()
        .In(As(t, D({2, 2}, {1, 2, 3, 4})))
        .In(As(t, D({2}, {5, 6})))
        .Want(As(t, D({2, 2}, {6, 8, 8, 10})));
    Sub()
        .In(As(t, D({2}, {9, 7})))
        .In(As(t, D({}, {5})))
        .Want(As(t, D({2}, {4, 2})));
    Mul()
        .In(As(t, D({3}, {1, 2, 3})))
        .In(As(t, D({3}, {4, 5, 6})))
        .Want(As(t, D({3}, {4, 10, 18})));
  }
}

TEST(AddTest, IntegersWrapAround) {
  constexpr int32_t kMax = std::numeric_limits<int32_t>::max();
  Add()
      .In(I({}, {kMax}))
      .In(I({}, {1}))
      .Want(I({}, {std::numeric_limits<int32_t>::min()}));
  Mul()
      .In(Tensor::Scalar<int16_t>(300))
      .In(Tensor::Scalar<int16_t>(300))
      .Want(Tensor::Scalar<int16_t>(24464));
  Sub()
      .In(Tensor::Scalar<uint8_t>(1))
      .In(Tensor::Scalar<uint8_t>(2))
      .Want(Tensor::Scalar<uint8_t>(255));
}

TEST(ArithmeticGradientTest, MatchesDifferencesWithBroadcasting) {
  Add().In(Doubles({2, 3})).In(Doubles({3}, -1, 1, 2)).Gradient();
  Sub().In(Doubles({2, 1})).In(Doubles({2, 3}, -1, 1, 2)).Gradient();
  Mul().In(Doubles({2, 1, 3})).In(Doubles({2, 1}, -1, 1, 2)).Gradient();
  Mul().In(Doubles({})).In(Doubles({2, 2}, -1, 1, 2)).Gradient();
  Mul().In(Doubles({2, 2})).In(Doubles({2, 2}, -1, 1, 2)).Gradient();
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::SquaredDifference(s, in[0], in[1]);
  })
      .In(Doubles({2, 3}))
      .In(Doubles({1, 3}, -1, 1, 2))
      .Gradient();
}

TEST(SquaredDifferenceTest, SquaresTheDifference) {
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::SquaredDifference(s, in[0], in[1]);
  })
      .In(F({3}, {1, 5, -2}))
      .In(F({}, {2}))
      .Want(F({3}, {1, 9, 16}));
}

TEST(AddNTest, AddsAnyNumberOfTensors) {
  OpCase all(
      [](const Scope& s, const Outputs& in) { return ops::AddN(s, in); });
  all.In(F({2}, {1, 2})).Want(F({2}, {1, 2}));
  all.In(F({2}, {10, 20})).Want(F({2}, {11, 22}));
  all.In(F({2}, {100, 200})).Want(F({2}, {111, 222}));
  OpCase([](const Scope& s, const Outputs& in) { return ops::AddN(s, in); })
      .In(Doubles({3}))
      .In(Doubles({3}, -1, 1, 2))
      .In(Doubles({3}, -1, 1, 3))
      .Gradient();
}

// The first operand's memory may become the sum's while it is still an operand.
TEST(AddNTest, AccumulateChecksTheShape) {
  const auto accumulate = [](const Shape& shape) {
    return OpCase([shape](const Scope& s, const Outputs& in) {
      return s.Op("AccumulateNV2").In(in).Attr("shape", shape).Out();
    });
  };
  accumulate({2}).In(F({2}, {1, 2})).In(F({2}, {3, 4})).Want(F({2}, {4, 6}));
  accumulate({3})
      .In(F({2}, {1, 2}))
      .In(F({2}, {3, 4}))
      .WantError(Code::kInvalidArgument, "");
  accumulate({2}).In(Doubles({2})).In(Doubles({2}, -1, 1, 2)).Gradient();
}

TEST(AddNTest, AnOperandMayOccurTwice) {
  OpCase([](const Scope& s, const Outputs& in) {
    const Output n = ops::Neg(s, in[0]);
    return ops::AddN(s, {n, in[1], n});
  })
      .In(F({2}, {1, 2}))
      .In(F({2}, {10, 20}))
      .Want(F({2}, {8, 16}));
}

TEST(AddNTest, RefusesUnequalShapes) {
  OpCase([](const Scope& s, const Outputs& in) { return ops::AddN(s, in); })
      .In(F({2}, {1, 2}))
      .In(F({1}, {1}))
      .WantError(Code::kInvalidArgument, "shape");
}

TEST(BinaryBuilderTest, ValuesTakeTheOtherOperandsType) {
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::Mul(s, 2.0f, in[0]);
  })
      .In(D({2}, {1.5, 2}))
      .Want(D({2}, {3, 4}));
}

}  // namespace
}  // namespace lockstep
