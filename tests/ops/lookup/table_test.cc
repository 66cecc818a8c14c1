// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <fstream>

#include "ops/ops.h"
#include "tests/testing/op_test.h"
#include "tests/testing/run_program.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

// A graph with a table and what is done with it; each fetch or target is a run
// of one session. Errors are TensorFlow's.
class TableTest : public testing::Test {
 protected:
  NodeBuilder Make(const char* op, DType key, DType value) {
    return s_.WithName("table")
        .Op(op)
        .Attr("key_dtype", key)
        .Attr("value_dtype", value);
  }
  void Entries(const char* op, const std::string& name, const Tensor& keys,
               const Tensor& values) {
    s_.WithName(name).Op(op).In(table_).In(keys).In(values).Build();
  }
  void Find(const std::string& name, const Tensor& keys,
            const Tensor& missing) {
    s_.WithName(name)
        .Op("LookupTableFindV2")
        .In(table_)
        .In(keys)
        .In(missing)
        .Out();
  }
  Result<Tensor> Fetch(const std::string& name) {
    LS_RETURN_IF_ERROR(Ready());
    return session_->RunOne({}, name);
  }
  Status Target(const std::string& name) {
    LS_RETURN_IF_ERROR(Ready());
    return session_->RunTargets({name});
  }
  void ExpectError(const Status& status, Code code, const char* text) {
    EXPECT_EQ(status.code(), code) << status.ToString();
    EXPECT_THAT(status.message(), HasSubstr(text));
  }
  Status Ready() {
    LS_RETURN_IF_ERROR(s_.status());
    if (session_ == nullptr) {
      LS_ASSIGN_OR_RETURN(session_, Session::Create(graph_));
    }
    return Ok();
  }

  Graph graph_;
  Scope s_{&graph_};
  Output table_;
  std::unique_ptr<Session> session_;
};

TEST_F(TableTest, FixedTableIsFilledOnce) {
  table_ = Make("HashTableV2", kString, kInt64).Out();
  Entries("InitializeTableV2", "init", S({2}, {"a", "b"}), L({2}, {1, 2}));
  Entries("InitializeTableV2", "as_many", S({2}, {"a", "x"}), L({2}, {7, 8}));
  Entries("LookupTableImportV2", "other", S({1}, {"a"}), L({1}, {1}));
  Entries("LookupTableInsertV2", "insert", S({1}, {"a"}), L({1}, {1}));
  Find("find", S({2, 2}, {"b", "a", "", "c"}), Tensor(int64_t{-1}));
  Find("by_key", S({2}, {"b", "q"}), L({2}, {5, 6}));
  Find("bad_default", S({2}, {"a", "b"}), L({1}, {1}));
  Find("bad_type", L({2}, {1, 2}), Tensor(int64_t{1}));
  s_.WithName("size").Op("LookupTableSizeV2").In(table_).Out();
  const std::vector<Output> all = s_.WithName("all")
                                      .Op("LookupTableExportV2")
                                      .In(table_)
                                      .Attr("Tkeys", kString)
                                      .Attr("Tvalues", kInt64)
                                      .Outs();
  ASSERT_EQ(all.size(), 2u);

  ExpectError(Fetch("find").status(), Code::kFailedPrecondition,
              "Table not initialized.");
  ExpectError(Fetch("all:0").status(), Code::kAborted, "not initialized");
  EXPECT_TRUE(SameTensor(*Fetch("size"), Tensor(int64_t{0})));
  ASSERT_TRUE(Target("init").ok()) << Target("init").ToString();
  EXPECT_TRUE(Target("init").ok());
  EXPECT_TRUE(Target("as_many").ok());
  EXPECT_TRUE(SameTensor(*Fetch("find"), L({2, 2}, {2, 1, -1, -1})));
  EXPECT_TRUE(SameTensor(*Fetch("by_key"), L({2}, {2, 6})));
  EXPECT_TRUE(SameTensor(*Fetch("size"), Tensor(int64_t{2})));
  EXPECT_TRUE(SameTensor(*Fetch("all:0"), S({2}, {"a", "b"})));
  EXPECT_TRUE(SameTensor(*Fetch("all:1"), L({2}, {1, 2})));
  ExpectError(Target("other"), Code::kFailedPrecondition,
              "already initialized with different data");
  ExpectError(Target("insert"), Code::kUnimplemented, "Insert not supported");
  ExpectError(Fetch("bad_default").status(), Code::kInvalidArgument,
              "Expected shape [] or [2] for default value, got [1]");
  ExpectError(Fetch("bad_type").status(), Code::kInvalidArgument,
              "Signature mismatch");
}

