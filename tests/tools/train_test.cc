// SPDX-License-Identifier: Apache-2.0
// lockstep train, as a program, on an exported graph.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "ops/array/array.h"
#include "ops/linalg/linalg.h"
#include "ops/math/math.h"
#include "ops/random/random.h"
#include "ops/reduce/reduce.h"
#include "ops/state/state.h"
#include "ops/training/optimizer.h"
#include "runtime/exec/saver.h"
#include "runtime/graph/builder.h"
#include "runtime/graph/gradients.h"
#include "runtime/graph/meta_graph.h"
#include "runtime/io/checkpoint_reader.h"
#include "runtime/io/event_reader.h"
#include "runtime/io/idx.h"
#include "runtime/io/npy.h"
#include "tests/testing/run_program.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr int64_t kRows = 50;

Env& env() { return *Env::Default(); }

// Adds a train op for the loss.
using AddTrain =
    std::function<Node*(const Scope&, Output loss, Output w, Output b)>;
Node* Descend(const Scope& root, Output loss, Output w, Output b) {
  ops::GradientDescentOptimizer descent(0.2f);
  return descent.Minimize(root.WithName("train"), loss, {w, b});
}
// By simple ops, with a count of steps and a running mean of the loss.
Node* DescendComposed(const Scope& root, Output loss, Output w, Output b) {
  std::vector<Output> gradients;
  root.graph()->UpdateStatus(AddGradients(root, {loss}, {w, b}, &gradients));
  const Output mean =
      ops::InitializedVariable(root.WithName("mean_loss"), Tensor(0.0f));
  ops::AssignSub(root.WithName("track"), mean,
                 ops::Mul(root, ops::Sub(root, mean, loss), 0.1f));
  return root.WithName("train")
      .WithControlDependencies(
          {ops::AssignSub(root.WithName("w_down"), w,
                          ops::Mul(root, gradients[0], 0.2f)),
           ops::AssignSub(root.WithName("b_down"), b,
                          ops::Mul(root, gradients[1], 0.2f))})
      .Op("NoOp")
      .Build();
}

// loss = mean((x w + b - y)^2) with noise on x.
MetaGraph LinearGraph(const AddTrain& add_train = Descend) {
  MetaGraph meta;
  const Scope root(&meta.graph);
  const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{-1, 2});
  const Output y = ops::Placeholder(root.WithName("y"), kFloat, Shape{-1});
  const Output noise =
      ops::Placeholder(root.WithName("noise"), kFloat, Shape{});
  const Output w = ops::InitializedVariable(root.WithName("w"),
                                            Tensor::Of<float>({2, 1}, {0, 0}));
  const Output b =
      ops::InitializedVariable(root.WithName("b"), Tensor::Of<float>({1}, {0}));
  const Output drawn = ops::Mul(
      root, ops::RandomUniform(root.WithSeed(3), ops::Shape(root, x)), noise);
  const Output predicted =
      ops::Add(root, ops::MatMul(root, ops::Add(root, x, drawn), w), b);
  const Output error = ops::Sub(
      root, ops::Reshape(root, predicted, Tensor::Of<int32_t>({1}, {-1})), y);
  const Output loss =
      ops::Mean(root.WithName("loss"), ops::Square(root, error), {0});
  const Node* train = add_train(root, loss, w, b);
  const Node* init = ops::VariablesInitializer(root.WithName("init"));
  const auto saver = Saver::Create(root, std::vector<Output>{w, b});
  EXPECT_TRUE(saver.ok()) << saver.status().ToString();
  EXPECT_TRUE(meta.graph.status().ok()) << meta.graph.status().ToString();
  meta.saver = saver->names();
  meta.collections["train_op"].texts = {train->name()};
  meta.collections["init_op"].texts = {init->name()};
  return meta;
}

