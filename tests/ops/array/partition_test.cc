// SPDX-License-Identifier: Apache-2.0
#include "ops/ops.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

OpCase Partition(int n, size_t which) {
  return OpCase([=](const Scope& s, const Outputs& in) {
    const Outputs out = ops::DynamicPartition(s, in[0], in[1], n);
    return out.empty() ? Output() : out[which];
  });
}

TEST(DynamicPartitionTest, PutsSlicesIntoTheirPartitionsInOrder) {
  const Tensor x = F({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  const Tensor p = I({4}, {1, 0, 1, 2});
  Partition(3, 0).In(x).In(p).Want(F({1, 2}, {3, 4}));
  Partition(3, 1).In(x).In(p).Want(F({2, 2}, {1, 2, 5, 6}));
  Partition(4, 3).In(x).In(p).Want(F({0, 2}, {}));
  Partition(2, 1)
      .In(S({2, 2}, {"a", "b", "c", "d"}))
      .In(I({2, 2}, {1, 0, 0, 1}))
      .Want(S({2}, {"a", "d"}));
  Partition(2, 1).In(F({}, {7})).In(I({}, {1})).Want(F({1}, {7}));
  Partition(2, 0).In(F({0, 3}, {})).In(I({0}, {})).Want(F({0, 3}, {}));
}

TEST(DynamicPartitionTest, RefusesPartitionsOutOfRangeAndOtherShapes) {
  Partition(2, 0)
      .In(F({2}, {1, 2}))
      .In(I({2}, {0, 2}))
      .WantError(Code::kInvalidArgument, "partitions[1] = 2 is not in [0, 2)");
  Partition(2, 0)
      .In(F({2}, {1, 2}))
      .In(I({3}, {0, 1, 1}))
      .WantError(Code::kInvalidArgument, "must start with partitions.shape");
}

TEST(DynamicPartitionTest, GradientGoesBackWhereTheSlicesCameFrom) {
  Partition(2, 1).In(Doubles({3, 2})).In(I({3}, {1, 0, 1})).Gradient();
}

OpCase Stitch() {
  return OpCase([](const Scope& s, const Outputs& in) {
    const auto half = static_cast<std::ptrdiff_t>(in.size() / 2);
    return ops::DynamicStitch(s, Outputs(in.begin(), in.begin() + half),
                              Outputs(in.begin() + half, in.end()));
  });
}

TEST(DynamicStitchTest, PutsRowsAtTheirIndices) {
  Stitch()
      .In(I({}, {6}))
      .In(I({2}, {4, 1}))
      .In(I({2, 2}, {5, 2, 0, 3}))
      .In(F({2}, {61, 62}))
      .In(F({2, 2}, {41, 42, 11, 12}))
      .In(F({2, 2, 2}, {51, 52, 21, 22, 1, 2, 31, 32}))
      .Want(F({7, 2}, {1, 2, 11, 12, 21, 22, 31, 32, 41, 42, 51, 52, 61, 62}));
}

TEST(DynamicStitchTest, TheLastSliceStaysAndHolesAreZero) {
  Stitch()
      .In(I({2}, {3, 0}))
      .In(I({1}, {3}))
      .In(F({2}, {1, 2}))
      .In(F({1}, {9}))
      .Want(F({4}, {2, 0, 0, 9}));
  Stitch().In(I({0}, {})).In(F({0, 2}, {})).Want(F({0, 2}, {}));
  Stitch()
      .In(I({1}, {-1}))
      .In(F({1}, {1}))
      .WantError(Code::kInvalidArgument, "out of range");
  Stitch()
      .In(I({2}, {0, 1}))
      .In(F({1}, {1}))
      .WantError(Code::kInvalidArgument, "does not start with");
}

TEST(DynamicStitchTest, GradientGathers) {
  Stitch()
      .Constant(I({2}, {2, 0}))
      .Constant(I({1}, {1}))
      .In(Doubles({2, 2}))
      .In(Doubles({1, 2}, -1, 1, 2))
      .Gradient();
}

enum class Part { kY, kIdx, kCount };

OpCase Unique(Part part, DType out = kInt32) {
  return OpCase([=](const Scope& s, const Outputs& in) {
    const ops::UniqueOutputs u = part == Part::kCount
                                     ? ops::UniqueWithCounts(s, in[0], out)
                                     : ops::Unique(s, in[0], out);
    return part == Part::kY ? u.y : part == Part::kIdx ? u.idx : u.count;
  });
}

TEST(UniqueTest, KeepsTheOrderOfFirstOccurrence) {
  const Tensor x = I({7}, {1, 1, 2, 4, 4, 7, 1});
  Unique(Part::kY).In(x).Want(I({4}, {1, 2, 4, 7}));
  Unique(Part::kIdx).In(x).Want(I({7}, {0, 0, 1, 2, 2, 3, 0}));
  Unique(Part::kIdx, kInt64).In(x).Want(L({7}, {0, 0, 1, 2, 2, 3, 0}));
  Unique(Part::kCount).In(x).Want(I({4}, {3, 1, 2, 1}));
  Unique(Part::kY).In(S({3}, {"b", "a", "b"})).Want(S({2}, {"b", "a"}));
  Unique(Part::kY).In(F({0}, {})).Want(F({0}, {}));
  Unique(Part::kIdx).In(F({2}, {0.0f, -0.0f})).Want(I({2}, {0, 0}));
  Unique(Part::kIdx).In(F({2}, {NAN, NAN})).Want(I({2}, {0, 1}));
  Unique(Part::kY)
      .In(F({1, 1}, {1}))
      .WantError(Code::kInvalidArgument, "1D vector");
}

OpCase UniqueAlong(Part part) {
  return OpCase([=](const Scope& s, const Outputs& in) {
    const ops::UniqueOutputs u = ops::UniqueWithCountsV2(s, in[0], in[1]);
    return part == Part::kY ? u.y : part == Part::kIdx ? u.idx : u.count;
  });
}

TEST(UniqueTest, AlongAnAxisComparesWholeSlices) {
  const Tensor x = I({3, 3}, {1, 0, 0, 1, 0, 0, 2, 0, 0});
  UniqueAlong(Part::kY)
      .In(x)
      .In(L({1}, {0}))
      .Want(I({2, 3}, {1, 0, 0, 2, 0, 0}));
  UniqueAlong(Part::kIdx).In(x).In(L({1}, {0})).Want(I({3}, {0, 0, 1}));
  UniqueAlong(Part::kY)
      .In(x)
      .In(L({1}, {-1}))
      .Want(I({3, 2}, {1, 0, 1, 0, 2, 0}));
  UniqueAlong(Part::kCount).In(x).In(L({1}, {1})).Want(I({2}, {1, 2}));
  UniqueAlong(Part::kY)
      .In(I({2}, {3, 3}))
      .In(Tensor(kInt64, Shape{0}))
      .Want(I({1}, {3}));
  UniqueAlong(Part::kY)
      .In(x)
      .In(L({1}, {2}))
      .WantError(Code::kInvalidArgument, "axis 2");
}

OpCase Difference(size_t which) {
  return OpCase([=](const Scope& s, const Outputs& in) {
    const Outputs out = ops::ListDiff(s, in[0], in[1]);
    return out.empty() ? Output() : out[which];
  });
}

TEST(ListDiffTest, LeavesOutWhatIsInTheOtherList) {
  const Tensor x = I({6}, {1, 2, 3, 4, 5, 6}), y = I({3}, {1, 3, 5});
  Difference(0).In(x).In(y).Want(I({3}, {2, 4, 6}));
  Difference(1).In(x).In(y).Want(I({3}, {1, 3, 5}));
  Difference(0).In(I({3}, {2, 2, 1})).In(I({1}, {1})).Want(I({2}, {2, 2}));
  Difference(0).In(S({2}, {"a", "b"})).In(S({1}, {"a"})).Want(S({1}, {"b"}));
}

}  // namespace
}  // namespace lockstep
