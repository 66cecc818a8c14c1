// SPDX-License-Identifier: Apache-2.0
#include "ops/ops.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

const std::vector<std::string> kSplits = {"ROW_SPLITS"};
const std::vector<std::string> kIds = {"FIRST_DIM_SIZE", "VALUE_ROWIDS"};

// Inputs: shape, values, default_value, partitions.
OpCase Dense(const std::vector<std::string>& types) {
  return OpCase([=](const Scope& s, const Outputs& in) {
    NodeBuilder b = s.Op("RaggedTensorToTensor");
    b.In(in[0]).In(in[1]).In(in[2]);
    b.In(std::vector<Output>(in.begin() + 3, in.end()));
    return b.Attr("row_partition_types", types).Out();
  });
}
OpCase OfSplits(const Tensor& shape, const Tensor& splits) {
  OpCase c = Dense(kSplits);
  c.Constant(shape).In(F({5}, {1, 2, 3, 4, 5})).In(F({}, {9})).In(splits);
  return c;
}

// Values and errors are TensorFlow's.
TEST(RaggedTensorToTensorTest, RowsAreFilledAndCut) {
  const Tensor splits = L({4}, {0, 2, 2, 5});
  const Tensor whole = F({3, 3}, {1, 2, 9, 9, 9, 9, 3, 4, 5});
  OfSplits(I({}, {-1}), splits).Want(whole);
  OfSplits(L({2}, {-1, -1}), splits).Want(whole);
  OfSplits(I({2}, {4, 2}), splits).Want(F({4, 2}, {1, 2, 9, 9, 3, 4, 9, 9}));
  OfSplits(I({2}, {2, 4}), splits).Want(F({2, 4}, {1, 2, 9, 9, 9, 9, 9, 9}));
  OfSplits(I({2}, {-1, 0}), splits).Want(F({3, 0}, {}));
  // Values beyond the splits are left, those that lack are filled.
  OfSplits(I({}, {-1}), L({3}, {0, 2, 3})).Want(F({2, 2}, {1, 2, 3, 9}));
  OfSplits(I({}, {-1}), L({3}, {0, 4, 6}))
      .Want(F({2, 4}, {1, 2, 3, 4, 5, 9, 9, 9}));
  Dense(kIds)
      .Constant(I({2}, {-1, -1}))
      .In(S({3}, {"a", "b", "c"}))
      .In(S({}, {"-"}))
      .In(I({}, {4}))
      .In(I({3}, {0, 2, 2}))
      .Want(S({4, 2}, {"a", "-", "-", "-", "b", "c", "-", "-"}));
}

TEST(RaggedTensorToTensorTest, RowsOfRowsAndElementsOfSeveralNumbers) {
  Dense({"ROW_SPLITS", "ROW_SPLITS"})
      .Constant(I({}, {-1}))
      .In(F({5}, {1, 2, 3, 4, 5}))
      .In(F({}, {0}))
      .In(L({3}, {0, 1, 3}))
      .In(L({4}, {0, 2, 2, 5}))
      .Want(F({2, 2, 3}, {1, 2, 0, 0, 0, 0, 0, 0, 0, 3, 4, 5}));
  Dense(kSplits)
      .Constant(I({3}, {-1, -1, 2}))
      .In(F({3, 2}, {0, 1, 2, 3, 4, 5}))
      .In(F({2}, {7, 8}))
      .In(L({3}, {0, 1, 3}))
      .Want(F({2, 2, 2}, {0, 1, 7, 8, 2, 3, 4, 5}));
}

TEST(RaggedTensorToTensorTest, Gradients) {
  for (const Tensor& shape : {I({}, {-1}), I({2}, {2, 2})}) {
    Dense(kSplits)
        .Constant(shape)
        .In(Doubles({5}))
        .In(Doubles({}))
        .In(L({4}, {0, 2, 2, 5}))
        .Gradient();
  }
  Dense({"FIRST_DIM_SIZE", "VALUE_ROWIDS", "VALUE_ROWIDS"})
      .Constant(I({}, {-1}))
      .In(Doubles({4, 2}))
      .In(Doubles({2}))
      .In(I({}, {2}))
      .In(I({3}, {0, 1, 1}))
      .In(I({4}, {0, 0, 2, 2}))
      .Gradient();
}

TEST(RaggedTensorToTensorTest, BadUse) {
  const auto error = [](const Tensor& splits, const char* text) {
    OfSplits(I({}, {-1}), splits).WantError(Code::kInvalidArgument, text);
  };
  error(L({4}, {0, 3, 2, 5}), "Invalid row split size");
  error(L({3}, {1, 3, 5}), "Invalid row split size");
  error(L({2}, {0, int64_t{1} << 60}), "Invalid row split size");
  error(L({0}, {}), "-1 rows");
  OfSplits(I({1}, {-1}), L({2}, {0, 5}))
      .WantError(Code::kInvalidArgument, "2 are wanted");
  Dense({"ROW_LENGTHS"})
      .Constant(I({}, {-1}))
      .In(F({1}, {1}))
      .In(F({}, {0}))
      .In(L({1}, {1}))
      .WantError(Code::kInvalidArgument, "Cannot handle type ROW_LENGTHS");
  const auto ids = [](int32_t rows, const Tensor& of, const char* text) {
    Dense(kIds)
        .Constant(I({}, {-1}))
        .In(F({2}, {1, 2}))
        .In(F({}, {0}))
        .In(I({}, {rows}))
        .In(of)
        .WantError(Code::kInvalidArgument, text);
  };
  ids(2, I({2}, {0, 2}), "in [0, 2)");
  ids(2, I({2}, {1, 0}), "do not fall");
  ids(2, I({1}, {0}), "2 values for 1");
  ids(-1, I({2}, {0, 0}), "-1 rows");
  Dense(kSplits)
      .Constant(I({}, {-1}))
      .In(F({2}, {1, 2}))
      .In(F({2}, {0, 0}))
      .In(L({2}, {0, 2}))
      .WantError(Code::kInvalidArgument, "default_value");
}

}  // namespace
}  // namespace lockstep