class TrainTest : public testing::Test {
 protected:
  void SetUp() override {
    const MetaGraph meta = LinearGraph();
    Write("g.meta", ToMetaGraphDef(meta).value());
    // y = 2 x0 - 3 x1 + 1, x in tenths as uint8.
    Tensor x(kUint8, Shape{kRows, 2}), y(kFloat, Shape{kRows});
    for (int64_t i = 0; i < kRows; ++i) {
      const auto a = static_cast<uint8_t>(i % 10),
                 b = static_cast<uint8_t>((i * 7 + 3) % 10);
      x.flat<uint8_t>()[static_cast<size_t>(2 * i)] = a;
      x.flat<uint8_t>()[static_cast<size_t>(2 * i + 1)] = b;
      y.flat<float>()[static_cast<size_t>(i)] =
          0.2f * static_cast<float>(a) - 0.3f * static_cast<float>(b) + 1;
    }
    Write("x.idx", EncodeIdx(x).value());
    ASSERT_TRUE(WriteNpy(env(), dir_ / "y.npy", y).ok());
  }
  void Write(const std::string& name, const std::string& bytes) {
    ASSERT_TRUE(env().WriteFileAtomically(dir_ / name, bytes).ok());
  }
  Finished Train(const std::vector<std::string>& more, int ranks = 0,
                 const char* threads = "1") {
    std::vector<std::string> args = {LOCKSTEP_PROGRAM,
                                     "train",
                                     dir_ / "g.meta",
                                     "--feed",
                                     "x=" + (dir_ / "x.idx"),
                                     "--feed",
                                     "y=" + (dir_ / "y.npy"),
                                     "--scale",
                                     "x=0.1",
                                     "--batch",
                                     "8",
                                     "--threads",
                                     threads};
    args.insert(args.end(), more.begin(), more.end());
    return RunProgram(args, ranks);
  }
  std::vector<float> Values(const std::string& checkpoint) {
    const auto reader = CheckpointReader::Open(env(), dir_ / checkpoint);
    if (!reader.ok()) {
      ADD_FAILURE() << reader.status().ToString();
      return {};
    }
    const Tensor w = (*reader)->Read("w").value();
    return {w.flat<float>()[0], w.flat<float>()[1],
            (*reader)->Read("b").value().flat<float>()[0]};
  }

  ScratchFolder dir_;
};

TEST_F(TrainTest, AnExportedGraphIsTrainedToItsAnswer) {
  const Finished run =
      Train({"--epochs", "150", "--set", "noise=0", "--checkpoint-dir",
             dir_ / "ck", "--log-dir", dir_ / "log", "--max-to-keep", "2"});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("trained 1050 steps"));  // 7 batches of 50
  const std::vector<float> values = Values("ck/model.ckpt-1050");
  ASSERT_EQ(values.size(), 3u);
  EXPECT_NEAR(values[0], 2, 1e-2);
  EXPECT_NEAR(values[1], -3, 1e-2);
  EXPECT_NEAR(values[2], 1, 1e-2);
  EXPECT_FALSE(env().FileExists(dir_ / "ck/model.ckpt-1036.index"));
  const auto log = ReadEventLog(env(), dir_ / "log");
  ASSERT_TRUE(log.ok()) << log.status().ToString();
  EXPECT_EQ(log->values.at("train/loss").size(), 150u);
  EXPECT_FALSE(log->graph_def.empty());
}

// The collection does not say what trains.
TEST_F(TrainTest, AnOptimiserOfSimpleOpsIsFoundByWhatItDoes) {
  const auto train = [&](const AddTrain& add_train) {
    MetaGraph meta = LinearGraph(add_train);
    meta.collections.erase("train_op");
    Write("g.meta", ToMetaGraphDef(meta).value());
    return Train({"--epochs", "150", "--set", "noise=0", "--checkpoint-dir",
                  dir_ / "ck"});
  };
  const Finished run = train(DescendComposed);
  ASSERT_EQ(run.status, 0) << run.err;
  const std::vector<float> values = Values("ck/model.ckpt-1050");
  ASSERT_EQ(values.size(), 3u);
  EXPECT_NEAR(values[0], 2, 1e-2);
  const Finished two =
      train([](const Scope& s, Output loss, Output w, Output b) {
        DescendComposed(s, loss, w, b);
        return DescendComposed(s.SubScope("other"), loss, w, b);
      });
  EXPECT_EQ(two.status, 2);
  EXPECT_THAT(two.err, HasSubstr("--train has to name one of the graph's train "
                                 "ops: train, other/train"));
}

