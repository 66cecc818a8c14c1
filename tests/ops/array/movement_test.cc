// SPDX-License-Identifier: Apache-2.0
#include <numeric>

#include "ops/ops.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

OpCase Transpose() {
  return OpCase([](const Scope& s, const Outputs& in) {
    return ops::Transpose(s, in[0], in[1]);
  });
}

TEST(TransposeTest, PermutesAxes) {
  Transpose()
      .In(F({2, 3}, {1, 2, 3, 4, 5, 6}))
      .In(I({2}, {1, 0}))
      .Want(F({3, 2}, {1, 4, 2, 5, 3, 6}));
  Transpose()
      .In(I({2, 1, 3}, {1, 2, 3, 4, 5, 6}))
      .In(I({3}, {2, 0, 1}))
      .Want(I({3, 2, 1}, {1, 4, 2, 5, 3, 6}));
  Transpose()
      .In(S({1, 2}, {"a", "b"}))
      .In(I({2}, {1, 0}))
      .Want(S({2, 1}, {"a", "b"}));
  Transpose().In(F({}, {1})).In(I({0}, {})).Want(F({}, {1}));
  Transpose().In(F({0, 2}, {})).In(I({2}, {1, 0})).Want(F({2, 0}, {}));
}

// Every type and a size beyond the blocks, against the definition.
TEST(TransposeTest, LargeTensorsOfEveryWidthMatchTheDefinition) {
  const int64_t a = 3, b = 45, c = 70;
  Tensor x(kInt32, Shape{a, b, c});
  auto flat = x.flat<int32_t>();
  std::iota(flat.begin(), flat.end(), 0);
  Tensor want(kInt32, Shape{a, c, b});
  for (int64_t i = 0; i < a; ++i) {
    for (int64_t j = 0; j < b; ++j) {
      for (int64_t l = 0; l < c; ++l) {
        want.flat<int32_t>()[static_cast<size_t>((i * c + l) * b + j)] =
            flat[static_cast<size_t>((i * b + j) * c + l)];
      }
    }
  }
  for (DType t : {kInt32, kInt64, kInt16, kUint8, kDouble}) {
    SCOPED_TRACE(DTypeName(t));
    Transpose().In(As(t, x)).In(I({3}, {0, 2, 1})).Want(As(t, want));
  }
}

TEST(TransposeTest, RefusesWhatIsNoPermutation) {
  const Tensor x = F({1, 2}, {1, 2});
  Transpose()
      .In(x)
      .In(I({2}, {0, 0}))
      .WantError(Code::kInvalidArgument, "1 is missing from {0,0}.");
  Transpose()
      .In(x)
      .In(I({2}, {0, 2}))
      .WantError(Code::kInvalidArgument, "2 is out of range [0 .. 2)");
  Transpose()
      .In(x)
      .In(I({1}, {0}))
      .WantError(Code::kInvalidArgument, "vector of size 2");
}

TEST(TransposeTest, GradientIsTheInverse) {
  Transpose().In(Doubles({2, 3, 2})).In(I({3}, {2, 0, 1})).Gradient();
}

TEST(InvertPermutationTest, InvertsAndRefuses) {
  OpCase invert([](const Scope& s, const Outputs& in) {
    return ops::InvertPermutation(s, in[0]);
  });
  OpCase(invert).In(I({4}, {2, 0, 3, 1})).Want(I({4}, {1, 3, 0, 2}));
  OpCase(invert)
      .In(I({2}, {0, 0}))
      .WantError(Code::kInvalidArgument, "duplicated");
  OpCase(invert).In(I({2}, {0, 5})).WantError(Code::kInvalidArgument, "5");
}

OpCase Concat(int axis) {
  return OpCase([axis](const Scope& s, const Outputs& in) {
    return ops::Concat(s, in, axis);
  });
}

