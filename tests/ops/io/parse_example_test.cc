// SPDX-License-Identifier: Apache-2.0
#include "proto/example.pb.h"
#include "runtime/core/strings.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

// Values and errors are TensorFlow's.

struct Sample {
  std::vector<float> a;
  std::vector<std::string> s;
  std::vector<int64_t> i;
};
// Keys of empty lists are left out.
std::string Serialized(const Sample& sample) {
  proto::Example e;
  auto& f = *e.mutable_features()->mutable_feature();
  for (const float v : sample.a) f["a"].mutable_float_list()->add_value(v);
  for (const auto& v : sample.s) f["s"].mutable_bytes_list()->add_value(v);
  for (const int64_t v : sample.i) f["i"].mutable_int64_list()->add_value(v);
  return e.SerializeAsString();
}
const Sample kOne = {{1, 2}, {"x"}, {3}};
const Sample kTwo = {{4, 5}, {"y", "\xff"}, {7, 8}};
Tensor Batch() {
  return S({3}, {Serialized(kOne), Serialized({}), Serialized(kTwo)});
}
Tensor NoStrings() { return Tensor(kString, Shape{0}); }

// Output `which` of ParseExampleV2 of one key of each kind: "s", sparse, "i",
// ragged, and "a", dense. Inputs: serialized, names, a default of "a".
enum Which { kIndices, kValues, kShape, kDense, kRagged, kSplits };
OpCase Parse(Which which, const Shape& dense, DType sparse = kString) {
  return OpCase([=](const Scope& s, const Outputs& in) {
    const Outputs outs =
        s.Op("ParseExampleV2")
            .In(in[0])
            .In(in[1])
            .In(S({1}, {"s"}))
            .In(S({1}, {"a"}))
            .In(S({1}, {"i"}))
            .In(Outputs{in[2]})
            .Attr("num_sparse", 1)
            .Attr("sparse_types", std::vector<DType>{sparse})
            .Attr("ragged_value_types", std::vector<DType>{kInt64})
            .Attr("ragged_split_types", std::vector<DType>{kInt32})
            .Attr("dense_shapes", std::vector<Shape>{dense})
            .Outs();
    return outs.empty() ? Output{} : outs[which];
  });
}
OpCase ParseBatch(Which which) {
  OpCase c = Parse(which, {2});
  c.In(Batch()).In(NoStrings()).In(F({2}, {9, 8}));
  return c;
}

TEST(ParseExampleTest, SparseDenseAndRaggedKeysOfABatch) {
  ParseBatch(kIndices).Want(L({3, 2}, {0, 0, 2, 0, 2, 1}));
  ParseBatch(kValues).Want(S({3}, {"x", "y", "\xff"}));
  ParseBatch(kShape).Want(L({2}, {3, 2}));
  ParseBatch(kDense).Want(F({3, 2}, {1, 2, 9, 8, 4, 5}));
  ParseBatch(kRagged).Want(L({3}, {3, 7, 8}));
  ParseBatch(kSplits).Want(I({4}, {0, 1, 1, 3}));
}

TEST(ParseExampleTest, OneExampleHasNoBatchDimension) {
  const auto one = [](Which which) {
    OpCase c = Parse(which, {2});
    c.In(S({}, {Serialized(kTwo)})).In(NoStrings()).In(F({0}, {}));
    return c;
  };
  one(kIndices).Want(L({2, 1}, {0, 1}));
  one(kShape).Want(L({1}, {2}));
  one(kDense).Want(F({2}, {4, 5}));
  one(kSplits).Want(Tensor(kInt32, Shape{0}));
}

TEST(ParseExampleTest, RowsOfDifferentLengthsAreFilled) {
  const Tensor batch = S({3}, {Serialized(kOne), Serialized({}),
                               Serialized({{1, 2, 3, 4}, {}, {}})});
  const Shape pairs{kUnknownDim, 2};
  Parse(kDense, pairs)
      .In(batch)
      .In(NoStrings())
      .In(F({1}, {0.5}))
      .Want(F({3, 2, 2}, {1, 2, .5, .5, .5, .5, .5, .5, 1, 2, 3, 4}));
  Parse(kDense, pairs)
      .In(S({1}, {Serialized({{1, 2, 3}, {}, {}})}))
      .In(NoStrings())
      .In(F({1}, {0.5}))
      .WantError(Code::kInvalidArgument,
                 "Name: <unknown>, Key: a, Index: 0.  Number of float values "
                 "is not a multiple of stride length. Saw 3 values");
  Parse(kDense, pairs)
      .In(batch)
      .In(NoStrings())
      .In(F({0}, {}))
      .WantError(Code::kInvalidArgument, "must contain a single element");
}

