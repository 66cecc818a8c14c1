// SPDX-License-Identifier: Apache-2.0
#include "ops/sparse/sparse.h"

#include "ops/array/array.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

// Values and errors are TensorFlow's.

// Output `which` of SparseFillEmptyRows.
OpCase Fill(int which) {
  return OpCase([which](const Scope& s, const Outputs& in) {
    const ops::FilledRows f =
        ops::SparseFillEmptyRows(s, in[0], in[1], in[2], in[3]);
    return Outputs{f.indices, f.values, f.empty_row_indicator,
                   f.reverse_index_map}[static_cast<size_t>(which)];
  });
}

TEST(SparseFillEmptyRowsTest, Values) {
  const Tensor wanted[] = {L({6, 2}, {0, 4, 1, 2, 2, 0, 3, 1, 3, 0, 4, 0}),
                           F({6}, {6, 8, -1, 5, 7, -1}),
                           B({5}, {false, false, true, false, true}),
                           L({4}, {3, 0, 4, 1})};
  for (int i = 0; i < 4; ++i) {
    Fill(i)
        .In(L({4, 2}, {3, 1, 0, 4, 3, 0, 1, 2}))
        .In(F({4}, {5, 6, 7, 8}))
        .In(L({2}, {5, 6}))
        .In(F({}, {-1}))
        .Want(wanted[i]);
  }
  const Tensor none[] = {L({2, 2}, {0, 0, 1, 0}), S({2}, {"x", "x"})};
  for (int i = 0; i < 2; ++i) {
    Fill(i)
        .In(Tensor(kInt64, Shape{0, 2}))
        .In(S({0}, {}))
        .In(L({2}, {2, 3}))
        .In(S({}, {"x"}))
        .Want(none[i]);
  }
}

TEST(SparseFillEmptyRowsTest, GradientAndErrors) {
  const auto bad = [](const Tensor& indices, const Tensor& values,
                      const Tensor& shape, const char* text) {
    Fill(1)
        .In(indices)
        .In(values)
        .In(shape)
        .In(F({}, {2}))
        .WantError(Code::kInvalidArgument, text);
  };
  Fill(1)
      .Constant(L({2, 2}, {3, 1, 1, 0}))
      .In(Doubles({2}))
      .Constant(L({2}, {5, 6}))
      .In(D({}, {2}))
      .Gradient();
  bad(L({1, 2}, {5, 0}), F({1}, {1}), L({2}, {5, 6}),
      "indices(0, 0) is invalid: 5 >= 5");
  bad(L({1, 2}, {0, 0}), F({1}, {1}), L({2}, {0, 6}), "dense_shape[0] = 0 but");
  bad(L({2, 2}, {0, 0, 1, 0}), F({1}, {1}), L({2}, {5, 6}),
      "must match the first dimension");
}

TEST(SparseReorderTest, ValuesAndGradient) {
  const Tensor index = L({4, 2}, {1, 0, 0, 2, 1, 0, 0, 1});
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::SparseReorder(s, in[0], in[1], in[2]).values;
  })
      .Constant(index)
      .In(D({4}, {1, 2, 3, 4}))
      .Constant(L({2}, {2, 3}))
      .Want(D({4}, {4, 2, 1, 3}))
      .Gradient();
  const auto indices = OpCase([](const Scope& s, const Outputs& in) {
    return ops::SparseReorder(s, in[0], in[1], in[2]).indices;
  });
  OpCase(indices)
      .In(index)
      .In(F({4}, {1, 2, 3, 4}))
      .In(L({2}, {2, 3}))
      .Want(L({4, 2}, {0, 1, 0, 2, 1, 0, 1, 0}));
}

TEST(SparseReshapeTest, ValuesAndErrors) {
  const auto reshape = [](const Tensor& to) {
    return OpCase([to](const Scope& s, const Outputs& in) {
      return ops::SparseReshape(s, in[0], in[1], to).indices;
    });
  };
  const Tensor index = L({2, 2}, {0, 5, 3, 1}), shape = L({2}, {4, 6});
  reshape(L({3}, {2, -1, 3}))
      .In(index)
      .In(shape)
      .Want(L({2, 3}, {0, 1, 2, 1, 2, 1}));
  reshape(L({1}, {24})).In(index).In(shape).Want(L({2, 1}, {5, 19}));
  reshape(L({2}, {-1, -1}))
      .In(index)
      .In(shape)
      .WantError(Code::kInvalidArgument, "only one output dimension may be -1");
  reshape(L({2}, {5, 5}))
      .In(index)
      .In(shape)
      .WantError(Code::kInvalidArgument,
                 "24 dense values, but the requested shape has 25");
}

