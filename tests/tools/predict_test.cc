// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/predict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/run_program.h"
#include "tools/lockstep/json.h"
#include "tools/lockstep/simulate.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

// Two layers, the last one's gradient ready first.
StepProfile TwoLayers() {
  return {.compute_us = 3000,
          .overhead_us = 50,
          .gradients = {{"last", 100'000, 1500, 100},
                        {"first", 800'000, 3000, 400}},
          .memory_bytes = 1 << 20};
}

TEST(PredictTest, OneRankTakesWhatItWasMeasuredToTake) {
  const StepProfile profile = TwoLayers();
  const NetworkCost network;
  const Prediction p =
      Predict(profile, MakeSchedule(profile, 1, network, {}), 1, network);
  EXPECT_DOUBLE_EQ(p.step_us, 3000 + 500 + 50);
  EXPECT_DOUBLE_EQ(p.exposed_us, 0);
  EXPECT_EQ(p.sent_bytes, 0);
}

// By hand: 1,000 bytes a us, 100 us a message.
TEST(PredictTest, CostsAreThoseOfTheAlgorithm) {
  const NetworkCost network{.latency_us = 100, .bytes_per_us = 1000};
  EXPECT_DOUBLE_EQ(AllReduceCost(0, 1, network), 0);
  const double packets = 100 + 0.496;
  EXPECT_NEAR(PacketCost(2, network), packets, 1e-9);
  // Small slices go at once, large ones are announced and asked for.
  EXPECT_NEAR(AllReduceCost(100'000, 2, network), packets + 2 * (100 + 50),
              1e-9);
  EXPECT_NEAR(AllReduceCost(800'000, 2, network), packets + 2 * (300 + 400),
              1e-9);
  // Four ranks: 200 KB to each of three; in the first half all begin with 0.
  EXPECT_NEAR(AllReduceCost(800'000, 4, network),
              100 + 3 * 0.496 + (300 + 600 + 400) + (300 + 600), 1e-9);
}

// By hand: two hosts of two ranks; each rank has half of the line and exchanges
// half of the bytes.
TEST(PredictTest, RanksOfAHostShareMemoryAndTheLine) {
  const NetworkCost network{.latency_us = 100,
                            .bytes_per_us = 1000,
                            .ranks_per_host = 2,
                            .shared_bytes_per_us = 10'000,
                            .shared_latency_us = 4};
  EXPECT_DOUBLE_EQ(AllReduceCost(200'000, 2, network), 4 + 20);
  EXPECT_DOUBLE_EQ(PacketCost(2, network), 4);
  // To both ranks of the other host.
  EXPECT_NEAR(PacketCost(4, network), 100 + 2 * 0.992, 1e-9);
  // 50 KB of a slice of 100 KB go each way, at 500 bytes a us.
  EXPECT_NEAR(AllReduceCost(200'000, 4, network),
              2 * (4 + 20) + (100 + 0.992) + 2 * (100 + 100), 1e-9);
  const StepProfile profile = TwoLayers();
  const auto sent = [&](int ranks) {
    return Predict(profile, MakeSchedule(profile, ranks, network, {}), ranks,
                   network)
        .sent_bytes;
  };
  EXPECT_EQ(sent(2), 0);
  // On one host each rank does its part of the updates.
  EXPECT_DOUBLE_EQ(
      Predict(profile, MakeSchedule(profile, 2, network, {}), 2, network)
          .compute_us,
      3000 + 250 + 50);
  EXPECT_EQ(sent(4), 450'000);
}

TEST(PredictTest, OverlapHidesWhatIsReadyEarly) {
  const StepProfile profile = TwoLayers();
  const NetworkCost network{.latency_us = 10, .bytes_per_us = 1000};
  const ScheduleOptions apart{.bucket_bytes = 500'000};
  const ScheduleOptions beside{.bucket_bytes = 500'000, .overlap = true};
  const auto predict = [&](const ScheduleOptions& o) {
    const StepSchedule s = MakeSchedule(profile, 2, network, o);
    EXPECT_EQ(s.bucket_ends, (std::vector<int>{1, 2}));
    return Predict(profile, s, 2, network);
  };
  const Prediction slow = predict(apart), fast = predict(beside);
  EXPECT_DOUBLE_EQ(slow.communication_us, fast.communication_us);
  // The first bucket's exchange fits into what is left of the backward pass.
  EXPECT_NEAR(slow.step_us - fast.step_us, AllReduceCost(100'000, 2, network),
              1e-6);
}

// The formula and the simulation say the same when nothing jitters.
TEST(SimulateTest, AgreesWithTheFormula) {
  const StepProfile profile = TwoLayers();
  for (const NetworkCost& network :
       {NetworkCost{.latency_us = 2000, .bytes_per_us = 6},
        NetworkCost{.latency_us = 50, .bytes_per_us = 1000, .message_us = 5},
        NetworkCost{.latency_us = 5, .bytes_per_us = 10000},
        NetworkCost{
            .latency_us = 500, .bytes_per_us = 100, .ranks_per_host = 2},
        NetworkCost{.latency_us = 2000,
        .bytes_per_us = 6,
        .ranks_per_host = 4,
        .shared_bytes_per_us = 500}}) {
    for (const bool overlap : {false, true}) {
      for (const int64_t bucket : {int64_t{-1}, int64_t{0}, int64_t{500'000}}) {
        for (const int ranks : {1, 2, 3, 4, 8, 16, 32}) {
          // Simulated hosts have as many ranks each.
          if (ranks % network.OnHost(ranks) != 0) continue;
          const StepSchedule schedule =
              MakeSchedule(profile, ranks, network,
                           {.bucket_bytes = bucket, .overlap = overlap});
          const double formula =
              Predict(profile, schedule, ranks, network).step_us;
          const double played =
              Simulate(profile, schedule, ranks, network, {.steps = 3}).step_us;
          EXPECT_NEAR(played / formula, 1, 0.05)
              << ranks << " ranks, bucket " << bucket << ", overlap " << overlap
              << ", latency " << network.latency_us;
        }
      }
    }
  }
}

TEST(SimulateTest, JitterCostsMoreTheMoreRanksWaitForEachOther) {
  StepProfile profile = TwoLayers();
  const NetworkCost network{.latency_us = 1, .bytes_per_us = 100'000};
  const SimulationOptions jitter{.steps = 40, .jitter = 0.2};
  double last = 0;
  for (const int ranks : {1, 2, 8, 64}) {
    const StepSchedule s = MakeSchedule(profile, ranks, network, {});
    const double exposed =
        Simulate(profile, s, ranks, network, jitter).exposed_us;
    EXPECT_GT(exposed, last - 100) << ranks;
    last = exposed;
  }
  EXPECT_GT(last, 0.2 * profile.compute_us);
  // The same seed, the same steps.
  const StepSchedule s = MakeSchedule(profile, 8, network, {});
  EXPECT_DOUBLE_EQ(Simulate(profile, s, 8, network, jitter).step_us,
                   Simulate(profile, s, 8, network, jitter).step_us);
}

TEST(PlanRanksTest, AGraphIsMeasuredAndPredicted) {
  const ScratchFolder folder;
  const std::string graph = folder / "mlp.pb";
  ASSERT_EQ(
      RunProgram({LOCKSTEP_PROGRAM, "bench", "mlp", "--write-graph", graph})
          .status,
      0);
  const std::vector<std::string> base = {LOCKSTEP_PROGRAM,
                                         "plan",
                                         graph,
                                         "--target",
                                         "Adam",
                                         "--feed-shape",
                                         "x=20,784",
                                         "--feed-shape",
                                         "y=20,10",
                                         "--calibrate-steps",
                                         "10"};
  auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> argv = base;
    argv.insert(argv.end(), more.begin(), more.end());
    return RunProgram(argv);
  };
  const Finished run = with(
      {"--ranks", "1..1024", "--alpha", "100", "--beta", "1000", "--json"});
  ASSERT_EQ(run.status, 0) << run.err;
  const auto json = ParseJson(run.out);
  ASSERT_TRUE(json.ok());
  const Json& ranks = (*json)["ranks"];
  EXPECT_EQ(ranks["gradients"], 4);
  EXPECT_EQ(ranks["gradient_bytes"], 4 * (784 * 300 + 300 + 300 * 10 + 10));
  ASSERT_EQ(ranks["predictions"].size(), 11u);
  double last = 0;
  for (const Json& row : ranks["predictions"]) {
    EXPECT_GT(row["step_us"].get<double>(), last);
    last = row["step_us"].get<double>();
    EXPECT_GT(row["memory_bytes"].get<int64_t>(), 4 * 238510 * 3);
  }
  for (const std::vector<std::string>& bad :
       {std::vector<std::string>{"--ranks", "0"},
        {"--ranks", "two"},
        {"--ranks", "2", "--beta", "0"},
        {"--ranks", "2", "--ranks-per-host", "0"},
        {"--ranks", "2", "--buckets", "some"}}) {
    const Finished refused = with(bad);
    EXPECT_EQ(refused.status, 2) << bad[1];
    EXPECT_THAT(refused.err, HasSubstr("--"));
  }
}

}  // namespace
}  // namespace lockstep