TEST(ConcatTest, JoinsAlongAnyAxis) {
  const Tensor a = F({2, 1}, {1, 2}), b = F({2, 2}, {3, 4, 5, 6});
  Concat(1).In(a).In(b).Want(F({2, 3}, {1, 3, 4, 2, 5, 6}));
  Concat(-1).In(a).In(b).Want(F({2, 3}, {1, 3, 4, 2, 5, 6}));
  Concat(0).In(b).In(F({1, 2}, {7, 8})).Want(F({3, 2}, {3, 4, 5, 6, 7, 8}));
  Concat(0)
      .In(S({1}, {"a"}))
      .In(S({2}, {"b", "c"}))
      .Want(S({3}, {"a", "b", "c"}));
  Concat(0).In(F({0}, {})).In(F({1}, {1})).Want(F({1}, {1}));
}

// The axis comes after a sequence of inputs: it is named by its argument.
TEST(ConcatTest, RefusesAnAxisThatIsNoScalar) {
  OpCase([](const Scope& s, const Outputs& in) {
    NodeBuilder b = s.Op("ConcatV2");
    b.In(std::vector<Output>{in[0], in[1], in[2]});
    b.In(Input(Tensor::Of<int32_t>({2}, {0, 1})));
    return b.Out();
  })
      .In(F({1}, {1}))
      .In(F({1}, {2}))
      .In(F({1}, {3}))
      .WantError(Code::kInvalidArgument,
                 "input 3 'axis' must be one integer, has shape [2]");
}

TEST(ConcatTest, RefusesMismatches) {
  Concat(0)
      .In(F({1, 2}, {1, 2}))
      .In(F({1, 3}, {1, 2, 3}))
      .WantError(Code::kInvalidArgument,
                 "Dimension 1 in both shapes must be equal");
  Concat(2)
      .In(F({1, 2}, {1, 2}))
      .In(F({1, 2}, {1, 2}))
      .WantError(Code::kInvalidArgument, "but got 2");
  Concat(0)
      .In(F({}, {1}))
      .In(F({}, {1}))
      .WantError(Code::kInvalidArgument, "scalars");
}

TEST(ConcatTest, GradientsAreTheSlices) {
  Concat(1).In(Doubles({2, 1})).In(Doubles({2, 3}, -1, 1, 2)).Gradient();
  Concat(-2).In(Doubles({2, 2})).In(Doubles({1, 2}, -1, 1, 2)).Gradient();
}

TEST(ConcatTest, AnAxisThatChangesFromRunToRunIsFollowed) {
  Graph graph;
  const Scope s(&graph);
  const Output axis = ops::Placeholder(s, kInt32, {});
  const Output x = ops::Placeholder(s, kFloat, {1, 2});
  const Output y = ops::Concat(s, {x, x}, axis);
  auto session = Session::Create(graph);
  const Tensor v = F({1, 2}, {1, 2});
  for (int run = 0; run < 2; ++run) {
    auto down = (*session)->Run({{axis, I({}, {0})}, {x, v}}, y);
    ASSERT_TRUE(down.ok()) << down.status().ToString();
    EXPECT_TRUE(SameTensor(*down, F({2, 2}, {1, 2, 1, 2})));
    auto across = (*session)->Run({{axis, I({}, {1})}, {x, v}}, y);
    ASSERT_TRUE(across.ok()) << across.status().ToString();
    EXPECT_TRUE(SameTensor(*across, F({1, 4}, {1, 2, 1, 2})));
  }
}

TEST(PackTest, StacksAndUnstacks) {
  const Tensor a = F({2}, {1, 2}), b = F({2}, {3, 4});
  const auto pack = [](int axis) {
    return OpCase([axis](const Scope& s, const Outputs& in) {
      return ops::Pack(s, in, axis);
    });
  };
  pack(0).In(a).In(b).Want(F({2, 2}, {1, 2, 3, 4}));
  pack(1).In(a).In(b).Want(F({2, 2}, {1, 3, 2, 4}));
  pack(-1).In(S({}, {"a"})).In(S({}, {"b"})).Want(S({2}, {"a", "b"}));
  pack(0).In(a).In(F({1}, {1})).WantError(Code::kInvalidArgument, "must match");
  pack(1).In(Doubles({2})).In(Doubles({2}, -1, 1, 2)).Gradient();
  const auto unpack = [](int axis, size_t which) {
    return OpCase([=](const Scope& s, const Outputs& in) {
      const auto parts = ops::Unpack(s, in[0], 2, axis);
      return which < parts.size() ? parts[which] : Output{};
    });
  };
  unpack(0, 1).In(F({2, 2}, {1, 2, 3, 4})).Want(F({2}, {3, 4}));
  unpack(-1, 0).In(F({2, 2}, {1, 2, 3, 4})).Want(F({2}, {1, 3}));
  unpack(1, 1).In(Doubles({2, 2})).Gradient();
  unpack(0, 0).In(F({3}, {1, 2, 3})).WantError(Code::kInvalidArgument, "2");
}