TEST(ParseExampleTest, NoExamples) {
  const auto none = [](Which which) {
    OpCase c = Parse(which, {2});
    c.In(NoStrings()).In(NoStrings()).In(F({0}, {}));
    return c;
  };
  none(kShape).Want(L({2}, {0, 0}));
  none(kDense).Want(Tensor(kFloat, Shape{0, 2}));
  none(kSplits).Want(I({1}, {0}));
}

TEST(ParseExampleTest, BadUse) {
  const auto error = [](const Tensor& serialized, const Tensor& names,
                        const Tensor& otherwise, const Shape& dense,
                        const char* text, DType sparse = kString) {
    Parse(kDense, dense, sparse)
        .In(serialized)
        .In(names)
        .In(otherwise)
        .WantError(Code::kInvalidArgument, text);
  };
  const Tensor required = F({0}, {});
  error(Batch(), S({3}, {"p", "q", "r"}), required, {2},
        "Name: q, Feature: a (data type: float) is required but could not be "
        "found.");
  error(S({}, {Serialized({})}), NoStrings(), required, {2},
        "Feature: a (data type: float) is required");
  error(Batch(), S({1}, {"p"}), required, {2},
        "name.shape=[1], serialized.shape=[3]");
  error(Batch(), NoStrings(), F({3}, {1, 2, 3}), {2},
        "def_value[0].shape() == [3] is not compatible with dense_shapes_[0] "
        "== [2]");
  error(Batch(), NoStrings(), required, {3},
        "Key: a, Index: 0.  Number of float values != expected.  Values size: "
        "2 but output shape: [3]");
  error(Batch(), NoStrings(), F({2}, {1, 2}), {2},
        "Key: s, Index: 0.  Data types don't match. Expected type: int64, "
        "Actual type: string",
        kInt64);
  error(S({1}, {Serialized(kOne).substr(0, 20)}), NoStrings(), required, {2},
        "Could not parse example input");
  error(S({1, 1}, {""}), NoStrings(), required, {2},
        "Expected serialized to be a scalar or vector, got shape: [1,1]");
  error(Batch(), NoStrings(), required, {2, kUnknownDim},
        "dense_shapes[0] has unknown rank or unknown inner dimensions");
}

// The first of the ops, with keys as scalars; without dense ones, whose empty
// list of types is written as a list of any kind.
TEST(ParseExampleTest, KeysAsScalars) {
  const auto parse = [](size_t which) {
    return OpCase([which](const Scope& s, const Outputs& in) {
      const Outputs outs = s.Op("ParseExample")
                               .In(in[0])
                               .In(NoStrings())
                               .In(Outputs{s.Op("Const")
                                               .Attr("value", S({}, {"i"}))
                                               .Attr("dtype", kString)
                                               .Out()})
                               .Attr("Nsparse", 1)
                               .Attr("Ndense", 0)
                               .Attr("sparse_types", std::vector<DType>{kInt64})
                               .Attr("Tdense", std::vector<int64_t>{})
                               .Attr("dense_shapes", std::vector<int64_t>{})
                               .Outs();
      return outs.empty() ? Output{} : outs[which];
    });
  };
  parse(0).In(Batch()).Want(L({3, 2}, {0, 0, 2, 0, 2, 1}));
  parse(1).In(Batch()).Want(L({3}, {3, 7, 8}));
}

TEST(ParseExampleTest, KeysAsAttributes) {
  const auto parse = [](size_t which) {
    return OpCase([which](const Scope& s, const Outputs& in) {
      const Outputs outs =
          s.Op("ParseSingleExample")
              .In(in[0])
              .In(Outputs{in[1]})
              .Attr("num_sparse", 1)
              .Attr("sparse_keys", std::vector<std::string>{"s"})
              .Attr("dense_keys", std::vector<std::string>{"a"})
              .Attr("sparse_types", std::vector<DType>{kString})
              .Attr("dense_shapes", std::vector<Shape>{{2}})
              .Outs();
      return outs.empty() ? Output{} : outs[which];
    });
  };
  const Tensor two = S({}, {Serialized(kTwo)});
  parse(0).In(two).In(F({0}, {})).Want(L({2, 1}, {0, 1}));
  parse(2).In(two).In(F({0}, {})).Want(L({1}, {2}));
  parse(3).In(two).In(F({0}, {})).Want(F({2}, {4, 5}));
  parse(3).In(S({}, {Serialized({})})).In(F({2}, {3, 4})).Want(F({2}, {3, 4}));
  parse(3)
      .In(Batch())
      .In(F({0}, {}))
      .WantError(Code::kInvalidArgument, "Expected serialized to be a scalar");
}

}  // namespace
}  // namespace lockstep
