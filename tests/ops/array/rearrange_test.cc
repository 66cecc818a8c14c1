// SPDX-License-Identifier: Apache-2.0
#include "ops/ops.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

OpCase Op(const char* name, AttrMap attrs = {}) {
  return OpCase([=](const Scope& s, const Outputs& in) {
    NodeBuilder b = s.Op(name);
    for (const Output& x : in) b.In(x);
    for (const auto& [key, value] : attrs) b.Attr(key, value);
    return b.Out();
  });
}

TEST(TensorScatterTest, CombinesSlicesIntoACopy) {
  const Tensor x = I({4}, {1, 1, 1, 1}), at = I({3, 1}, {0, 2, 2});
  const Tensor v = I({3}, {5, -7, 9});
  Op("TensorScatterUpdate").In(x).In(at).In(v).Want(I({4}, {5, 1, 9, 1}));
  Op("TensorScatterAdd").In(x).In(at).In(v).Want(I({4}, {6, 1, 3, 1}));
  Op("TensorScatterSub").In(x).In(at).In(v).Want(I({4}, {-4, 1, -1, 1}));
  Op("TensorScatterMax").In(x).In(at).In(v).Want(I({4}, {5, 1, 9, 1}));
  Op("TensorScatterMin").In(x).In(at).In(v).Want(I({4}, {1, 1, -7, 1}));
  Op("TensorScatterUpdate")
      .In(S({2, 1}, {"a", "b"}))
      .In(L({1, 1}, {1}))
      .In(S({1, 1}, {"c"}))
      .Want(S({2, 1}, {"a", "c"}));
  Op("TensorScatterAdd")
      .In(x)
      .In(I({1, 1}, {4}))
      .In(I({1}, {1}))
      .WantError(Code::kInvalidArgument, "does not index into");
}

TEST(TensorScatterTest, Gradients) {
  const Tensor at = I({2, 1}, {2, 0});
  for (const char* op :
       {"TensorScatterUpdate", "TensorScatterAdd", "TensorScatterSub",
        "TensorScatterMax", "TensorScatterMin"}) {
    SCOPED_TRACE(op);
    Op(op)
        .In(Doubles({3, 2}))
        .Constant(at)
        .In(Doubles({2, 2}, -1, 1, 2))
        .Gradient();
  }
}

