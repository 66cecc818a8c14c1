// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/saver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "ops/ops.h"
#include "runtime/graph/graph_def.h"
#include "runtime/io/checkpoint_reader.h"
#include "runtime/io/checkpoint_state.h"
#include "tests/testing/test_files.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

// Two variables, and a draw of random numbers.
class SaverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = ::testing::TempDir() + "/saver_" +
           ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(dir_);
    Build(&graph_, Shape{2, 2}, "w");
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  void Build(Graph* graph, const Shape& shape, const char* name) {
    Scope root(graph);
    Output w =
        ops::InitializedVariable(root.WithName(name), Tensor(ZerosOf(shape)));
    Output n = ops::InitializedVariable(root.WithName("n"), int64_t{0});
    ops::AssignAdd(root.WithName("count"), n, int64_t{1});
    ops::RandomUniform(root.WithName("draw"), {4}, kFloat);
    saver_ = Saver::Create(root, {w, n}, {.max_to_keep = 2});
    ASSERT_TRUE(saver_->ok()) << saver_->status().ToString();
    init_ = ops::VariablesInitializer(root)->name();
  }
  static Tensor ZerosOf(const Shape& shape) {
    Tensor t(kFloat, shape);
    for (float& v : t.flat<float>()) v = 0;
    return t;
  }
  std::unique_ptr<Session> Open() {
    auto session = Session::Create(graph_);
    EXPECT_TRUE(session.ok()) << session.status().ToString();
    EXPECT_TRUE((*session)->RunTargets({init_}).ok());
    return *std::move(session);
  }
  Saver& saver() { return **saver_; }
  std::string Prefix() const { return dir_ + "/model"; }

  std::string dir_;
  Graph graph_;
  std::optional<Result<Saver>> saver_;
  std::string init_;
};

TEST_F(SaverTest, RestoresVariablesAndTheRandomStream) {
  auto a = Open();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(a->RunTargets({"count"}).ok());
    ASSERT_TRUE(a->RunOne({}, "draw:0").ok());
  }
  auto path = saver().Save(*a, Prefix(), 3);
  ASSERT_TRUE(path.ok()) << path.status().ToString();
  EXPECT_EQ(*path, Prefix() + "-3");
  const Tensor next = a->RunOne({}, "draw:0").value();

  auto b = Open();
  const Status s = saver().Restore(*b, *path);
  ASSERT_TRUE(s.ok()) << s.ToString();
  EXPECT_EQ(b->RunOne({}, "n:0")->scalar<int64_t>(), 3);
  EXPECT_TRUE(BitwiseEqual(b->RunOne({}, "draw:0").value(), next));
}

TEST_F(SaverTest, KeepsTheNewestOnes) {
  auto session = Open();
  for (int i = 1; i <= 4; ++i) {
    ASSERT_TRUE(saver().Save(*session, Prefix(), i).ok());
  }
  auto state = ReadCheckpointState(*Env::Default(), dir_);
  ASSERT_TRUE(state.ok()) << state.status().ToString();
  EXPECT_EQ(state->all.size(), 2u);
  EXPECT_EQ(LatestCheckpoint(*Env::Default(), dir_).value(), Prefix() + "-4");
  EXPECT_TRUE(std::filesystem::exists(Prefix() + "-3.index"));
  EXPECT_FALSE(std::filesystem::exists(Prefix() + "-2.index"));
}

TEST_F(SaverTest, ACheckpointThatDoesNotFitIsReportedAsAWhole) {
  auto session = Open();
  ASSERT_TRUE(saver().Save(*session, Prefix(), 1).ok());
  Graph other;
  Scope root(&other);
  Output renamed = ops::InitializedVariable(root.WithName("weights"), 0.0f);
  Output reshaped = ops::InitializedVariable(root.WithName("w"), 0.0f);
  Output retyped = ops::InitializedVariable(root.WithName("n"), 0.0f);
  auto saver = Saver::Create(root, {renamed, reshaped, retyped});
  ASSERT_TRUE(saver.ok());
  auto b = Session::Create(other);
  ASSERT_TRUE(b.ok());
  const Status s = saver->Restore(**b, Prefix() + "-1");
  EXPECT_EQ(s.code(), Code::kNotFound);
  EXPECT_THAT(s.message(), HasSubstr("'weights' is missing"));
  EXPECT_THAT(s.message(),
              HasSubstr("'w' has shape [2,2], the variable has []"));
  EXPECT_THAT(s.message(), HasSubstr("'n' is int64, the variable is float"));
}

