// SPDX-License-Identifier: Apache-2.0
// The mnist program under mpirun: N ranks follow one rank, whatever divides;
// mistakes are said once, and end every rank.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <regex>

#include "runtime/core/strings.h"
#include "tests/examples/run_mnist.h"

namespace lockstep {
namespace {

using testing::HasSubstr;
using Args = std::vector<std::string>;

Args Plus(Args a, const Args& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::vector<std::string> LossLines(const Finished& run) {
  EXPECT_EQ(run.status, 0) << run.err;
  auto lines = LinesWith(run.out, " loss ");
  std::erase_if(lines, [](const auto& l) { return !l.starts_with("step "); });
  return lines;
}

std::vector<double> Losses(const Finished& run) {
  std::vector<double> losses;
  for (const std::string& line : LossLines(run)) {
    losses.push_back(std::stod(line.substr(line.rfind(' '))));
  }
  return losses;
}

void ExpectClose(const std::vector<double>& got,
                 const std::vector<double>& want, double relative) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i], want[i], relative * std::abs(want[i]))
        << "step " << i + 1;
  }
}

// Two GPUs on each of two ranks: four parts of each batch.
TEST(MnistTowersTest, OnSeveralRanksFollowTheLossesOfOneTower) {
  const Args args = {"--data", "digits",    "--batch", "60",          "--steps",
                     "12",     "--threads", "1",       "--log-every", "1"};
  const auto with = [&](const char* towers, int ranks) {
    return Losses(RunMnist(
        Plus(args, {"--towers", towers, "--virtual-gpus", towers}), ranks));
  };
  ExpectClose(with("2", 2), with("1", 1), 1e-4);
}

class MnistRanks : public testing::TestWithParam<int> {};

// Batches of 101, which no number of ranks divides, and 62 of 1,375 in the
// last one of an epoch: 20 steps cross its end. The cnn's dropout is that of
// one rank too: it is drawn for the examples' numbers in the global batch.
TEST_P(MnistRanks, FollowTheLossesOfOneRank) {
  const auto losses = [](const char* model, int ranks) {
    return Losses(
        RunMnist({"--data", "digits", "--model", model, "--batch", "101",
                  "--steps", "20", "--log-every", "1", "--threads", "1"},
                 ranks));
  };
  ExpectClose(losses("mlp", GetParam()), losses("mlp", 0), 1e-4);
  // Sooner or later rounding decides which of two nearly equal values a pool
  // takes: 3e-3 after 20 steps is no mistake, see docs/reproducible.md.
  std::vector<double> got = losses("cnn", GetParam());
  std::vector<double> want = losses("cnn", 0);
  ExpectClose(got, want, 1e-2);
  got.resize(5);
  want.resize(5);
  ExpectClose(got, want, 1e-5);
}

// Of 1,375 examples in batches of 686 the last has 3. In a plan for one example
// sums over the examples are none.
TEST(MnistShares, ARankWithOneExampleFollowsTheLossesOfOneRank) {
  for (const char* model : {"mlp", "cnn"}) {
    const Args args = {"--data",      "digits", "--model",   model,
                       "--batch",     "686",    "--steps",   "4",
                       "--log-every", "1",      "--threads", "1"};
    ExpectClose(Losses(RunMnist(args, 2)), Losses(RunMnist(args)), 1e-5);
  }
}

TEST_P(MnistRanks, PrintOnceAndTheSameLinesAsOneRank) {
  const Args args = {"--data", "digits", "--epochs", "2", "--threads", "1"};
  const Finished run = RunMnist(args, GetParam());
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(LinesWith(run.out, "data: ").size(), 1u);
  EXPECT_EQ(LinesWith(run.out, "test accuracy ").size(), 1u);
  EXPECT_EQ(LinesWith(run.out, "epoch ").size(), 1u);
  EXPECT_THAT(run.out, HasSubstr(StrCat("ranks: ", GetParam())));
}

// The layers on two ranks, and the same parts of batches on one.
TEST(MnistPipeline, TwoStagesFollowOneRankBitForBit) {
  for (const char* model : {"mlp", "cnn"}) {
    const Args args = {"--data",      "digits", "--model",   model,
                       "--batch",     "50",     "--steps",   "8",
                       "--log-every", "1",      "--threads", "1",
                       "--keep-prob", "1"};
    const Args parts = Plus(args, {"--micro-batches", "4"});
    const auto alone = LossLines(RunMnist(parts));
    EXPECT_EQ(alone.size(), 8u);
    EXPECT_EQ(LossLines(RunMnist(Plus(parts, {"--pipeline", "2"}), 2)), alone);
    ExpectClose(Losses(RunMnist(parts)), Losses(RunMnist(args)), 1e-3);
  }
}