OpCase Product(const Tensor& index, const Tensor& shape, bool adjoint_a,
               bool adjoint_b) {
  return OpCase([=](const Scope& s, const Outputs& in) {
    return ops::SparseTensorDenseMatMul(s, index, in[0], shape, in[1],
                                        adjoint_a, adjoint_b);
  });
}

TEST(SparseTensorDenseMatMulTest, ValuesGradientsErrors) {
  const Tensor index = L({3, 2}, {0, 1, 2, 0, 2, 1}), shape = L({2}, {3, 2});
  const Tensor a = D({3}, {2, 3, 4}), b = D({2, 2}, {1, 2, 3, 4});
  Product(index, shape, false, false)
      .In(a)
      .In(b)
      .Want(D({3, 2}, {6, 8, 0, 0, 15, 22}))
      .Gradient();
  Product(index, shape, false, true)
      .In(a)
      .In(b)
      .Want(D({3, 2}, {4, 8, 0, 0, 11, 25}))
      .Gradient();
  Product(index, shape, true, false).In(a).In(Doubles({3, 4})).Gradient();
  Product(index, shape, true, true).In(a).In(Doubles({4, 3})).Gradient();
  Product(index, L({2}, {3, 3}), false, false)
      .In(a)
      .In(b)
      .WantError(Code::kInvalidArgument,
                 "inner dimension does not match: 3 vs. 2");
  Product(L({1, 2}, {0, 5}), shape, false, false)
      .In(D({1}, {1}))
      .In(b)
      .WantError(Code::kInvalidArgument,
                 "k (5) from index[0,1] out of bounds (>=2)");
}

TEST(SparseReduceSumTest, ValuesAndGradients) {
  const Tensor index = L({3, 2}, {0, 1, 2, 0, 2, 1});
  const auto sum = [&](const Tensor& axes, bool keep) {
    return OpCase([=](const Scope& s, const Outputs& in) {
             return ops::SparseReduceSum(s, index, in[0], L({2}, {3, 2}), axes,
                                         keep);
           })
        .In(D({3}, {2, 3, 4}));
  };
  sum(I({1}, {1}), false).Want(D({3}, {2, 0, 7})).Gradient();
  sum(I({1}, {0}), true).Want(D({1, 2}, {3, 6})).Gradient();
  sum(I({0}, {}), false).Want(D({3, 2}, {0, 2, 0, 0, 3, 4})).Gradient();
  sum(I({2}, {0, -1}), true).Want(D({1, 1}, {9})).Gradient();
  sum(I({1}, {2}), false).WantError(Code::kInvalidArgument, "reduction");
}

TEST(SparseReduceMaxTest, OfTheElementsThatThereAre) {
  const Tensor index = L({4, 2}, {0, 1, 0, 3, 1, 0, 1, 4});
  const auto largest = [&](const Tensor& axes, bool keep = false) {
    return OpCase([=](const Scope& s, const Outputs& in) {
             return s.Op("SparseReduceMax")
                 .In(index)
                 .In(in[0])
                 .In(L({2}, {3, 5}))
                 .In(axes)
                 .Attr("keep_dims", keep)
                 .Out();
           })
        .In(F({4}, {1, -2, -3, -4}));
  };
  largest(I({1}, {0})).Want(F({5}, {-3, 1, 0, -2, -4}));
  largest(I({1}, {-1})).Want(F({3}, {1, -3, 0}));
  largest(I({1}, {1}), true).Want(F({3, 1}, {1, -3, 0}));
  largest(I({2}, {0, 1})).Want(F({}, {1}));
  largest(I({0}, {}))
      .Want(F({3, 5}, {0, 1, 0, -2, 0, -3, 0, 0, 0, -4, 0, 0, 0, 0, 0}));
  largest(I({1}, {2})).WantError(Code::kInvalidArgument, "reduction dimension");
}

}  // namespace
}  // namespace lockstep