TEST(SplitTest, CutsIntoEqualAndGivenParts) {
  const auto split = [](int axis, int parts, size_t which) {
    return OpCase([=](const Scope& s, const Outputs& in) {
      const auto out = ops::Split(s, axis, in[0], parts);
      return which < out.size() ? out[which] : Output{};
    });
  };
  const Tensor x = F({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8});
  split(1, 2, 1).In(x).Want(F({2, 2}, {3, 4, 7, 8}));
  split(0, 2, 0).In(x).Want(F({1, 4}, {1, 2, 3, 4}));
  split(1, 3, 0).In(x).WantError(Code::kInvalidArgument, "evenly divide");
  split(-1, 2, 1).In(Doubles({2, 4})).Gradient();
  const auto split_v = [](Tensor sizes, size_t which) {
    return OpCase([=](const Scope& s, const Outputs& in) {
      const auto out = ops::SplitV(s, in[0], sizes, 1,
                                   static_cast<int>(sizes.NumElements()));
      return which < out.size() ? out[which] : Output{};
    });
  };
  split_v(L({3}, {1, -1, 1}), 1).In(x).Want(F({2, 2}, {2, 3, 6, 7}));
  split_v(L({2}, {1, 3}), 1).In(x).Want(F({2, 3}, {2, 3, 4, 6, 7, 8}));
  split_v(L({2}, {1, 2}), 0).In(x).WantError(Code::kInvalidArgument, "[1,2]");
  split_v(L({2}, {1, 3}), 1).In(Doubles({2, 4})).Gradient();
}

OpCase Slice() {
  return OpCase([](const Scope& s, const Outputs& in) {
    return ops::Slice(s, in[0], in[1], in[2]);
  });
}

TEST(SliceTest, TakesABlock) {
  const Tensor x = F({2, 3}, {1, 2, 3, 4, 5, 6});
  Slice()
      .In(x)
      .In(I({2}, {0, 1}))
      .In(I({2}, {2, 2}))
      .Want(F({2, 2}, {2, 3, 5, 6}));
  Slice()
      .In(x)
      .In(I({2}, {1, 0}))
      .In(I({2}, {-1, -1}))
      .Want(F({1, 3}, {4, 5, 6}));
  Slice().In(x).In(L({2}, {0, 3})).In(L({2}, {2, 0})).Want(F({2, 0}, {}));
  Slice()
      .In(S({3}, {"a", "b", "c"}))
      .In(I({1}, {1}))
      .In(I({1}, {2}))
      .Want(S({2}, {"b", "c"}));
}

TEST(SliceTest, RefusesBlocksOutside) {
  const Tensor x = F({2, 3}, {1, 2, 3, 4, 5, 6});
  Slice()
      .In(x)
      .In(I({2}, {0, 4}))
      .In(I({2}, {1, 1}))
      .WantError(Code::kInvalidArgument, "begin[1]");
  Slice()
      .In(x)
      .In(I({2}, {0, 1}))
      .In(I({2}, {1, 3}))
      .WantError(Code::kInvalidArgument, "size[1]");
  Slice()
      .In(x)
      .In(I({2}, {-1, 0}))
      .In(I({2}, {1, 1}))
      .WantError(Code::kInvalidArgument, "begin[0]");
  Slice()
      .In(x)
      .In(I({1}, {0}))
      .In(I({1}, {1}))
      .WantError(Code::kInvalidArgument, "1-D tensors of size 2");
}