TEST_F(SaverTest, WhatOnlyTheCheckpointHasIsToldButNoError) {
  auto session = Open();
  ASSERT_TRUE(saver().Save(*session, Prefix(), 1).ok());
  Graph other;
  Scope root(&other);
  Output w =
      ops::InitializedVariable(root.WithName("w"), Tensor(ZerosOf({2, 2})));
  auto saver = Saver::Create(root, {w});
  ASSERT_TRUE(saver.ok());
  const auto found = saver->Compare(Prefix() + "-1").value();
  EXPECT_TRUE(found.fits());
  EXPECT_THAT(found.extra, ::testing::ElementsAre("n"));
  EXPECT_EQ(found.ToString(), "only in the checkpoint: 'n'");
  auto b = Session::Create(other);
  EXPECT_TRUE(saver->Restore(**b, Prefix() + "-1").ok());
}

TEST_F(SaverTest, AnotherShapeAloneIsAnInvalidArgument) {
  auto session = Open();
  ASSERT_TRUE(saver().Save(*session, Prefix(), 1).ok());
  Graph other;
  Scope root(&other);
  Output w = ops::InitializedVariable(root.WithName("w"), 0.0f);
  auto saver = Saver::Create(root, {w});
  auto b = Session::Create(other);
  EXPECT_EQ(saver->Restore(**b, Prefix() + "-1").code(),
            Code::kInvalidArgument);
}

TEST_F(SaverTest, PartsOfAVariableAreOneTensorInTheCheckpoint) {
  const auto parts_of = [](const Scope& root) {
    std::vector<SavedVariable> parts;
    for (int64_t i = 0; i < 2; ++i) {
      const float at = static_cast<float>(i);
      Output part = ops::InitializedVariable(
          root.WithName(StrCat("w/part_", i)),
          Tensor::Of<float>({1, 3}, {at, at + 10, at + 20}));
      parts.emplace_back(part, "w", Shape{2, 3},
                         TensorSlice{{{i, 1}, {0, TensorSlice::kAll}}});
    }
    return parts;
  };
  Graph graph;
  Scope root(&graph);
  auto saver = Saver::Create(root, parts_of(root));
  ASSERT_TRUE(saver.ok()) << saver.status().ToString();
  Node* init = ops::VariablesInitializer(root);
  auto session = Session::Create(graph).value();
  ASSERT_TRUE(session->RunTargets({init->name()}).ok());
  ASSERT_TRUE(saver->Save(*session, Prefix()).ok());
  const auto reader = CheckpointReader::Open(*Env::Default(), Prefix()).value();
  EXPECT_THAT(reader->Read("w").value().flat<float>(),
              ::testing::ElementsAre(0, 10, 20, 1, 11, 21));
  // Into the whole of another graph, and into the parts again.
  Graph whole;
  Scope other(&whole);
  Output w = ops::Variable(other.WithName("w"), kFloat, {2, 3});
  auto whole_saver = Saver::Create(other, {w});
  auto b = Session::Create(whole).value();
  ASSERT_TRUE(whole_saver->Restore(*b, Prefix()).ok());
  EXPECT_EQ(b->RunOne({}, "w:0")->flat<float>()[4], 11);
  const Status s = saver->Restore(*session, Prefix());
  ASSERT_TRUE(s.ok()) << s.ToString();
  EXPECT_EQ(session->RunOne({}, "w/part_1:0")->flat<float>()[2], 21);
}

