// SPDX-License-Identifier: Apache-2.0
#include "ops/array/array.h"
#include "tests/testing/named_op.h"

namespace lockstep {
namespace {

// Values and errors are TensorFlow's.

// A sparse tensor as three inputs.
struct Sparse {
  Tensor indices, values, shape;
};
Sparse A() {
  return {L({3, 2}, {0, 1, 1, 0, 1, 2}), F({3}, {1, 2, 3}), L({2}, {2, 3})};
}
Sparse B() {
  return {L({3, 2}, {0, 0, 0, 1, 1, 2}), F({3}, {10, 20, -3}), L({2}, {2, 3})};
}
OpCase& In(OpCase& c, const Sparse& x) {
  return c.In(x.indices).In(x.values).In(x.shape);
}
Sparse InDoubles(Sparse x) {
  return {x.indices, Doubles({x.values.NumElements()}), x.shape};
}

OpCase Add(int which, const Sparse& a, const Sparse& b, const Tensor& thresh) {
  OpCase c = NamedOp("SparseAdd", {}, which);
  In(c, a);
  In(c, b).Constant(thresh);
  return c;
}

TEST(SparseAddTest, SumsOfEqualPlacesAreKeptFromThreshOn) {
  const auto sum = [](const Sparse& a, const Sparse& b, float thresh,
                      const Tensor& indices, const Tensor& values) {
    Add(0, a, b, F({}, {thresh})).Want(indices);
    Add(1, a, b, F({}, {thresh})).Want(values);
    Add(2, a, b, F({}, {thresh})).Want(a.shape);
  };
  sum(A(), B(), 0, L({4, 2}, {0, 0, 0, 1, 1, 0, 1, 2}), F({4}, {10, 21, 2, 0}));
  sum(A(), B(), 2.5, L({3, 2}, {0, 0, 0, 1, 1, 0}), F({3}, {10, 21, 2}));
  const Sparse none = {Tensor(kInt64, Shape{0, 2}), Tensor(kFloat, Shape{0}),
                       L({2}, {2, 3})};
  sum(none, B(), 0, B().indices, B().values);
  sum(B(), none, 0, B().indices, B().values);
  // Out of order, elements stay as they come.
  const Sparse turned = {L({3, 2}, {1, 2, 0, 1, 0, 0}), B().values, B().shape};
  sum(A(), turned, 0, L({5, 2}, {0, 1, 1, 0, 1, 2, 0, 1, 0, 0}),
      F({5}, {1, 2, 13, 20, -3}));
}

TEST(SparseAddTest, GradientsGoToBoth) {
  Add(1, InDoubles(A()), InDoubles(B()), D({}, {0})).Gradient();
  for (int i = 0; i < 2; ++i) {
    NamedOp("SparseAddGrad", {}, i)
        .In(F({3}, {5, 6, 7}))
        .In(A().indices)
        .In(B().indices)
        .In(L({3, 2}, {0, 0, 0, 1, 1, 0}))  // [1, 2] fell below thresh
        .Want(i == 0 ? F({3}, {6, 7, 0}) : F({3}, {5, 6, 0}));
  }
  NamedOp("SparseAddGrad")
      .In(F({2}, {1, 2}))
      .In(A().indices)
      .In(B().indices)
      .In(L({3, 2}, {0, 0, 0, 1, 1, 0}))
      .WantError(Code::kInvalidArgument, "should match");
}

TEST(SparseAddTest, BadUse) {
  const auto error = [](const Sparse& b, const char* text) {
    Add(1, A(), b, F({}, {0})).WantError(Code::kInvalidArgument, text);
  };
  error({B().indices, B().values, L({2}, {2, 4})},
        "Operands' shapes do not match: got 3 and 4 for dimension 1");
  error({L({1, 1}, {0}), F({1}, {1}), L({1}, {2})},
        "Input indices must have the same dimension, got 2 and 1");
  error({B().indices, F({1}, {1}), B().shape}, "The length of `values` (1)");
  Add(1, A(), B(), D({}, {0}))
      .WantError(Code::kInvalidArgument, "thresh is double, has to be float");
}

OpCase Concat(int which, int64_t axis, const Sparse& a, const Sparse& b) {
  OpCase c([=](const Scope& s, const Outputs& in) {
    const Outputs outs = s.Op("SparseConcat")
                             .In(Outputs{in[0], in[1]})
                             .In(Outputs{in[2], in[3]})
                             .In(Outputs{in[4], in[5]})
                             .Attr("concat_dim", axis)
                             .Attr("N", int64_t{2})
                             .Outs();
    return outs.empty() ? Output{} : outs[static_cast<size_t>(which)];
  });
  c.In(a.indices).In(b.indices).In(a.values).In(b.values);
  c.In(a.shape).In(b.shape);
  return c;
}

TEST(SparseConcatTest, RowMajorOrder) {
  const auto concat = [](int64_t axis, const Sparse& a, const Sparse& b,
                         const Sparse& want) {
    Concat(0, axis, a, b).Want(want.indices);
    Concat(1, axis, a, b).Want(want.values);
    Concat(2, axis, a, b).Want(want.shape);
  };
  concat(0, A(), B(),
         {L({6, 2}, {0, 1, 1, 0, 1, 2, 2, 0, 2, 1, 3, 2}),
          F({6}, {1, 2, 3, 10, 20, -3}), L({2}, {4, 3})});
  const Sparse beside = {L({6, 2}, {0, 1, 0, 3, 0, 4, 1, 0, 1, 2, 1, 5}),
                         F({6}, {1, 10, 20, 2, 3, -3}), L({2}, {2, 6})};
  concat(1, A(), B(), beside);
  concat(-1, A(), B(), beside);
  concat(1, {L({3, 2}, {1, 2, 0, 1, 0, 0}), B().values, B().shape}, A(),
         {L({6, 2}, {0, 0, 0, 1, 0, 4, 1, 2, 1, 3, 1, 5}),
          F({6}, {-3, 20, 1, 10, 2, 3}), L({2}, {2, 6})});
  concat(1, {L({1, 2}, {0, 1}), S({1}, {"a"}), L({2}, {2, 2})},
         {L({1, 2}, {0, 0}), S({1}, {"b"}), L({2}, {2, 2})},
         {L({2, 2}, {0, 1, 0, 2}), S({2}, {"a", "b"}), L({2}, {2, 4})});
}

TEST(SparseConcatTest, BadUse) {
  Concat(0, 2, A(), B())
      .WantError(Code::kInvalidArgument,
                 "Concat dimension must be in range [-2, 2), got 2");
  Concat(0, 0, A(), {B().indices, B().values, L({2}, {2, 4})})
      .WantError(Code::kInvalidArgument,
                 "Input shapes must match: expected 3 for dimension 1 but got "
                 "4 at position 1");
  Concat(0, 0, A(), {L({1, 1}, {0}), F({1}, {1}), L({1}, {2})})
      .WantError(Code::kInvalidArgument, "expected 2 but got 1 at position 1");
}

OpCase Slice(int which, const Sparse& x, const Tensor& start,
             const Tensor& size) {
  OpCase c = NamedOp("SparseSlice", {}, which);
  In(c, x).In(start).In(size);
  return c;
}

TEST(SparseSliceTest, WhatLiesInside) {
  const auto slice = [](std::initializer_list<int64_t> start,
                        std::initializer_list<int64_t> size,
                        const Sparse& want) {
    Slice(0, A(), L({2}, start), L({2}, size)).Want(want.indices);
    Slice(1, A(), L({2}, start), L({2}, size)).Want(want.values);
    Slice(2, A(), L({2}, start), L({2}, size)).Want(want.shape);
  };
  slice({0, 0}, {2, 2},
        {L({2, 2}, {0, 1, 1, 0}), F({2}, {1, 2}), L({2}, {2, 2})});
  slice({1, 0}, {1, 3},
        {L({2, 2}, {0, 0, 0, 2}), F({2}, {2, 3}), L({2}, {1, 3})});
  slice({0, 1}, {5, 5},
        {L({2, 2}, {0, 0, 1, 1}), F({2}, {1, 3}), L({2}, {2, 2})});
  const Tensor none(kInt64, Shape{0, 2}), nothing(kFloat, Shape{0});
  slice({3, 0}, {1, 2}, {none, nothing, L({2}, {0, 2})});
  slice({-1, 0}, {1, 2}, {none, nothing, L({2}, {1, 2})});
  Slice(1, InDoubles(A()), L({2}, {0, 1}), L({2}, {2, 2})).Gradient();
}

TEST(SparseSliceTest, BadUse) {
  Slice(0, A(), L({2}, {0, 0}), L({2}, {-1, 2}))
      .WantError(Code::kInvalidArgument,
                 "Expected a non-negative size, got -1");
  Slice(0, A(), L({1}, {0}), L({2}, {1, 2}))
      .WantError(Code::kInvalidArgument, "vector of length 2 but got length 1");
  NamedOp("SparseSliceGrad")
      .In(F({2}, {5, 7}))
      .In(A().indices)
      .In(L({2}, {0, 1}))
      .In(L({2, 2}, {0, 0, 9, 9}))
      .WantError(Code::kInvalidArgument, "aren't all propagated");
}

OpCase WithDense(const char* name, const Sparse& x, const Tensor& dense) {
  OpCase c = NamedOp(name);
  In(c, x).In(dense);
  return c;
}
Sparse Beyond() { return {L({1, 2}, {0, 9}), F({1}, {1}), L({2}, {2, 3})}; }

TEST(SparseDenseCwiseTest, DenseIsBroadcast) {
  struct {
    const char* name;
    Tensor dense, want;
  } cases[] = {
      {"Add", F({2, 3}, {10, 20, 30, 40, 50, 60}), F({3}, {21, 42, 63})},
      {"Add", F({3}, {10, 20, 30}), F({3}, {21, 12, 33})},
      {"Mul", F({2, 1}, {10, 20}), F({3}, {10, 40, 60})},
      {"Mul", F({}, {10}), F({3}, {10, 20, 30})},
      {"Div", F({1, 3}, {10, 20, 30}), F({3}, {0.05f, 0.2f, 0.1f})},
      {"Div", F({2, 1}, {10, 20}), F({3}, {0.1f, 0.1f, 0.15f})},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    WithDense(StrCat("SparseDenseCwise", c.name).c_str(), A(), c.dense)
        .Want(c.want);
  }
}

TEST(SparseDenseCwiseTest, Gradients) {
  for (const Shape& dense : {Shape{2, 3}, Shape{3}, Shape{2, 1}, Shape{}}) {
    WithDense("SparseDenseCwiseMul", InDoubles(A()), Doubles(dense)).Gradient();
    WithDense("SparseDenseCwiseDiv", InDoubles(A()), Doubles(dense, 0.5, 2))
        .Gradient();
  }
}

TEST(SparseDenseCwiseTest, BadUse) {
  const char* const shapes = "broadcasts dense to sparse only";
  WithDense("SparseDenseCwiseAdd", A(), F({2}, {1, 2}))
      .WantError(Code::kInvalidArgument, shapes);
  WithDense("SparseDenseCwiseMul", A(), F({1, 2, 3}, {1, 2, 3, 4, 5, 6}))
      .WantError(Code::kInvalidArgument, shapes);
  WithDense("SparseDenseCwiseDiv", Beyond(), F({3}, {1, 2, 3}))
      .WantError(Code::kInvalidArgument, "out-of-bounds");
  WithDense("SparseDenseCwiseDiv", {A().indices, I({3}, {1, 2, 3}), A().shape},
            I({}, {0}))
      .WantError(Code::kInvalidArgument, "division by zero");
}

TEST(SparseTensorDenseAddTest, ValuesAndGradients) {
  const Tensor ones = F({2, 3}, {1, 1, 1, 1, 1, 1});
  WithDense("SparseTensorDenseAdd", A(), ones)
      .Want(F({2, 3}, {1, 2, 1, 3, 1, 4}));
  WithDense("SparseTensorDenseAdd",
            {I({3, 2}, {0, 1, 0, 1, 1, 2}), A().values, I({2}, {2, 3})}, ones)
      .Want(F({2, 3}, {1, 4, 1, 1, 1, 4}));
  WithDense("SparseTensorDenseAdd", InDoubles(A()), Doubles({2, 3})).Gradient();
  const auto error = [](const Sparse& x, const Tensor& dense,
                        const char* text) {
    WithDense("SparseTensorDenseAdd", x, dense)
        .WantError(Code::kInvalidArgument, text);
  };
  error(A(), F({1, 3}, {1, 2, 3}),
        "no broadcasting is supported): sparse side 2 vs dense side 1");
  error(A(), F({3}, {1, 2, 3}), "different ranks; received: 2 and 1");
  error(Beyond(), ones, "invalid index on dimension 1: a_indices(0,1) = 9");
}

OpCase Softmax(const Sparse& x) {
  OpCase c = NamedOp("SparseSoftmax");
  In(c, x).Within(1e-6);
  return c;
}

TEST(SparseSoftmaxTest, OverEachRow) {
  Softmax(A()).Want(F({3}, {1, 0.26894143f, 0.7310586f}));
  Softmax({L({3, 3}, {0, 0, 0, 0, 0, 1, 1, 1, 1}), F({3}, {1, 2, 3}),
           L({3}, {2, 2, 2})})
      .Want(F({3}, {0.26894143f, 0.7310586f, 1}));
  // TensorFlow's order of the result, not that of the elements.
  Softmax({L({3, 2}, {1, 2, 0, 1, 0, 0}), F({3}, {10, 20, -3}), A().shape})
      .Want(F({3}, {1.0261880e-10f, 1, 1}));
  Softmax(InDoubles(A())).Gradient();
  Softmax({L({1, 1}, {0}), F({1}, {1}), L({1}, {2})})
      .WantError(Code::kInvalidArgument, "Input should have rank >= 2");
}

}  // namespace
}  // namespace lockstep
