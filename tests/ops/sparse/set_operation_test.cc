// SPDX-License-Identifier: Apache-2.0
#include "tests/testing/named_op.h"

namespace lockstep {
namespace {

// Values and errors are TensorFlow's.

struct Sparse {
  Tensor indices, values, shape;
};
const Sparse kSet = {L({3, 2}, {0, 0, 0, 1, 2, 0}), L({3}, {1, 9, 7}),
                     L({2}, {3, 4})};
const Tensor kDense = L({3, 2}, {3, 1, 4, 5, 7, 7});

void Expect(const char* op, const std::string& operation,
            const std::vector<Tensor>& in, const Sparse& want) {
  SCOPED_TRACE(op + (" " + operation));
  const Tensor parts[] = {want.indices, want.values, want.shape};
  for (int i = 0; i < 3; ++i) {
    OpCase c = NamedOp(op, {{"set_operation", operation}}, i);
    for (const Tensor& t : in) c.In(t);
    c.Want(parts[i]);
  }
}

void ExpectError(const char* op, const std::vector<Tensor>& in,
                 const char* text, const std::string& operation = "union") {
  OpCase c = NamedOp(op, {{"set_operation", operation}});
  for (const Tensor& t : in) c.In(t);
  c.WantError(Code::kInvalidArgument, text);
}

TEST(SetOperationTest, DenseAndDense) {
  const std::vector<Tensor> in = {L({2, 3}, {3, 1, 1, 4, 5, 4}),
                                  L({2, 2}, {1, 2, 4, 4})};
  const char* const op = "DenseToDenseSetOperation";
  Expect(op, "union", in,
         {L({5, 2}, {0, 0, 0, 1, 0, 2, 1, 0, 1, 1}), L({5}, {1, 2, 3, 4, 5}),
          L({2}, {2, 3})});
  Expect(op, "Intersection", in,
         {L({2, 2}, {0, 0, 1, 0}), L({2}, {1, 4}), L({2}, {2, 1})});
  Expect(op, "A-B", in,
         {L({2, 2}, {0, 0, 1, 0}), L({2}, {3, 5}), L({2}, {2, 1})});
  Expect(op, "b-a", in, {L({1, 2}, {0, 0}), L({1}, {2}), L({2}, {2, 1})});
  Expect(op, "a-b",
         {L({2, 2, 2}, {1, 2, 3, 3, 1, 1, 9, 8}), L({2, 2, 1}, {2, 3, 1, 7})},
         {L({3, 3}, {0, 0, 0, 1, 1, 0, 1, 1, 1}), L({3}, {1, 8, 9}),
          L({3}, {2, 2, 2})});
}

TEST(SetOperationTest, WithoutElementsOrGroups) {
  const auto none = [](int64_t n, int64_t rank) {
    return Tensor(kInt64, Shape{n, rank});
  };
  const char* const op = "DenseToDenseSetOperation";
  Expect(op, "union", {none(1, 0), L({1, 2}, {5, 2})},
         {L({2, 2}, {0, 0, 0, 1}), L({2}, {2, 5}), L({2}, {1, 2})});
  Expect(op, "union", {none(2, 0), none(2, 0)},
         {none(0, 2), L({0}, {}), L({2}, {2, 0})});
  Expect(op, "union", {none(0, 2), none(0, 3)},
         {none(0, 2), L({0}, {}), L({2}, {0, 0})});
}

TEST(SetOperationTest, DenseAndSparse) {
  const std::vector<Tensor> in = {kDense, kSet.indices, kSet.values,
                                  kSet.shape};
  const char* const op = "DenseToSparseSetOperation";
  Expect(op, "union", in,
         {L({6, 2}, {0, 0, 0, 1, 0, 2, 1, 0, 1, 1, 2, 0}),
          L({6}, {1, 3, 9, 4, 5, 7}), L({2}, {3, 3})});
  Expect(op, "intersection", in,
         {L({2, 2}, {0, 0, 2, 0}), L({2}, {1, 7}), L({2}, {3, 1})});
  Expect(op, "a-b", in,
         {L({3, 2}, {0, 0, 1, 0, 1, 1}), L({3}, {3, 4, 5}), L({2}, {3, 2})});
  Expect(op, "b-a", in, {L({1, 2}, {0, 0}), L({1}, {9}), L({2}, {3, 1})});
}

TEST(SetOperationTest, SparseAndSparse) {
  const std::vector<Tensor> in = {kSet.indices,   kSet.values,
                                  kSet.shape,     L({2, 2}, {1, 2, 0, 3}),
                                  L({2}, {5, 7}), L({2}, {3, 5})};
  std::vector<Tensor> ordered = in;
  ordered[3] = L({2, 2}, {1, 2, 2, 3});
  const char* const op = "SparseToSparseSetOperation";
  Expect(op, "union", ordered,
         {L({4, 2}, {0, 0, 0, 1, 1, 0, 2, 0}), L({4}, {1, 9, 5, 7}),
          L({2}, {3, 2})});
  Expect(op, "intersection", ordered,
         {L({1, 2}, {2, 0}), L({1}, {7}), L({2}, {3, 1})});
  Expect(op, "a-b", ordered,
         {L({2, 2}, {0, 0, 0, 1}), L({2}, {1, 9}), L({2}, {3, 2})});
  Expect(op, "b-a", ordered, {L({1, 2}, {1, 0}), L({1}, {5}), L({2}, {3, 1})});
  ExpectError(op, in, "indices[1] = [0,3] is out of order");
}

TEST(SetOperationTest, BadUse) {
  const char* const dense = "DenseToDenseSetOperation";
  ExpectError(dense, {L({1, 1}, {1}), L({1, 1}, {1})},
              "Invalid set_operation nope.", "nope");
  ExpectError(dense, {L({2}, {1, 2}), L({2}, {5, 2})},
              "Shape [2] has rank 1 < 2");
  ExpectError(dense, {L({2, 1}, {1, 2}), L({1, 2}, {5, 2})},
              "Mismatched shapes [2] vs [1]");
  const char* const sparse = "DenseToSparseSetOperation";
  const auto refused = [&](const Sparse& x, const char* text) {
    ExpectError(sparse, {kDense, x.indices, x.values, x.shape}, text);
  };
  refused({L({3, 2}, {0, 0, 0, 5, 2, 0}), kSet.values, kSet.shape},
          "indices[1] = [0,5] is out of bounds: need 0 <= index < [3,4]");
  refused({L({3, 2}, {0, 0, 0, 0, 2, 0}), kSet.values, kSet.shape},
          "indices[1] = [0,0] is repeated");
  refused({kSet.indices, kSet.values, L({2}, {4, 4})},
          "Mismatched shapes [3] vs [4]");
  refused({L({3, 1}, {0, 1, 2}), kSet.values, L({1}, {3})}, "Invalid rank 1.");
}

TEST(SetSizeTest, CountsWhatDiffers) {
  const auto size = [](const Sparse& x, bool validate = true) {
    return NamedOp("SetSize", {{"validate_indices", validate}})
        .In(x.indices)
        .In(x.values)
        .In(x.shape);
  };
  size({kSet.indices, L({3}, {1, 1, 7}), kSet.shape}).Want(I({3}, {1, 0, 1}));
  size({L({2, 3}, {0, 1, 0, 1, 0, 0}), L({2}, {3, 3}), L({3}, {2, 2, 1})})
      .Want(I({2, 2}, {0, 1, 1, 0}));
  size({Tensor(kInt64, Shape{0, 2}), L({0}, {}), kSet.shape})
      .Want(I({3}, {0, 0, 0}));
  const Sparse beyond = {kSet.indices, kSet.values, L({2}, {2, 4})};
  size(beyond).WantError(Code::kInvalidArgument, "out of bounds");
  size(beyond, false)
      .WantError(Code::kInternal, "indices[0, 0] expected < 2, got 2.");
}

}  // namespace
}  // namespace lockstep
