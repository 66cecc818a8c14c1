// SPDX-License-Identifier: Apache-2.0
#include "ops/ops.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

OpCase Mirror(const char* mode) {
  return OpCase([mode](const Scope& s, const Outputs& in) {
    return ops::MirrorPad(s, in[0], in[1], mode);
  });
}

TEST(MirrorPadTest, ReflectLeavesTheBorderOutSymmetricRepeatsIt) {
  const Tensor x = I({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor pads = I({2, 2}, {1, 1, 2, 2});
  Mirror("SYMMETRIC").In(x).In(pads).Want(I({4, 7}, {2, 1, 1, 2, 3, 3, 2,
                                                     2, 1, 1, 2, 3, 3, 2,
                                                     5, 4, 4, 5, 6, 6, 5,
                                                     5, 4, 4, 5, 6, 6, 5}));
  Mirror("REFLECT").In(x).In(pads).Want(
      I({4, 7}, {6, 5, 4, 5, 6, 5, 4, 3, 2, 1, 2, 3, 2, 1,
                 6, 5, 4, 5, 6, 5, 4, 3, 2, 1, 2, 3, 2, 1}));
  Mirror("REFLECT")
      .In(S({2}, {"a", "b"}))
      .In(L({1, 2}, {1, 0}))
      .Want(S({3}, {"b", "a", "b"}));
  Mirror("SYMMETRIC").In(F({}, {3})).In(I({0, 2}, {})).Want(F({}, {3}));
}

TEST(MirrorPadTest, RefusesPaddingsBeyondTheImage) {
  Mirror("REFLECT")
      .In(F({2}, {1, 2}))
      .In(I({1, 2}, {2, 0}))
      .WantError(Code::kInvalidArgument, "less than the dimension size");
  Mirror("SYMMETRIC")
      .In(F({2}, {1, 2}))
      .In(I({1, 2}, {0, 3}))
      .WantError(Code::kInvalidArgument, "no greater than the dimension size");
  Mirror("SYMMETRIC")
      .In(F({2}, {1, 2}))
      .In(I({1, 2}, {-1, 0}))
      .WantError(Code::kInvalidArgument, "non-negative");
}

TEST(MirrorPadTest, GradientFoldsBack) {
  Mirror("REFLECT")
      .In(Doubles({3, 2}))
      .Constant(I({2, 2}, {2, 1, 0, 1}))
      .Gradient();
  Mirror("SYMMETRIC")
      .In(Doubles({2, 3}))
      .Constant(I({2, 2}, {1, 2, 3, 0}))
      .Gradient();
}

OpCase ToBatch() {
  return OpCase([](const Scope& s, const Outputs& in) {
    return ops::SpaceToBatchND(s, in[0], in[1], in[2]);
  });
}
OpCase ToSpace() {
  return OpCase([](const Scope& s, const Outputs& in) {
    return ops::BatchToSpaceND(s, in[0], in[1], in[2]);
  });
}

TEST(SpaceToBatchTest, MovesBlocksToTheBatchAndBack) {
  const Tensor x = I({1, 4, 2, 1}, {1, 2, 3, 4, 5, 6, 7, 8});
  const Tensor block = I({2}, {2, 2}), none = I({2, 2}, {0, 0, 0, 0});
  const Tensor y = I({4, 2, 1, 1}, {1, 5, 2, 6, 3, 7, 4, 8});
  ToBatch().In(x).In(block).In(none).Want(y);
  ToSpace().In(y).In(block).In(none).Want(x);
}

TEST(SpaceToBatchTest, PadsAndCrops) {
  ToBatch()
      .In(I({1, 3}, {1, 2, 3}))
      .In(I({1}, {2}))
      .In(I({1, 2}, {1, 0}))
      .Want(I({2, 2}, {0, 2, 1, 3}));
  ToSpace()
      .In(I({2, 2}, {0, 2, 1, 3}))
      .In(I({1}, {2}))
      .In(I({1, 2}, {1, 0}))
      .Want(I({1, 3}, {1, 2, 3}));
  ToBatch()
      .In(I({1, 3}, {1, 2, 3}))
      .In(I({1}, {2}))
      .In(I({1, 2}, {0, 0}))
      .WantError(Code::kInvalidArgument, "not divisible by block_shape[0]=2");
  ToSpace()
      .In(I({3, 1}, {1, 2, 3}))
      .In(I({1}, {2}))
      .In(I({1, 2}, {0, 0}))
      .WantError(Code::kInvalidArgument, "is not divisible");
}

TEST(SpaceToBatchTest, OneBlockSizeIsTheSame) {
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::BatchToSpace(s, ops::SpaceToBatch(s, in[0], in[1], 2), in[1],
                             2);
  })
      .In(F({1, 2, 2, 1}, {1, 2, 3, 4}))
      .Constant(I({2, 2}, {2, 0, 1, 1}))
      .Want(F({1, 2, 2, 1}, {1, 2, 3, 4}));
}

TEST(SpaceToBatchTest, GradientsAreEachOther) {
  ToBatch()
      .In(Doubles({1, 3, 2}))
      .Constant(I({1}, {2}))
      .Constant(I({1, 2}, {0, 1}))
      .Gradient();
  ToSpace()
      .In(Doubles({2, 2, 2}))
      .Constant(I({1}, {2}))
      .Constant(I({1, 2}, {0, 1}))
      .Gradient();
}

}  // namespace
}  // namespace lockstep
