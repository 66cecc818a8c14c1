// SPDX-License-Identifier: Apache-2.0
// The mnist program on one rank: what it prints, that equal runs are equal bit
// for bit, and that a resumed run goes on with the bits of an unbroken one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

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

const Args kSmall = {"--data", "digits", "--threads", "2", "--log-every", "1"};

std::string LastLine(const std::string& text) {
  const auto lines = Split(text, '\n');
  return lines.size() < 2 ? "" : lines[lines.size() - 2];
}

double TestAccuracy(const Finished& run) {
  const std::string line = LastLine(run.out);
  const std::string head = "test accuracy ";
  EXPECT_TRUE(line.starts_with(head)) << run.out << run.err;
  return line.starts_with(head) ? std::stod(line.substr(head.size())) : 0;
}

// "step 3 loss 2.1" lines and the final accuracy.
std::vector<std::string> Losses(const Finished& run) {
  EXPECT_EQ(run.status, 0) << run.err;
  auto lines = LinesWith(run.out, "step ");
  std::erase_if(lines, [](const auto& l) { return !l.starts_with("step "); });
  return lines;
}

std::vector<std::string> From(std::vector<std::string> lines, size_t first) {
  lines.erase(lines.begin(),
              lines.begin() + static_cast<long>(std::min(first, lines.size())));
  return lines;
}

TEST(MnistRun, LearnsTheEmbeddedDigits) {
  const Finished run =
      RunMnist({"--data", "digits", "--epochs", "8", "--batch", "50"});
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.err, "");
  EXPECT_THAT(run.out, HasSubstr("UCI handwritten digits"));
  EXPECT_THAT(run.out, HasSubstr("1375 training, 125 validation, 297 test"));
  EXPECT_GT(TestAccuracy(run), 0.85);
}

TEST(MnistRun, EachModelAndOptimizerLearns) {
  for (const char* model : {"linear", "mlp", "cnn"}) {
    const Finished run = RunMnist({"--data", "digits", "--model", model,
                                   "--epochs", "2", "--batch", "25"});
    ASSERT_EQ(run.status, 0) << model << ": " << run.err;
    EXPECT_GT(TestAccuracy(run), 0.7) << model;
  }
  for (const char* optimizer : {"sgd", "momentum"}) {
    const Finished run = RunMnist({"--data", "digits", "--optimizer", optimizer,
                                   "--epochs", "3", "--batch", "25"});
    ASSERT_EQ(run.status, 0) << optimizer << ": " << run.err;
    EXPECT_GT(TestAccuracy(run), 0.7) << optimizer;
  }
}

// The numbers of "step 3 loss 2.1" lines.
std::vector<double> LossValues(const Finished& run) {
  std::vector<double> values;
  for (const std::string& line : Losses(run)) {
    values.push_back(std::stod(line.substr(line.rfind(' ') + 1)));
  }
  return values;
}

// Sums over samples are added up in another order, no more; convolutions by
// other algorithms are a little further apart.
void ExpectSameLosses(const std::vector<double>& got,
                      const std::vector<double>& want,
                      double tolerance = 1e-4) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_NEAR(got[i], want[i], tolerance * want[i]) << "step " << i + 1;
  }
}

TEST(MnistRun, TowersTrainToTheLossesOfOne) {
  for (const char* model : {"mlp", "cnn"}) {
    SCOPED_TRACE(model);
    // Dropout in one tower draws other numbers than in another.
    const Args args = {"--data",  "digits", "--model",     model,
                       "--steps", "12",     "--log-every", "1",
                       "--batch", "50",     "--keep-prob", "1"};
    const auto with = [&](const char* towers) {
      return LossValues(
          RunMnist(Plus(args, {"--towers", towers, "--virtual-gpus", towers})));
    };
    const std::vector<double> one = with("1");
    ASSERT_EQ(one.size(), 12u);
    EXPECT_LT(one.back(), one.front());
    ExpectSameLosses(with("2"), one);
    ExpectSameLosses(with("4"), one);
  }
}

TEST(MnistRun, TheModelTrainsOnAGpuAsOnTheCpu) {
  for (const char* model : {"mlp", "cnn"}) {
    SCOPED_TRACE(model);
    const Args args = {"--data", "digits",      "--model", model,     "--steps",
                       "12",     "--log-every", "1",       "--batch", "50"};
    const auto on = [&](const char* device) {
      return LossValues(
          RunMnist(Plus(args, {"--device", device, "--virtual-gpus", "1"})));
    };
    ExpectSameLosses(on("/gpu:0"), on("/cpu:0"), 5e-3);
    // The stand-in for a GPU computes convolutions by definition.
    setenv("LOCKSTEP_DIRECT_CONVOLUTION", "1", 1);
    ExpectSameLosses(on("/gpu:0"), on("/cpu:0"));
    unsetenv("LOCKSTEP_DIRECT_CONVOLUTION");
  }
}