TEST_F(TableTest, EqualKeysNeedEqualValues) {
  table_ = Make("HashTableV2", kInt64, kString).Out();
  Entries("InitializeTableV2", "bad", L({2}, {3, 3}), S({2}, {"x", "y"}));
  Entries("InitializeTableV2", "good", L({2}, {3, 3}), S({2}, {"x", "x"}));
  Find("find", L({2}, {3, 4}), Tensor(""));
  ExpectError(Target("bad"), Code::kFailedPrecondition,
              "different value for same key");
  EXPECT_TRUE(Target("good").ok());
  EXPECT_TRUE(SameTensor(*Fetch("find"), S({2}, {"x", ""})));
}

TEST_F(TableTest, MutableTable) {
  table_ = Make("MutableHashTableV2", kString, kFloat).Out();
  Entries("LookupTableInsertV2", "insert", S({3}, {"a", "b", "c"}),
          F({3}, {1, 2, 3}));
  Entries("LookupTableInsertV2", "change", S({2}, {"b", "b"}), F({2}, {4, 5}));
  Entries("LookupTableImportV2", "import", S({1}, {"q"}), F({1}, {9}));
  Entries("InitializeTableV2", "init", S({1}, {"q"}), F({1}, {9}));
  s_.WithName("remove")
      .Op("LookupTableRemoveV2")
      .In(table_)
      .In(S({2}, {"a", "z"}))
      .Build();
  Find("find", S({4}, {"a", "b", "c", "q"}), Tensor(0.5f));
  EXPECT_TRUE(SameTensor(*Fetch("find"), F({4}, {.5, .5, .5, .5})));
  ASSERT_TRUE(Target("insert").ok());
  ASSERT_TRUE(Target("change").ok());
  EXPECT_TRUE(SameTensor(*Fetch("find"), F({4}, {1, 5, 3, .5})));
  ASSERT_TRUE(Target("remove").ok());
  EXPECT_TRUE(SameTensor(*Fetch("find"), F({4}, {.5, 5, 3, .5})));
  ASSERT_TRUE(Target("import").ok());
  EXPECT_TRUE(SameTensor(*Fetch("find"), F({4}, {.5, .5, .5, 9})));
  ExpectError(Target("init"), Code::kInvalidArgument, "is not initializable");
}

TEST_F(TableTest, ManyEntriesComeAndGo) {
  table_ = Make("MutableHashTableV2", kInt64, kInt64).Out();
  std::vector<int64_t> keys, odd, wanted;
  for (int64_t i = 0; i < 1000; ++i) {
    keys.push_back(i);
    if (i % 2 == 1) odd.push_back(i);
    wanted.push_back(i % 2 == 1 ? -1 : i);
  }
  const Tensor all = Tensor::Vector(keys);
  Entries("LookupTableInsertV2", "insert", all, all);
  s_.WithName("remove")
      .Op("LookupTableRemoveV2")
      .In(table_)
      .In(Tensor::Vector(odd))
      .Build();
  Find("find", all, Tensor(int64_t{-1}));
  ASSERT_TRUE(Target("insert").ok());
  ASSERT_TRUE(Target("remove").ok());
  EXPECT_TRUE(SameTensor(*Fetch("find"), Tensor::Vector(wanted)));
}

TEST_F(TableTest, TableOfTensors) {
  table_ = Make("MutableHashTableOfTensorsV2", kString, kFloat)
               .Attr("value_shape", Shape{2})
               .Out();
  Entries("LookupTableInsertV2", "insert", S({2}, {"a", "b"}),
          F({2, 2}, {5, 6, 7, 8}));
  Entries("LookupTableInsertV2", "bad", S({2}, {"a", "b"}), F({2, 1}, {5, 6}));
  Find("find", S({2, 1}, {"b", "z"}), F({2}, {1, 2}));
  Find("by_key", S({2}, {"b", "z"}), F({2, 2}, {1, 2, 3, 4}));
  ASSERT_TRUE(Target("insert").ok());
  EXPECT_TRUE(SameTensor(*Fetch("find"), F({2, 1, 2}, {7, 8, 1, 2})));
  EXPECT_TRUE(SameTensor(*Fetch("by_key"), F({2, 2}, {7, 8, 3, 4})));
  ExpectError(Target("bad"), Code::kInvalidArgument,
              "Expected shape [2,2] for value, got [2,1]");
}

TEST_F(TableTest, DenseTableHasKeysOfItsOwn) {
  table_ = s_.WithName("table")
               .Op("MutableDenseHashTableV2")
               .In(Tensor(int64_t{0}))
               .In(Tensor(int64_t{-1}))
               .Attr("value_dtype", kInt64)
               .Out();
  Entries("LookupTableInsertV2", "insert", L({2}, {1, 2}), L({2}, {5, 6}));
  Entries("LookupTableInsertV2", "empty", L({1}, {0}), L({1}, {5}));
  Find("deleted", L({1}, {-1}), Tensor(int64_t{7}));
  Find("find", L({2}, {2, 3}), Tensor(int64_t{7}));
  ASSERT_TRUE(Target("insert").ok());
  EXPECT_TRUE(SameTensor(*Fetch("find"), L({2}, {6, 7})));
  ExpectError(Target("empty"), Code::kInvalidArgument, "Using the empty_key");
  ExpectError(Fetch("deleted").status(), Code::kInvalidArgument,
              "Using the deleted_key");
}