// Gradients of micro-batches are added up before they are exchanged.
TEST(MnistMicroBatches, RanksExchangeOnceForAllOfThem) {
  const Args args = {"--data",    "digits", "--model",     "mlp",
                     "--batch",   "48",     "--steps",     "8",
                     "--threads", "1",      "--log-every", "1"};
  const Finished whole = RunMnist(args, 2);
  const Finished parts = RunMnist(Plus(args, {"--micro-batches", "3"}), 2);
  ExpectClose(Losses(parts), Losses(whole), 1e-3);
  EXPECT_EQ(Losses(parts).size(), 8u);
  const std::regex calls("communication \\(shm\\): (\\d+) calls");
  std::smatch first, second;
  ASSERT_TRUE(std::regex_search(whole.out, first, calls)) << whole.out;
  ASSERT_TRUE(std::regex_search(parts.out, second, calls)) << parts.out;
  EXPECT_EQ(first[1], second[1]);
}

TEST(MnistPipeline, ScoresCountOnceAndCheckpointsAreOfTheWholeModel) {
  const ScratchFolder folder;
  const std::string dir = folder / "c";
  const Args args = {"--data",    "digits", "--epochs",         "1",
                     "--threads", "1",      "--pipeline",       "2",
                     "--batch",   "50",     "--checkpoint-dir", dir};
  const Finished run = RunMnist(args, 2);
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("a pipeline of 4 micro-batches"));
  // What is restored is tested once more, alone, with the same result.
  const Finished again = RunMnist(
      {"--data", "digits", "--epochs", "1", "--threads", "1", "--batch", "50",
       "--checkpoint-dir", dir, "--resume", "--micro-batches", "4"});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(LinesWith(again.out, "test accuracy"),
            LinesWith(run.out, "test accuracy"));
}

TEST(MnistPipeline, NeedsAsManyRanksAsStages) {
  const Finished run = RunMnist({"--data", "digits", "--pipeline", "2"});
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.err, HasSubstr("--pipeline 2 needs 2 ranks, there is 1"));
}

TEST_P(MnistRanks, EqualRunsAreEqualBitForBit) {
  const Args args = {"--data",      "digits", "--steps",   "16",
                     "--log-every", "1",      "--threads", "1",
                     "--model",     "cnn",    "--batch",   "50"};
  const auto first = LossLines(RunMnist(args, GetParam()));
  EXPECT_EQ(first.size(), 16u);
  EXPECT_EQ(LossLines(RunMnist(args, GetParam())), first);
}

TEST_P(MnistRanks, ResumeWithTheSameBits) {
  const Args args = {"--data",      "digits", "--epochs",  "2",
                     "--log-every", "1",      "--threads", "1"};
  auto expected = LossLines(RunMnist(args, GetParam()));
  ASSERT_EQ(expected.size(), 28u);
  const ScratchFolder folder;
  const Args saving = Plus(args, {"--checkpoint-dir", folder / "c"});
  EXPECT_EQ(
      LossLines(RunMnist(Plus(saving, {"--steps", "19"}), GetParam())).size(),
      19u);
  expected.erase(expected.begin(), expected.begin() + 19);
  EXPECT_EQ(LossLines(RunMnist(Plus(saving, {"--resume"}), GetParam())),
            expected);
}

// The checkpoint knows nothing of the number of ranks.
TEST_P(MnistRanks, ResumeWhatOneRankBegan) {
  const Args args = {"--data",      "digits", "--epochs",  "2",
                     "--log-every", "1",      "--threads", "1"};
  auto expected = Losses(RunMnist(args));
  ASSERT_EQ(expected.size(), 28u);
  const ScratchFolder folder;
  const Args saving = Plus(args, {"--checkpoint-dir", folder / "c"});
  EXPECT_EQ(Losses(RunMnist(Plus(saving, {"--steps", "19"}))).size(), 19u);
  expected.erase(expected.begin(), expected.begin() + 19);
  ExpectClose(Losses(RunMnist(Plus(saving, {"--resume"}), GetParam())),
              expected, 1e-4);
}

TEST_P(MnistRanks, SayAMistakeOnceAndEndWithStatusTwo) {
  const ScratchFolder folder;
  for (const Args& args :
       {Args{"--batch", "many"}, Args{"--data", folder / "nowhere"},
        Args{"--data", "digits", "--checkpoint-dir", folder / "c", "--resume"},
        Args{"--data", "digits", "--batch", std::to_string(GetParam() - 1)}}) {
    const Finished run = RunMnist(args, GetParam());
    EXPECT_EQ(run.status, 2) << Join(args, " ") << run.out << run.err;
    EXPECT_EQ(LinesWith(run.err, "mnist: ").size(), 1u) << run.err;
  }
}

INSTANTIATE_TEST_SUITE_P(Ranks, MnistRanks, testing::Values(2, 3, 4));

TEST(MnistMpi, OneRankUnderMpirunIsLikeAlone) {
  const Args args = {"--data",      "digits", "--steps",   "10",
                     "--log-every", "1",      "--threads", "1"};
  EXPECT_EQ(LossLines(RunMnist(args, 1)), LossLines(RunMnist(args)));
}

TEST(MnistMpi, BatchSmallerThanTheRanksIsRefused) {
  const Finished run = RunMnist({"--data", "digits", "--batch", "2"}, 3);
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.err,
              HasSubstr("--batch 2 is smaller than the number of ranks, 3"));
}

}  // namespace
}  // namespace lockstep