TEST(SpaceToDepthTest, MovesBlocksToTheChannelsAndBack) {
  const AttrMap two = {{"block_size", 2}};
  const AttrMap nchw = {{"block_size", 2}, {"data_format", "NCHW"}};
  const Tensor x = I({1, 2, 4, 1}, {1, 2, 3, 4, 5, 6, 7, 8});
  const Tensor y = I({1, 1, 2, 4}, {1, 2, 5, 6, 3, 4, 7, 8});
  Op("SpaceToDepth", two).In(x).Want(y);
  Op("DepthToSpace", two).In(y).Want(x);
  const Tensor a = I({1, 2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  const Tensor b = I({1, 8, 1, 1}, {1, 5, 2, 6, 3, 7, 4, 8});
  Op("SpaceToDepth", nchw).In(a).Want(b);
  Op("DepthToSpace", nchw).In(b).Want(a);
  Op("SpaceToDepth", two)
      .In(I({1, 3, 2, 1}, {1, 2, 3, 4, 5, 6}))
      .WantError(Code::kInvalidArgument, "should be divisible by: 2");
  Op("SpaceToDepth", nchw).In(Doubles({1, 2, 2, 4})).Gradient();
  Op("DepthToSpace", two).In(Doubles({1, 1, 2, 4})).Gradient();
}

TEST(RollTest, WrapsAround) {
  const Tensor x = I({2, 3}, {1, 2, 3, 4, 5, 6});
  Op("Roll")
      .In(x)
      .In(I({}, {1}))
      .In(I({}, {1}))
      .Want(I({2, 3}, {3, 1, 2, 6, 4, 5}));
  Op("Roll")
      .In(x)
      .In(I({2}, {1, -4}))
      .In(I({2}, {0, -1}))
      .Want(I({2, 3}, {5, 6, 4, 2, 3, 1}));
  Op("Roll")
      .In(x)
      .In(I({2}, {1, 1}))
      .In(I({2}, {1, 1}))
      .Want(I({2, 3}, {2, 3, 1, 5, 6, 4}));
  Op("Roll")
      .In(x)
      .In(I({}, {1}))
      .In(I({}, {2}))
      .WantError(Code::kInvalidArgument, "axis 2");
  Op("Roll")
      .In(Doubles({2, 3}))
      .Constant(I({}, {1}))
      .Constant(I({}, {1}))
      .Gradient();
}

TEST(ReverseSequenceTest, ReversesTheFirstElementsOfEachRow) {
  const AttrMap attrs = {{"seq_dim", 1}, {"batch_dim", 0}};
  Op("ReverseSequence", attrs)
      .In(I({2, 3}, {1, 2, 3, 4, 5, 6}))
      .In(L({2}, {2, 3}))
      .Want(I({2, 3}, {2, 1, 3, 6, 5, 4}));
  Op("ReverseSequence", {{"seq_dim", 0}, {"batch_dim", 1}})
      .In(I({2, 2}, {1, 2, 3, 4}))
      .In(I({2}, {0, 2}))
      .Want(I({2, 2}, {1, 4, 3, 2}));
  Op("ReverseSequence", attrs)
      .In(I({1, 2}, {1, 2}))
      .In(L({1}, {3}))
      .WantError(Code::kInvalidArgument, "seq_lens(0)");
  Op("ReverseSequence", attrs)
      .In(Doubles({2, 3}))
      .Constant(L({2}, {2, 3}))
      .Gradient();
}

TEST(SparseToDenseTest, PutsValuesIntoTheDefault) {
  const Tensor none = F({}, {0.5f});
  Op("SparseToDense")
      .In(I({2, 2}, {0, 1, 1, 0}))
      .In(I({2}, {2, 2}))
      .In(F({2}, {3, 4}))
      .In(none)
      .Want(F({2, 2}, {0.5f, 3, 4, 0.5f}));
  Op("SparseToDense")
      .In(L({2}, {0, 2}))
      .In(L({1}, {4}))
      .In(F({}, {1}))
      .In(none)
      .Want(F({4}, {1, 0.5f, 1, 0.5f}));
  Op("SparseToDense")
      .In(I({2}, {2, 0}))
      .In(I({1}, {4}))
      .In(F({}, {1}))
      .In(none)
      .WantError(Code::kInvalidArgument, "out of order");
  Op("SparseToDense")
      .In(I({1}, {4}))
      .In(I({1}, {4}))
      .In(F({}, {1}))
      .In(none)
      .WantError(Code::kInvalidArgument, "out of bounds");
  Op("SparseToDense")
      .Constant(I({2}, {0, 2}))
      .Constant(I({1}, {4}))
      .In(Doubles({2}))
      .In(D({}, {1}))
      .Gradient();
}

TEST(UnravelIndexTest, GivesPositions) {
  Op("UnravelIndex")
      .In(I({2}, {5, 1}))
      .In(I({2}, {2, 3}))
      .Want(I({2, 2}, {1, 0, 2, 1}));
  Op("UnravelIndex")
      .In(I({1}, {6}))
      .In(I({2}, {2, 3}))
      .WantError(Code::kInvalidArgument, "out of bound");
}

TEST(NthElementTest, SelectsByOrder) {
  const Tensor x = I({2, 3}, {3, 1, 2, 9, 7, 8});
  Op("NthElement").In(x).In(I({}, {0})).Want(I({2}, {1, 7}));
  Op("NthElement", {{"reverse", true}})
      .In(x)
      .In(I({}, {0}))
      .Want(I({2}, {3, 9}));
  Op("NthElement")
      .In(x)
      .In(I({}, {3}))
      .WantError(Code::kInvalidArgument, "last dimension > n = 3");
  Op("NthElement").In(Doubles({2, 3})).Constant(I({}, {1})).Gradient();
}

TEST(ReverseTest, TheFirstVersionTakesAFlagForEachAxis) {
  Op("Reverse")
      .In(I({2, 2}, {1, 2, 3, 4}))
      .In(B({2}, {false, true}))
      .Want(I({2, 2}, {2, 1, 4, 3}));
}

TEST(ConjugateTransposeTest, TurnsAndConjugates) {
  using C64 = std::complex<float>;
  Op("ConjugateTranspose")
      .In(Tensor::Of<C64>({1, 2}, {{1, 2}, {3, -4}}))
      .In(I({2}, {1, 0}))
      .Want(Tensor::Of<C64>({2, 1}, {{1, -2}, {3, 4}}));
  Op("ConjugateTranspose")
      .In(Doubles({2, 3}))
      .Constant(I({2}, {1, 0}))
      .Gradient();
}

TEST(SearchSortedTest, FindsBothBounds) {
  const Tensor rows = I({2, 4}, {1, 3, 3, 5, 0, 2, 4, 6});
  const Tensor v = I({2, 3}, {3, 0, 9, 3, 6, -1});
  Op("LowerBound").In(rows).In(v).Want(I({2, 3}, {1, 0, 4, 2, 3, 0}));
  Op("UpperBound", {{"out_type", kInt64}})
      .In(rows)
      .In(v)
      .Want(L({2, 3}, {3, 0, 4, 2, 4, 0}));
}

TEST(BroadcastArgsTest, IsTheCommonShape) {
  Op("BroadcastArgs")
      .In(I({2}, {3, 1}))
      .In(I({3}, {2, 1, 4}))
      .Want(I({3}, {2, 3, 4}));
  Op("BroadcastArgs")
      .In(I({1}, {3}))
      .In(I({1}, {2}))
      .WantError(Code::kInvalidArgument, "");
}

TEST(BitcastTest, KeepsTheBytes) {
  Op("Bitcast", {{"type", kInt32}})
      .In(F({2}, {1, 0}))
      .Want(I({2}, {0x3f800000, 0}));
  Op("Bitcast", {{"type", kUint8}})
      .In(I({1}, {258}))
      .Want(As(kUint8, I({1, 4}, {2, 1, 0, 0})));
  Op("Bitcast", {{"type", kInt32}})
      .In(As(kUint8, I({1, 4}, {2, 1, 0, 0})))
      .Want(I({1}, {258}));
  Op("Bitcast", {{"type", kInt32}})
      .In(As(kUint8, I({3}, {2, 1, 0})))
      .WantError(Code::kInvalidArgument, "Cannot bitcast");
}

// TensorFlow's, which programs look for.
TEST(MessagesTest, WordsOfBadIndicesAndShapes) {
  const auto expect = [](const char* op, const std::vector<Tensor>& inputs,
                         const char* text) {
    OpCase c([op](const Scope& s, const Outputs& in) {
      NodeBuilder b = s.Op(op);
      if (std::string_view(op) == "ConcatV2") {
        b.In(Outputs(in.begin(), in.end() - 1)).In(in.back());
      } else {
        for (const Output& x : in) b.In(x);
      }
      if (std::string_view(op) == "Split") b.Attr("num_split", int64_t{2});
      return b.Out();
    });
    for (const Tensor& x : inputs) c.In(x);
    c.WantError(Code::kInvalidArgument, text);
  };
  const Tensor vector = F({3}, {1, 2, 3}), matrix = F({2, 2}, {1, 2, 3, 4});
  expect("GatherNd", {matrix, I({1, 2}, {5, 0})},
         "indices[0] = [5, 0] does not index into param shape [2,2]");
  expect("ScatterNd", {I({1, 1}, {9}), F({1}, {1}), I({1}, {3})},
         "indices[0] = [9] does not index into shape [3]");
  expect("Tile", {vector, I({1}, {-1})},
         "Expected multiples[0] >= 0, but got -1");
  expect("BroadcastTo", {vector, I({2}, {2, 2})},
         "Incompatible shapes: [3] vs. [2,2]");
  expect("BroadcastTo", {matrix, I({1}, {2})},
         "Rank of input (2) must be no greater than rank of output shape (1)");
  expect("Split", {I({}, {3}), matrix},
         "<= split_dim < input rank (2), but got 3");
  const Tensor three = B({3}, {true, false, true});
  expect("SelectV2", {three, matrix, matrix},
         "condition [3], then [2,2], and else [2,2] must be broadcastable");
  expect("Select", {three, matrix, matrix},
         "Number of batches of 'then' must match size of 'cond'");
  expect("Select", {three, vector, matrix},
         "must have the same size and shape");
  expect("BatchMatMulV2", {F({2, 1, 1}, {1, 2}), F({3, 1, 1}, {1, 2, 3})},
         "In[0] and In[1] must have compatible batch dimensions: [2,1,1] vs. "
         "[3,1,1]");
  expect("MatrixSolve", {matrix, F({3, 1}, {1, 2, 3})},
         "Input matrix and rhs are incompatible");
  expect("Transpose", {matrix, I({2}, {0, 0})}, "1 is missing from {0,0}.");
  expect("Transpose", {matrix, I({2}, {0, 5})}, "5 is out of range [0 .. 2)");
  expect("Cumsum", {vector, I({}, {3})},
         "ScanOp: Expected scan axis in the range [-1, 1), but got 3");
  expect("ArgMax", {vector, I({}, {4})},
         "Expected dimension in the range [-1, 1), but got 4");
  expect("ConcatV2", {F({1, 3}, {1, 2, 3}), F({1, 2}, {1, 2}), I({}, {0})},
         "ConcatOp : Dimension 1 in both shapes must be equal: "
         "shape[0] = [1,3] vs. shape[1] = [1,2]");
  expect("ConcatV2", {matrix, vector, I({}, {0})},
         "Ranks of all input tensors should match: shape[0] = [2,2] vs. "
         "shape[1] = [3]");
  expect("ConcatV2", {matrix, matrix, I({}, {2})},
         "ConcatOp : Expected concatenating dimensions in the range [-2, 2), "
         "but got 2");
}

}  // namespace
}  // namespace lockstep
