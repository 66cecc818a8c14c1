// SPDX-License-Identifier: Apache-2.0
// The mnist program's bits: a run that is killed at any instant and resumed has
// those of one that was not, and in reproducible mode the numbers of ranks and
// threads do not matter, not even when they change between the two.
//
// LOCKSTEP_EXACT_TRIALS: kills a kind of run; LOCKSTEP_EXACT_STEPS: steps of
// the matrices, which are whole when they are set, and print what has passed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "runtime/core/env.h"
#include "runtime/core/strings.h"
#include "runtime/io/checkpoint_reader.h"
#include "runtime/io/checkpoint_state.h"
#include "tests/examples/run_mnist.h"

namespace lockstep {
namespace {

using Args = std::vector<std::string>;

Args Plus(Args a, const Args& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

int FromEnvironment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

// How a run is started.
struct Launch {
  int ranks = 0;  // 0: without mpirun
  int threads = 1;
  int bucket_bytes = 0;  // 0: as it likes
  // Also sets the environment.
  Args AddTo(Args args) const {
    setenv("LOCKSTEP_BUCKET_BYTES", StrCat(bucket_bytes).c_str(), 1);
    return Plus(std::move(args), {"--threads", std::to_string(threads)});
  }
  std::string ToString() const {
    return StrCat(ranks, " ranks x ", threads, " threads, buckets of ",
                  bucket_bytes, " bytes");
  }
};

// All that must not matter in reproducible mode. The gradients of the MLP are
// 942 KB and three small ones, those of the CNN 1.6 MB, 72 KB and small ones.
std::vector<Launch> Matrix() {
  std::vector<Launch> all;
  for (const int ranks : {1, 2, 4, 8}) {
    for (const int threads : {1, 2}) {
      for (const int bytes : {0, 1000, 100'000}) {
        all.push_back(
            {.ranks = ranks, .threads = threads, .bucket_bytes = bytes});
      }
    }
  }
  return all;
}

// Everything that the newest checkpoint of a folder holds: variables,
// optimiser's slots, position, random step.
using State = std::map<std::string, Tensor>;
State StateIn(const std::string& dir) {
  State state;
  Env& env = *Env::Default();
  const auto latest = LatestCheckpoint(env, dir);
  EXPECT_TRUE(latest.ok()) << latest.status().ToString();
  if (!latest.ok()) return state;
  const auto reader = CheckpointReader::Open(env, *latest);
  EXPECT_TRUE(reader.ok()) << reader.status().ToString();
  if (!reader.ok()) return state;
  for (const CheckpointEntry& e : (*reader)->entries()) {
    state[e.name] = (*reader)->Read(e.name).value();
  }
  return state;
}

void ExpectSameState(const State& got, const State& want) {
  ASSERT_FALSE(want.empty());
  ASSERT_EQ(got.size(), want.size());
  for (const auto& [name, value] : want) {
    ASSERT_TRUE(got.contains(name)) << name;
    EXPECT_TRUE(BitwiseEqual(got.at(name), value))
        << name << ": " << got.at(name).ToString() << " is not "
        << value.ToString();
  }
}

State RunWhole(const Args& args, const Launch& launch, int64_t* micros) {
  const ScratchFolder folder;
  const std::string dir = folder / "c";
  const uint64_t start = Env::Default()->SteadyMicros();
  const Finished run = RunMnist(
      launch.AddTo(Plus(args, {"--checkpoint-dir", dir})), launch.ranks);
  *micros = static_cast<int64_t>(Env::Default()->SteadyMicros() - start);
  EXPECT_EQ(run.status, 0) << run.err;
  return StateIn(dir);
}

// Starts `launches` one after the other, killing all but the last at a random
// instant of a run that would take `micros`; each goes on where the one before
// was killed.
State RunKilled(const Args& args, const std::vector<Launch>& launches,
                int64_t micros, std::mt19937* random, int* killed) {
  const ScratchFolder folder;
  const std::string dir = folder / "c";
  for (size_t i = 0; i < launches.size(); ++i) {
    Args now = launches[i].AddTo(Plus(args, {"--checkpoint-dir", dir}));
    if (LatestCheckpoint(*Env::Default(), dir).ok()) now.push_back("--resume");
    if (i + 1 < launches.size()) {
      now.insert(now.begin(), MNIST_PROGRAM);
      std::uniform_int_distribution<int64_t> when(0, micros);
      const Finished run = RunAndKill(now, launches[i].ranks, when(*random));
      *killed += run.status == 128 + 9;
      continue;
    }
    const Finished run = RunMnist(now, launches[i].ranks);
    EXPECT_EQ(run.status, 0) << Join(now, " ") << run.out << run.err;
  }
  return StateIn(dir);
}

const Args kTraining = {"--data",  "digits", "--batch",      "52",
                        "--steps", "40",     "--save-every", "3"};

void ExpectKilledRunsAreExact(const char* model, const Args& more,
                              const std::vector<Launch>& launches,
                              uint32_t seed) {
  SCOPED_TRACE(model);
  const Args args = Plus(Plus(kTraining, {"--model", model}), more);
  int64_t micros = 0;
  const State want = RunWhole(args, launches[0], &micros);
  std::mt19937 random(seed);
  const int trials = FromEnvironment("LOCKSTEP_EXACT_TRIALS", 2);
  int killed = 0;
  for (int t = 0; t < trials && !testing::Test::HasFailure(); ++t) {
    // One kill, or two; on other ranks each time, if there are others.
    std::vector<Launch> these;
    std::string text;
    for (int k = 0; k < 2 + t % 2; ++k) {
      these.push_back(launches[random() % launches.size()]);
      text += these.back().ToString() + ", ";
    }
    SCOPED_TRACE(StrCat("trial ", t, ": ", text));
    ExpectSameState(RunKilled(args, these, micros, &random, &killed), want);
  }
  std::printf("%s: %d trials, %d runs were killed\n", model, trials, killed);
}

TEST(MnistExact, KilledAloneAndResumed) {
  for (const char* model : {"mlp", "cnn"}) {
    ExpectKilledRunsAreExact(model, {}, {{.ranks = 0, .threads = 2}}, 1);
  }
}

TEST(MnistExact, KilledOnTwoRanksAndResumedOnTwo) {
  for (const char* model : {"mlp", "cnn"}) {
    ExpectKilledRunsAreExact(model, {}, {{.ranks = 2}}, 2);
  }
}

TEST(MnistExact, KilledAndResumedOnOtherRanksInReproducibleMode) {
  for (const char* model : {"mlp", "cnn"}) {
    ExpectKilledRunsAreExact(model, {"--reproducible", "4"},
                             {{.ranks = 0, .threads = 2},
                              {.ranks = 2, .threads = 1},
                              {.ranks = 4, .threads = 1},
                              {.ranks = 0, .threads = 1},
                              {.ranks = 2, .threads = 2}},
                             3);
  }
}

// One model each, as a matrix may take an hour.
class MnistExactMatrix : public testing::TestWithParam<const char*> {
 protected:
  // Those of the matrix that is asked for, or these.
  std::vector<Launch> LaunchesOr(std::vector<Launch> few) const {
    return asked_ > 0 ? Matrix() : std::move(few);
  }
  // 52 is not a multiple of 8, and the last batch of an epoch has 23.
  Args TrainingFor(int steps) const {
    return {"--data",  "digits",   "--batch",
            "52",      "--steps",  std::to_string(asked_ > 0 ? asked_ : steps),
            "--model", GetParam(), "--reproducible",
            "8",       "--epochs", "1000"};
  }

 private:
  const int asked_ = FromEnvironment("LOCKSTEP_EXACT_STEPS", 0);
};

// Each begins as one of the matrix, is killed and goes on as another one.
TEST_P(MnistExactMatrix, KilledAndResumedOnOtherRanksThreadsAndBuckets) {
  const std::vector<Launch> launches =
      LaunchesOr({{.ranks = 2, .bucket_bytes = 1000},
                  {.ranks = 4, .bucket_bytes = 100'000},
                  {.ranks = 1, .threads = 2}});
  const Args args = Plus(TrainingFor(24), {"--save-every", "5"});
  std::mt19937 random(4);
  int killed = 0;
  int64_t micros = 0;
  const State want = RunWhole(args, {}, &micros);
  for (const Launch& first : launches) {
    const Launch& second = launches[random() % launches.size()];
    const std::string kind =
        StrCat(first.ToString(), ", then ", second.ToString());
    SCOPED_TRACE(kind);
    const int before = killed;
    while (killed == before) {
      ExpectSameState(
          RunKilled(args, {first, second}, micros, &random, &killed), want);
      if (HasFailure()) return;
      // It ended before: the machine has less to do than it had.
      if (killed == before) micros -= micros / 4;
    }
    std::printf("%s\n", kind.c_str());
    std::fflush(stdout);  // as far as a run came that had no more time
  }
  std::printf("%zu kinds of runs, all killed\n", launches.size());
}

TEST_P(MnistExactMatrix, RanksAndThreadsDoNotMatter) {
  const Args args = TrainingFor(30);
  int64_t micros = 0;
  const State want = RunWhole(args, {}, &micros);
  for (const Launch& launch :
       LaunchesOr({{.ranks = 0, .threads = 2}, {.ranks = 2}, {.ranks = 4}})) {
    SCOPED_TRACE(launch.ToString());
    ExpectSameState(RunWhole(args, launch, &micros), want);
    if (HasFailure()) return;
    std::printf("%s\n", launch.ToString().c_str());
    std::fflush(stdout);
  }
}

INSTANTIATE_TEST_SUITE_P(, MnistExactMatrix, testing::Values("mlp", "cnn"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace lockstep