TEST_F(SaverTest, ShardedSavesAreMergedIntoOneCheckpoint) {
  Graph graph;
  Scope root(&graph);
  Output a = ops::InitializedVariable(root.WithName("a"), 1.0f);
  Output b = ops::InitializedVariable(
      root.WithName("b").WithDevice("/device:CPU:0"), 2.0f);
  auto saver = Saver::Create(root, {a, b}, {.sharded = true});
  ASSERT_TRUE(saver.ok()) << saver.status().ToString();
  Node* init = ops::VariablesInitializer(root);
  auto session = Session::Create(graph).value();
  ASSERT_TRUE(session->RunTargets({init->name()}).ok());
  for (int step = 1; step <= 2; ++step) {
    const auto path = saver->Save(*session, Prefix());
    ASSERT_TRUE(path.ok()) << path.status().ToString();
  }
  const auto reader = CheckpointReader::Open(*Env::Default(), Prefix()).value();
  EXPECT_EQ(reader->Read("a").value().scalar<float>(), 1);
  EXPECT_EQ(reader->Read("b").value().scalar<float>(), 2);
  EXPECT_FALSE(std::filesystem::exists(Prefix() + "_temp"));
  EXPECT_TRUE(saver->Restore(*session, Prefix()).ok());
}

TEST_F(SaverTest, ResourceVariablesAreSavedUnderTheirSharedNames) {
  Graph graph;
  Scope root(&graph);
  Output handle = root.WithName("handle")
                      .Op("VarHandleOp")
                      .Attr("dtype", kFloat)
                      .Attr("shape", Shape{2})
                      .Attr("shared_name", "weights")
                      .Out();
  Node* set = root.WithName("set")
                  .Op("AssignVariableOp")
                  .In(handle)
                  .In(Tensor::Of<float>({2}, {3, 4}))
                  .Build();
  auto saver = Saver::Create(root, {handle});
  ASSERT_TRUE(saver.ok()) << saver.status().ToString();
  Output value = root.WithName("value")
                     .Op("ReadVariableOp")
                     .In(handle)
                     .Attr("dtype", kFloat)
                     .Out();
  auto a = Session::Create(graph).value();
  ASSERT_TRUE(a->RunTargets({set->name()}).ok());
  ASSERT_TRUE(saver->Save(*a, Prefix()).ok());
  auto b = Session::Create(graph).value();
  const Status s = saver->Restore(*b, Prefix());
  ASSERT_TRUE(s.ok()) << s.ToString();
  EXPECT_THAT(b->RunOne({}, value.name())->flat<float>(),
              ::testing::ElementsAre(3, 4));
  EXPECT_TRUE(saver->Compare(Prefix()).value().extra.empty());
}

TEST_F(SaverTest, TheNodesOfAnExportedGraphServeAsWell) {
  auto session = Open();
  ASSERT_TRUE(session->RunTargets({"count"}).ok());
  ASSERT_TRUE(session->RunOne({}, "draw:0").ok());
  auto copy = FromGraphDef(ToGraphDef(graph_).value());
  ASSERT_TRUE(copy.ok()) << copy.status().ToString();
  auto other = Saver::ForGraph(*copy, saver().names());
  ASSERT_TRUE(other.ok()) << other.status().ToString();
  ASSERT_TRUE(saver().Save(*session, Prefix(), 1).ok());
  const Tensor next = session->RunOne({}, "draw:0").value();
  auto b = Session::Create(*copy).value();
  const Status s = other->Restore(*b, Prefix() + "-1");
  ASSERT_TRUE(s.ok()) << s.ToString();
  EXPECT_EQ(b->RunOne({}, "n:0")->scalar<int64_t>(), 1);
  EXPECT_TRUE(BitwiseEqual(b->RunOne({}, "draw:0").value(), next));
  ASSERT_TRUE(other->Save(*b, Prefix(), 2).ok());
  EXPECT_TRUE(other->Compare(Prefix() + "-2").value().extra.empty());
}

