// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "ops/ops.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

OpCase Strided(ops::StridedSliceMasks masks = {}) {
  return OpCase([masks](const Scope& s, const Outputs& in) {
    return ops::StridedSlice(s, in[0], in[1], in[2], in[3], masks);
  });
}

const Tensor kVector = I({5}, {0, 1, 2, 3, 4});
const Tensor kMatrix = I({2, 3}, {1, 2, 3, 4, 5, 6});

TEST(StridedSliceTest, TakesEveryNthElementEitherWay) {
  Strided()
      .In(kVector)
      .In(I({1}, {1}))
      .In(I({1}, {4}))
      .In(I({1}, {2}))
      .Want(I({2}, {1, 3}));
  Strided()
      .In(kVector)
      .In(I({1}, {-1}))
      .In(I({1}, {0}))
      .In(I({1}, {-2}))
      .Want(I({2}, {4, 2}));
  Strided({.begin = 1, .end = 1})
      .In(kVector)
      .In(I({1}, {0}))
      .In(I({1}, {0}))
      .In(I({1}, {-1}))
      .Want(I({5}, {4, 3, 2, 1, 0}));
  Strided()
      .In(kVector)
      .In(I({1}, {-100}))
      .In(I({1}, {100}))
      .In(I({1}, {3}))
      .Want(I({2}, {0, 3}));
  Strided()
      .In(kVector)
      .In(I({1}, {3}))
      .In(I({1}, {1}))
      .In(I({1}, {1}))
      .Want(I({0}, {}));
}

TEST(StridedSliceTest, IndexesInsertsAndSkipsAxes) {
  // x[1]
  Strided({.shrink_axis = 1})
      .In(kMatrix)
      .In(I({1}, {1}))
      .In(I({1}, {2}))
      .In(I({1}, {1}))
      .Want(I({3}, {4, 5, 6}));
  // x[..., -1]
  Strided({.ellipsis = 1, .shrink_axis = 2})
      .In(kMatrix)
      .In(L({2}, {0, -1}))
      .In(L({2}, {0, 0}))
      .In(L({2}, {1, 1}))
      .Want(I({2}, {3, 6}));
  // x[:, newaxis, 1:]
  Strided({.begin = 1, .end = 5, .new_axis = 2})
      .In(kMatrix)
      .In(I({3}, {0, 0, 1}))
      .In(I({3}, {0, 0, 0}))
      .In(I({3}, {1, 1, 1}))
      .Want(I({2, 1, 2}, {2, 3, 5, 6}));
  Strided({.shrink_axis = 1})
      .In(S({2}, {"a", "b"}))
      .In(I({1}, {-1}))
      .In(I({1}, {0}))
      .In(I({1}, {1}))
      .Want(S({}, {"b"}));
}

TEST(StridedSliceTest, RefusesBadIndices) {
  Strided({.shrink_axis = 1})
      .In(kVector)
      .In(I({1}, {5}))
      .In(I({1}, {6}))
      .In(I({1}, {1}))
      .WantError(Code::kInvalidArgument, "slice index 5");
  Strided()
      .In(kVector)
      .In(I({1}, {0}))
      .In(I({1}, {1}))
      .In(I({1}, {0}))
      .WantError(Code::kInvalidArgument, "non-zero");
  Strided()
      .In(kVector)
      .In(I({2}, {0, 0}))
      .In(I({2}, {1, 1}))
      .In(I({2}, {1, 1}))
      .WantError(Code::kInvalidArgument, "input has only 1 dims");
  Strided({.ellipsis = 3})
      .In(kMatrix)
      .In(I({2}, {0, 0}))
      .In(I({2}, {1, 1}))
      .In(I({2}, {1, 1}))
      .WantError(Code::kInvalidArgument, "ellipses");
}

TEST(StridedSliceTest, ExtremeIndicesDoNotOverflow) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  Strided()
      .In(kVector)
      .In(L({1}, {kMin}))
      .In(L({1}, {kMax}))
      .In(L({1}, {kMax}))
      .Want(I({1}, {0}));
  Strided()
      .In(kVector)
      .In(L({1}, {kMax}))
      .In(L({1}, {kMin}))
      .In(L({1}, {kMin}))
      .Want(I({1}, {4}));
}

TEST(StridedSliceTest, GradientGoesBackWhereItWasTaken) {
  Strided()
      .In(Doubles({5, 3}))
      .In(I({2}, {4, 0}))
      .In(I({2}, {0, 2}))
      .In(I({2}, {-2, 1}))
      .Gradient();
  Strided({.ellipsis = 1, .shrink_axis = 2})
      .In(Doubles({2, 2, 3}))
      .In(I({2}, {0, -1}))
      .In(I({2}, {0, 0}))
      .In(I({2}, {1, 1}))
      .Gradient();
}

TEST(StridedSliceGradTest, RefusesADyOfAnotherSize) {
  OpCase([](const Scope& s, const Outputs& in) {
    return s.Op("StridedSliceGrad")
        .In(Input({4}))
        .In(Input({0}))
        .In(Input({2}))
        .In(Input({1}))
        .In(in[0])
        .Out();
  })
      .In(F({3}, {1, 2, 3}))
      .WantError(Code::kInvalidArgument, "dy");
}

TEST(ReverseTest, TurnsAxesAround) {
  OpCase reverse([](const Scope& s, const Outputs& in) {
    return ops::Reverse(s, in[0], in[1]);
  });
  OpCase(reverse)
      .In(kMatrix)
      .In(I({1}, {1}))
      .Want(I({2, 3}, {3, 2, 1, 6, 5, 4}));
  OpCase(reverse)
      .In(kMatrix)
      .In(I({2}, {0, -1}))
      .Want(I({2, 3}, {6, 5, 4, 3, 2, 1}));
  OpCase(reverse).In(kMatrix).In(I({0}, {})).Want(kMatrix);
  OpCase(reverse).In(I({0, 2}, {})).In(I({1}, {0})).Want(I({0, 2}, {}));
  OpCase(reverse)
      .In(S({2}, {"a", "b"}))
      .In(I({1}, {0}))
      .Want(S({2}, {"b", "a"}));
  OpCase(reverse)
      .In(kMatrix)
      .In(I({1}, {2}))
      .WantError(Code::kInvalidArgument, "2");
  OpCase(reverse).In(Doubles({2, 3})).In(I({1}, {0})).Gradient();
}

}  // namespace
}  // namespace lockstep