TEST(SliceTest, GradientIsZeroOutside) {
  Slice().In(Doubles({3, 3})).In(I({2}, {1, 0})).In(I({2}, {1, 2})).Gradient();
}

TEST(PadTest, SurroundsWithZerosOrAValue) {
  OpCase pad([](const Scope& s, const Outputs& in) {
    return ops::Pad(s, in[0], in[1]);
  });
  OpCase(pad)
      .In(F({1, 2}, {1, 2}))
      .In(I({2, 2}, {1, 0, 0, 2}))
      .Want(F({2, 4}, {0, 0, 0, 0, 1, 2, 0, 0}));
  OpCase(pad).In(F({2}, {1, 2})).In(I({1, 2}, {0, 0})).Want(F({2}, {1, 2}));
  OpCase(pad)
      .In(F({2}, {1, 2}))
      .In(I({1, 2}, {-1, 0}))
      .WantError(Code::kInvalidArgument, "non-negative");
  OpCase(pad)
      .In(F({2}, {1, 2}))
      .In(I({2, 2}, {0, 0, 0, 0}))
      .WantError(Code::kInvalidArgument, "rank of inputs");
  OpCase(pad).In(Doubles({2, 2})).In(I({2, 2}, {1, 0, 0, 2})).Gradient();
  OpCase pad2([](const Scope& s, const Outputs& in) {
    return ops::PadV2(s, in[0], in[1], in[2]);
  });
  OpCase(pad2)
      .In(I({2}, {1, 2}))
      .In(I({1, 2}, {1, 1}))
      .In(I({}, {9}))
      .Want(I({4}, {9, 1, 2, 9}));
  OpCase(pad2)
      .In(Doubles({2}))
      .In(I({1, 2}, {1, 2}))
      .In(D({}, {0.5}))
      .Gradient();
}

TEST(TileTest, Repeats) {
  OpCase tile([](const Scope& s, const Outputs& in) {
    return ops::Tile(s, in[0], in[1]);
  });
  OpCase(tile)
      .In(F({1, 2}, {1, 2}))
      .In(I({2}, {2, 2}))
      .Want(F({2, 4}, {1, 2, 1, 2, 1, 2, 1, 2}));
  OpCase(tile).In(F({2}, {1, 2})).In(I({1}, {0})).Want(F({0}, {}));
  OpCase(tile).In(F({2}, {1, 2})).In(I({1}, {1})).Want(F({2}, {1, 2}));
  OpCase(tile)
      .In(S({2}, {"a", "b"}))
      .In(I({1}, {2}))
      .Want(S({4}, {"a", "b", "a", "b"}));
  OpCase(tile)
      .In(F({2}, {1, 2}))
      .In(I({1}, {-1}))
      .WantError(Code::kInvalidArgument, "multiples[0]");
  OpCase(tile).In(Doubles({2, 3})).In(I({2}, {3, 2})).Gradient();
}

TEST(BroadcastToTest, Repeats) {
  OpCase broadcast([](const Scope& s, const Outputs& in) {
    return ops::BroadcastTo(s, in[0], in[1]);
  });
  OpCase(broadcast)
      .In(F({2, 1}, {1, 2}))
      .In(I({3}, {2, 2, 3}))
      .Want(F({2, 2, 3}, {1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2}));
  OpCase(broadcast).In(I({}, {7})).In(L({1}, {3})).Want(I({3}, {7, 7, 7}));
  OpCase(broadcast)
      .In(F({2}, {1, 2}))
      .In(I({1}, {3}))
      .WantError(Code::kInvalidArgument, "[2]");
  OpCase(broadcast)
      .In(F({2}, {1, 2}))
      .In(I({1}, {1}))
      .WantError(Code::kInvalidArgument, "[2]");
  OpCase(broadcast).In(Doubles({2, 1})).In(I({3}, {3, 2, 2})).Gradient();
}

}  // namespace
}  // namespace lockstep