TEST_F(TableTest, OneNameOneTable) {
  table_ = Make("HashTableV2", kString, kInt64).Attr("shared_name", "t").Out();
  Entries("InitializeTableV2", "init", S({1}, {"a"}), L({1}, {4}));
  table_ = Make("HashTableV2", kString, kInt64).Attr("shared_name", "t").Out();
  Find("find", S({1}, {"a"}), Tensor(int64_t{0}));
  table_ = Make("HashTableV2", kInt64, kInt64).Attr("shared_name", "t").Out();
  Find("conflict", L({1}, {1}), Tensor(int64_t{0}));
  ASSERT_TRUE(Target("init").ok());
  EXPECT_TRUE(SameTensor(*Fetch("find"), L({1}, {4})));
  ExpectError(Fetch("conflict").status(), Code::kInvalidArgument,
              "Conflicting key/value dtypes");
}

class TableFileTest : public TableTest {
 protected:
  // A table of the file's lines, filled.
  Status Fill(const std::string& content, DType key, DType value,
              int64_t key_index, int64_t value_index, int64_t vocab_size = -1,
              const std::string& delimiter = "\t") {
    graph_ = Graph();
    session_ = nullptr;
    const std::string path = folder_ / "vocabulary.txt";
    std::ofstream(path, std::ios::binary) << content;
    Scope s(&graph_);
    const Output table = s.WithName("table")
                             .Op("HashTableV2")
                             .Attr("key_dtype", key)
                             .Attr("value_dtype", value)
                             .Out();
    s.WithName("init")
        .Op("InitializeTableFromTextFileV2")
        .In(table)
        .In(path)
        .Attr("key_index", key_index)
        .Attr("value_index", value_index)
        .Attr("vocab_size", vocab_size)
        .Attr("delimiter", delimiter)
        .Build();
    s.WithName("all")
        .Op("LookupTableExportV2")
        .In(table)
        .Attr("Tkeys", key)
        .Attr("Tvalues", value)
        .Outs();
    LS_RETURN_IF_ERROR(s.status());
    return Target("init");
  }

 private:
  const ScratchFolder folder_;
};

TEST_F(TableFileTest, LinesAndColumns) {
  ASSERT_TRUE(Fill("x y\r\nb\nc", kString, kInt64, -2, -1).ok());
  EXPECT_TRUE(SameTensor(*Fetch("all:0"), S({3}, {"x y", "b", "c"})));
  EXPECT_TRUE(SameTensor(*Fetch("all:1"), L({3}, {0, 1, 2})));
  ASSERT_TRUE(Fill("a\nb\n\n", kInt64, kString, -1, -2, 2).ok());
  EXPECT_TRUE(SameTensor(*Fetch("all:0"), L({2}, {0, 1})));
  EXPECT_TRUE(SameTensor(*Fetch("all:1"), S({2}, {"a", "b"})));
  ASSERT_TRUE(Fill("7,1.5,z\n8,-2,y\n", kInt64, kFloat, 0, 1, -1, ",").ok());
  EXPECT_TRUE(SameTensor(*Fetch("all:0"), L({2}, {7, 8})));
  EXPECT_TRUE(SameTensor(*Fetch("all:1"), F({2}, {1.5, -2})));
}

TEST_F(TableFileTest, BadFiles) {
  ExpectError(Fill("a\n\nb", kString, kInt64, -2, -1), Code::kInvalidArgument,
              "empty line found at position 3");
  ExpectError(Fill("a\tb\n", kString, kInt64, 0, 1), Code::kInvalidArgument,
              "Field b in line 0 is not a valid int64.");
  ExpectError(Fill("a\n", kString, kInt64, 5, -1), Code::kInvalidArgument,
              "line 0 (a) : expected at least 6 got 1");
  ExpectError(Fill("a\n", kString, kInt64, -2, -1, 2), Code::kInvalidArgument,
              "expected 2 but got 1");
  ExpectError(Fill("a\n", kString, kFloat, -2, -1), Code::kInvalidArgument,
              "requires table value dtype of int64, got float");
  ExpectError(Fill("a\n", kString, kInt64, 0, -1, -1, "ab"),
              Code::kInvalidArgument, "delimiter should be only 1 char");
  ExpectError(Fill("", kString, kInt64, -2, -1), Code::kOutOfRange, "no line");
}

}  // namespace
}  // namespace lockstep