TEST_F(TrainTest, AResumedRunEndsAsTheUninterruptedOne) {
  const std::vector<std::string> noisy = {"--set", "noise=0.3"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), noisy.begin(), noisy.end());
    return more;
  };
  ASSERT_EQ(
      Train(with({"--epochs", "3", "--checkpoint-dir", dir_ / "a"})).status, 0);
  // Stops within the second epoch.
  ASSERT_EQ(Train(with({"--epochs", "3", "--steps", "10", "--checkpoint-dir",
                        dir_ / "b"}))
                .status,
            0);
  const Finished resumed = Train(
      with({"--epochs", "3", "--checkpoint-dir", dir_ / "b", "--resume"}));
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_THAT(resumed.out, HasSubstr("resumed at step 10"));
  EXPECT_EQ(Values("a/model.ckpt-21"), Values("b/model.ckpt-21"));
  EXPECT_NE(Values("a/model.ckpt-21"), Values("a/model.ckpt-14"));
}

// What a job wrote after its last checkpoint, before it ended without a word,
// is written again by its successor.
TEST_F(TrainTest, AResumedRunsEventsAreThereOnce) {
  const std::vector<std::string> common = {
      "--set",     "noise=0.3",  "--checkpoint-dir", dir_ / "c",
      "--log-dir", dir_ / "log", "--epochs",         "3"};
  ASSERT_EQ(Train(common).status, 0);
  // As if the last epoch had not been saved.
  for (const char* file : {"c/model.ckpt-21.index", "c/checkpoint"}) {
    ASSERT_TRUE(env().DeleteFile(dir_ / file).ok());
  }
  ASSERT_TRUE(env()
                  .WriteFileAtomically(dir_ / "c/checkpoint",
                                       "model_checkpoint_path: 'model.ckpt-14'"
                                       "\nall_model_checkpoint_paths: "
                                       "'model.ckpt-14'\n")
                  .ok());
  auto resumed = common;
  resumed.push_back("--resume");
  const Finished run = Train(resumed);
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("resumed at step 14"));
  const auto log = ReadEventLog(env(), dir_ / "log").value();
  std::vector<int64_t> steps;
  for (const auto& p : log.values.at("train/loss")) steps.push_back(p.step);
  EXPECT_THAT(steps, ElementsAre(7, 14, 21));
}

// 50 rows in batches of 8: the last has 2, fewer than there are replicas.
TEST_F(TrainTest, ReproducibleRunsHaveTheSameBitsOnAnyThreadsAndRanks) {
  const auto values = [&](const char* dir, const char* threads, int ranks) {
    const Finished run =
        Train({"--epochs", "2", "--set", "noise=0.3", "--reproducible", "4",
               "--config", "device_count { key: 'GPU' value: 0 }",
               "--save-every", "5", "--checkpoint-dir", dir_ / dir},
              ranks, threads);
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_THAT(run.out, HasSubstr("4 virtual replicas"));
    return Values(StrCat(dir, "/model.ckpt-14"));
  };
  const std::vector<float> want = values("a", "1", 0);
  EXPECT_EQ(values("b", "2", 0), want);
  EXPECT_TRUE(env().FileExists(dir_ / "a/model.ckpt-5.index"));
  const Finished probe = RunProgram({"/bin/sh", "-c", "command -v mpirun"});
  if (probe.status != 0) GTEST_SKIP() << "no mpirun here";
  EXPECT_EQ(values("c", "1", 2), want);
  EXPECT_EQ(values("d", "1", 4), want);
}

TEST_F(TrainTest, TwoRanksTrainAsOneDoes) {
  const Finished probe = RunProgram({"/bin/sh", "-c", "command -v mpirun"});
  if (probe.status != 0) GTEST_SKIP() << "no mpirun here";
  const std::vector<std::string> args = {"--epochs", "4", "--set", "noise=0"};
  auto alone = args, both = args;
  alone.insert(alone.end(), {"--checkpoint-dir", dir_ / "one"});
  both.insert(both.end(), {"--checkpoint-dir", dir_ / "two"});
  ASSERT_EQ(Train(alone).status, 0);
  const Finished run = Train(both, /*ranks=*/2);
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("ranks: 2"));
  const auto one = Values("one/model.ckpt-28"),
             two = Values("two/model.ckpt-28");
  ASSERT_EQ(one.size(), two.size());
  for (size_t i = 0; i < one.size(); ++i) EXPECT_NEAR(one[i], two[i], 1e-5);
}