TEST_F(SaverTest, NodesThatAreNotThereAreNamed) {
  SaverNames names = saver().names();
  names.restore_op = "nowhere";
  EXPECT_THAT(Saver::ForGraph(graph_, names).status().message(),
              HasSubstr("restore op 'nowhere'"));
  names = saver().names();
  names.filename_tensor = "save/Const:7";
  EXPECT_THAT(Saver::ForGraph(graph_, names).status().message(),
              HasSubstr("the saver's filename"));
}

TEST_F(SaverTest, TheOpMakesTheLastFolderOnly) {
  auto session = Open();
  const auto save = [&](const std::string& prefix) {
    return session
        ->RunOne({{saver().names().filename_tensor, Tensor(prefix)}},
                 saver().names().save_tensor)
        .status();
  };
  const Status above = save(dir_ + "/sub/model");
  EXPECT_EQ(above.code(), Code::kNotFound);
  EXPECT_THAT(above.message(), HasSubstr("there is no folder '" + dir_ + "'"));
  EXPECT_TRUE(save(dir_ + "/model").ok());
  EXPECT_TRUE(save(dir_ + "/sub/model").ok());
  // A file in a folder's place.
  EXPECT_EQ(save(dir_ + "/model.index/model").code(),
            Code::kFailedPrecondition);
  // The saver makes them all.
  EXPECT_TRUE(saver().Save(*session, dir_ + "/a/b/c/model").ok());
}

TEST_F(SaverTest, ADamagedCheckpointIsDataLoss) {
  auto session = Open();
  ASSERT_TRUE(saver().Save(*session, Prefix(), 1).ok());
  const std::string data = Prefix() + "-1.data-00000-of-00001";
  auto bytes = Env::Default()->ReadFile(data);
  ASSERT_TRUE(bytes.ok());
  (*bytes)[3] = static_cast<char>((*bytes)[3] ^ 1);
  ASSERT_TRUE(Env::Default()->WriteFileAtomically(data, *bytes).ok());
  const Status s = saver().Restore(*session, Prefix() + "-1");
  EXPECT_EQ(s.code(), Code::kDataLoss) << s.ToString();
  EXPECT_EQ(saver().Restore(*session, Prefix() + "-9").code(), Code::kNotFound);
}

// Graphs and checkpoints that TensorFlow's savers made: of many types, in
// parts, sharded.
TEST(SaverFixtureTest, SaversOfTensorFlowRestoreTheirCheckpoints) {
  LS_REQUIRE_FIXTURES();
  const std::pair<const char*, const char*> cases[] = {
      {"checkpoint_types", "checkpoint_files/model.ckpt"},
      {"checkpoint_partitioned", "parts.ckpt"},
      {"checkpoint_sharded", "model/sharded-20"},
      {"savedmodel_v1", "saved_model/variables/variables"}};
  for (const auto& [folder, checkpoint] : cases) {
    SCOPED_TRACE(folder);
    auto meta = ReadGraphFile(*Env::Default(),
                              FixtureFile(StrCat(folder, "/graph.meta")));
    ASSERT_TRUE(meta.ok()) << meta.status().ToString();
    auto saver = Saver::ForGraph(meta->graph, meta->saver);
    ASSERT_TRUE(saver.ok()) << saver.status().ToString();
    const std::string prefix = FixtureFile(StrCat(folder, "/", checkpoint));
    const auto found = saver->Compare(prefix);
    ASSERT_TRUE(found.ok()) << found.status().ToString();
    EXPECT_EQ(found->ToString(), "");
    auto session = Session::Create(meta->graph);
    ASSERT_TRUE(session.ok()) << session.status().ToString();
    const Status s = saver->Restore(**session, prefix);
    EXPECT_TRUE(s.ok()) << s.ToString();
  }
}

TEST_F(SaverTest, OnlyVariablesCanBeSaved) {
  Graph graph;
  Scope root(&graph);
  Output c = ops::Const(root.WithName("c"), Tensor(1.0f));
  EXPECT_THAT(Saver::Create(root, {c}).status().message(), HasSubstr("'c:0'"));
}

}  // namespace
}  // namespace lockstep