TEST(MnistRun, StepsEndTheRunInTheMiddleOfAnEpoch) {
  const Finished run = RunMnist(Plus(kSmall, {"--steps", "7"}));
  EXPECT_EQ(Losses(run).size(), 7u);
  TestAccuracy(run);
}

TEST(MnistRun, EqualRunsAreEqualBitForBit) {
  for (const char* model : {"mlp", "cnn"}) {
    const Args args = Plus(kSmall, {"--model", model, "--steps", "20"});
    const auto first = Losses(RunMnist(args));
    EXPECT_EQ(first.size(), 20u);
    EXPECT_EQ(Losses(RunMnist(args)), first) << model;
    EXPECT_NE(Losses(RunMnist(Plus(args, {"--seed", "2"}))), first) << model;
    // Neither the pipeline's thread nor the team's width changes a bit.
    EXPECT_EQ(Losses(RunMnist(Plus(args, {"--prefetch", "2"}))), first);
  }
}

// 14 batches an epoch: runs in one go, and in pieces that end at an epoch's
// end, in the middle of one, and in the middle of the same one again.
TEST(MnistRun, ResumedRunEqualsTheUnbrokenOne) {
  for (const char* model : {"mlp", "cnn"}) {
    const Args base = Plus(kSmall, {"--model", model, "--optimizer", "adam"});
    const Finished whole = RunMnist(Plus(base, {"--epochs", "3"}));
    const auto expected = Losses(whole);
    ASSERT_EQ(expected.size(), 42u);

    const ScratchFolder folder;
    const Args saving = Plus(base, {"--checkpoint-dir", folder / "ckpt"});
    const auto first = Losses(RunMnist(Plus(saving, {"--epochs", "1"})));
    EXPECT_EQ(first.size(), 14u);
    const Args resumed = Plus(saving, {"--epochs", "3", "--resume"});
    EXPECT_EQ(Losses(RunMnist(Plus(resumed, {"--steps", "20"}))).size(), 6u);
    EXPECT_EQ(Losses(RunMnist(Plus(resumed, {"--steps", "23"}))).size(), 3u);
    const Finished last = RunMnist(resumed);
    EXPECT_EQ(Losses(last), From(expected, 23)) << model;
    EXPECT_EQ(LastLine(last.out), LastLine(whole.out));
    // The epochs' lines too, but for the images per second at their ends.
    const auto row = [](const Finished& run) {
      const auto rows = LinesWith(run.out, "    3       42 ");
      return rows.empty() ? "none" : rows[0].substr(0, 60);
    };
    EXPECT_EQ(row(last), row(whole));
    // Nothing is left to do: the same accuracy, no step.
    const Finished done = RunMnist(resumed);
    EXPECT_EQ(Losses(done).size(), 0u);
    EXPECT_EQ(LastLine(done.out), LastLine(whole.out));
  }
}

TEST(MnistRun, KeepsTheNewestCheckpoints) {
  const ScratchFolder folder;
  const Finished run =
      RunMnist({"--data", "digits", "--model", "linear", "--epochs", "4",
                "--checkpoint-dir", folder / "c", "--max-to-keep", "2"});
  ASSERT_EQ(run.status, 0) << run.err;
  std::vector<std::string> names;
  for (const auto& e : std::filesystem::directory_iterator(folder / "c")) {
    names.push_back(e.path().filename().string());
  }
  EXPECT_THAT(names,
              testing::UnorderedElementsAre(
                  "checkpoint", "model.ckpt-42.index",
                  "model.ckpt-42.data-00000-of-00001", "model.ckpt-56.index",
                  "model.ckpt-56.data-00000-of-00001"));
}

TEST(MnistRun, HelpIsPrintedAndNothingElseIsDone) {
  const Finished run = RunMnist({"--help"});
  EXPECT_EQ(run.status, 0);
  EXPECT_EQ(run.err, "");
  EXPECT_THAT(run.out, HasSubstr("--keep-prob"));
}

TEST(MnistRun, OutputThatDoesNotArriveIsAFailure) {
  const Finished run = RunProgram(
      {"/bin/sh", "-c", StrCat(MNIST_PROGRAM, " --help > /dev/full")});
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(run.err,
            "mnist: standard output cannot be written: No space left on "
            "device\n");
}

}  // namespace
}  // namespace lockstep