// Files of one name and size on two machines, one of them another version.
TEST_F(TrainTest, RanksWithOtherDataAreRefusedByNameOfTheTensor) {
  const Finished probe = RunProgram({"/bin/sh", "-c", "command -v mpirun"});
  if (probe.status != 0) GTEST_SKIP() << "no mpirun here";
  Tensor y = ReadNpy(env(), dir_ / "y.npy").value();
  ASSERT_TRUE(WriteNpy(env(), dir_ / "y0.npy", y).ok());
  y.flat<float>()[17] += 0.001f;
  ASSERT_TRUE(WriteNpy(env(), dir_ / "y1.npy", y).ok());
  const Finished run = RunProgram(
      {"/bin/sh", "-c",
       StrCat("exec ", LOCKSTEP_PROGRAM, " train ", dir_ / "g.meta",
              " --feed x=", dir_ / "x.idx", " --feed y=", dir_ / "y",
              "$OMPI_COMM_WORLD_RANK.npy --batch 8 --threads 1 --set noise=0")},
      /*ranks=*/2);
  EXPECT_NE(run.status, 0);
  EXPECT_THAT(run.err, HasSubstr("the ranks are not alike: the program has "
                                 "--feed y:0 float [50], CRC32C "));
}

TEST_F(TrainTest, EvaluationHasItsOwnDataAndValues) {
  const Finished run =
      Train({"--set", "noise=5", "--eval-feed", "x=" + (dir_ / "x.idx"),
             "--eval-feed", "y=" + (dir_ / "y.npy"), "--eval-set", "noise=0",
             "--metric", "loss"});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("eval loss"));
}

// As ulimit -f has it; the signal would end the program without a word. What
// it says goes through a pipe, as files take nothing.
TEST_F(TrainTest, AFileThatMustNotGrowIsAnErrorOfIt) {
  const Finished run = RunProgram(
      {"/bin/sh", "-c",
       StrCat("{ ulimit -f 0; ", LOCKSTEP_PROGRAM, " train ", dir_ / "g.meta",
              " --feed x=", dir_ / "x.idx", " --feed y=", dir_ / "y.npy",
              " --set noise=0 --checkpoint-dir ", dir_ / "ck",
              "; echo status $?; } 2>&1 | cat")});
  EXPECT_THAT(run.out, HasSubstr("File too large"));
  EXPECT_THAT(run.out, HasSubstr("status 2"));
}

TEST_F(TrainTest, MistakesAreOneLineAndStatusTwo) {
  Write("short.idx", EncodeIdx(Tensor(kUint8, Shape{3})).value());
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"--init", "inits"}, "(init"},
      {{"--loss", "los"}, "--loss"},
      {{"--feed", "noise=" + (dir_ / "short.idx")}, "has 3 rows"},
      {{"--feed", "x=again"}, "twice"},
      {{"--set", "noise=loud"}, "noise:0"},
      {{"--scale", "y=a"}, "--scale"},
      {{"--one-hot", "x"}, "--one-hot"},
      {{"--epochs", "0"}, "--epochs"},
      {{"--resume"}, "--checkpoint-dir"},
      {{"--resume", "--checkpoint-dir", dir_ / "none", "--set", "noise=0"},
       "--resume"},
      {{"--checkpoint-dir", ""}, "--checkpoint-dir needs the name of a folder"},
      {{"--checkpoint-dir", dir_ / "y.npy", "--set", "noise=0"},
       "--checkpoint-dir cannot be written: mkdir"},
  };
  for (const auto& [args, part] : cases) {
    const Finished run = Train(args);
    EXPECT_EQ(run.status, 2) << part << run.out;
    EXPECT_THAT(run.err, HasSubstr(part));
    EXPECT_EQ(std::ranges::count(run.err, '\n'), 1) << run.err;
  }
}

}  // namespace
}  // namespace lockstep
