// SPDX-License-Identifier: Apache-2.0
#include "ops/ops.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

OpCase Gather(int axis, int batch_dims = 0) {
  return OpCase([=](const Scope& s, const Outputs& in) {
    return ops::Gather(s, in[0], in[1], axis, batch_dims);
  });
}

TEST(GatherTest, TakesSlicesByNumber) {
  const Tensor x = F({3, 2}, {1, 2, 3, 4, 5, 6});
  Gather(0).In(x).In(I({2}, {2, 0})).Want(F({2, 2}, {5, 6, 1, 2}));
  Gather(1).In(x).In(L({2, 1}, {1, 0})).Want(F({3, 2, 1}, {2, 1, 4, 3, 6, 5}));
  Gather(0).In(x).In(I({}, {1})).Want(F({2}, {3, 4}));
  Gather(-1, 1).In(x).In(I({3, 1}, {0, 1, 0})).Want(F({3, 1}, {1, 4, 5}));
  Gather(0)
      .In(S({2}, {"a", "b"}))
      .In(I({3}, {1, 0, 1}))
      .Want(S({3}, {"b", "a", "b"}));
  Gather(0).In(x).In(I({0}, {})).Want(F({0, 2}, {}));
}

TEST(GatherTest, SingleElementsOfEverySize) {
  constexpr int64_t kMany = 40000;  // more than one thread's
  Tensor index(kInt32, Shape{kMany});
  for (size_t i = 0; i < static_cast<size_t>(kMany); ++i) {
    index.flat<int32_t>()[i] = static_cast<int32_t>(i * 7 % 5);
  }
  const Tensor x =
      F({3, 5}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});
  for (const int64_t rows : {1, 3}) {
    Tensor some(kFloat, Shape{rows, 5}), want(kFloat, Shape{rows, kMany});
    for (int64_t i = 0; i < rows * kMany; ++i) {
      const int64_t from = i / kMany * 5 + i % kMany * 7 % 5;
      want.flat<float>()[static_cast<size_t>(i)] =
          x.flat<float>()[static_cast<size_t>(from)];
    }
    std::copy_n(x.flat<float>().data(), rows * 5, some.flat<float>().data());
    for (const DType t : {kUint8, kHalf, kInt32, kDouble}) {
      Gather(1).In(As(t, some)).In(index).Want(As(t, want));
    }
  }
}

TEST(GatherTest, RefusesIndicesOutOfRange) {
  const Tensor x = F({3, 2}, {1, 2, 3, 4, 5, 6});
  Gather(0)
      .In(x)
      .In(I({2}, {0, 3}))
      .WantError(Code::kInvalidArgument, "indices[1] = 3 is not in [0, 3)");
  Gather(0)
      .In(x)
      .In(I({2, 2}, {0, 1, 2, 7}))
      .WantError(Code::kInvalidArgument, "indices[1,1] = 7 is not in [0, 3)");
  Gather(0)
      .In(x)
      .In(I({}, {5}))
      .WantError(Code::kInvalidArgument, "indices = 5 is not in [0, 3)");
  Gather(0)
      .In(x)
      .In(I({1}, {-1}))
      .WantError(Code::kInvalidArgument, "indices[0] = -1");
}

TEST(GatherTest, GradientSumsBySlice) {
  Gather(0).In(Doubles({4, 2})).In(I({3}, {2, 0, 2})).Gradient();
  Gather(1).In(Doubles({2, 3, 2})).In(I({2, 2}, {1, 1, 0, 2})).Gradient();
  Gather(2, 1).In(Doubles({2, 2, 3})).In(I({2, 2}, {1, 1, 0, 2})).Gradient();
}

TEST(GatherNdTest, TakesSlicesByPosition) {
  OpCase gather([](const Scope& s, const Outputs& in) {
    return ops::GatherNd(s, in[0], in[1]);
  });
  const Tensor x = F({2, 2}, {1, 2, 3, 4});
  OpCase(gather).In(x).In(I({2, 2}, {0, 0, 1, 1})).Want(F({2}, {1, 4}));
  OpCase(gather).In(x).In(L({1, 1}, {1})).Want(F({1, 2}, {3, 4}));
  OpCase(gather).In(S({2}, {"a", "b"})).In(I({1}, {1})).Want(S({}, {"b"}));
  OpCase(gather)
      .In(x)
      .In(I({1, 2}, {0, 2}))
      .WantError(Code::kInvalidArgument, "indices[0] = [0, 2]");
  OpCase(gather)
      .In(x)
      .In(I({1, 3}, {0, 0, 0}))
      .WantError(Code::kInvalidArgument, "saw: 3");
  OpCase(gather).In(Doubles({2, 3})).In(I({3, 1}, {1, 1, 0})).Gradient();
}

TEST(ScatterNdTest, AddsSlicesIntoZeros) {
  OpCase scatter([](const Scope& s, const Outputs& in) {
    return ops::ScatterNd(s, in[0], in[1], in[2]);
  });
  OpCase(scatter)
      .In(I({3, 1}, {1, 3, 1}))
      .In(F({3}, {1, 2, 4}))
      .In(I({1}, {4}))
      .Want(F({4}, {0, 5, 0, 2}));
  OpCase(scatter)
      .In(I({1, 1}, {4}))
      .In(F({1}, {1}))
      .In(I({1}, {4}))
      .WantError(Code::kInvalidArgument, "indices[0] = [4]");
  OpCase(scatter)
      .In(I({2, 1}, {0, 1}))
      .In(F({3}, {1, 2, 3}))
      .In(I({1}, {4}))
      .WantError(Code::kInvalidArgument, "updates");
  OpCase(scatter)
      .In(I({2, 1}, {2, 0}))
      .In(Doubles({2, 2}))
      .In(I({2}, {3, 2}))
      .Gradient();
}

TEST(WhereTest, ListsPositionsOfWhatHolds) {
  OpCase where(
      [](const Scope& s, const Outputs& in) { return ops::Where(s, in[0]); });
  OpCase(where)
      .In(B({2, 2}, {true, false, true, true}))
      .Want(L({3, 2}, {0, 0, 1, 0, 1, 1}));
  OpCase(where).In(F({3}, {0, -0.0f, 2})).Want(L({1, 1}, {2}));
  OpCase(where).In(B({2}, {false, false})).Want(L({0, 1}, {}));
  OpCase(where)
      .In(B({}, {true}))
      .WantError(Code::kInvalidArgument, "rank at least 1");
}

}  // namespace
}  // namespace lockstep
