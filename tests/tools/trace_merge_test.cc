// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/trace_merge.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "runtime/core/trace_runs.h"
#include "tools/lockstep/trace_chrome.h"
#include "tools/lockstep/trace_times.h"

namespace lockstep {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

// A job that was never run: every rank computes, then all exchange; rank
// `slow` computes longer. Each rank writes down what its own clock says.
struct FakeJob {
  int ranks = 2;
  int steps = 400;
  int slow = -1;
  std::vector<int64_t> offsets;  // of each rank's clock
  std::vector<double> drifts;    // and how much faster it is
  std::vector<uint64_t> clocks;  // equal: the same clock

  std::vector<TraceLog> Run() const {
    std::mt19937 random(7);
    std::vector<TraceLog> logs(static_cast<size_t>(ranks));
    for (int r = 0; r < ranks; ++r) {
      TraceLog& log = logs[static_cast<size_t>(r)];
      log.rank = r;
      log.ranks = ranks;
      log.host = StrCat("host", r);
      log.job = 1;
      log.closed = true;
      log.clock = clocks[static_cast<size_t>(r)];
      log.names = {{TraceKind::kRun, false, "Run", "train"},
                   {TraceKind::kOp, false, "MatMul", "fc"},
                   {TraceKind::kOp, true, "_GradientExchange", "exchange"},
                   {TraceKind::kCollective, false, "AllReduce", "exchange"}};
      log.current.assign(kTraceLanes, 0);
    }
    int64_t now = 0;
    for (int step = 0; step < steps; ++step) {
      std::vector<int64_t> ready;
      for (int r = 0; r < ranks; ++r) {
        ready.push_back(now + 900'000 +
                        static_cast<int64_t>(random() % 20'000) +
                        (r == slow ? 500'000 : 0));
      }
      const int64_t last = *std::ranges::max_element(ready);
      int64_t end = 0;
      for (int r = 0; r < ranks; ++r) {
        const auto i = static_cast<size_t>(r);
        const int64_t left =
            last + 90'000 + static_cast<int64_t>(random() % 20'000);
        const auto number = static_cast<uint32_t>(step + 1);
        Add(&logs[i], i, now, left, number, 1, TraceKind::kRun, 1);
        Add(&logs[i], i, now, ready[i], number, 2, TraceKind::kOp, 0);
        Add(&logs[i], i, ready[i], left, number, 3, TraceKind::kOp, 0);
        Add(&logs[i], i, ready[i], left, number, 4, TraceKind::kCollective,
            4096);
        end = std::max(end, left);
      }
      now = end + 10'000;
    }
    return logs;
  }

  int64_t Clock(size_t rank, int64_t t) const {
    return t + offsets[rank] +
           static_cast<int64_t>(
               std::llround(drifts[rank] * static_cast<double>(t)));
  }

  void Add(TraceLog* log, size_t rank, int64_t begin, int64_t end,
           uint32_t number, uint32_t name, TraceKind kind,
           uint64_t bytes) const {
    log->events.push_back({.begin_ns = Clock(rank, begin),
                           .end_ns = Clock(rank, end),
                           .bytes = bytes,
                           .number = number,
                           .name = name,
                           .kind = kind});
  }
};

TEST(TraceMergeTest, ClocksOfOtherHostsAreFoundFromCollectives) {
  FakeJob job{.ranks = 3,
              .offsets = {0, 3600 * kSecond, -5 * kSecond},
              .drifts = {0, 40e-6, -80e-6},
              .clocks = {1, 2, 3}};
  const MergedTrace trace = MergeTraces(job.Run());
  EXPECT_EQ(trace.aligned_by, "collectives");
  EXPECT_EQ(trace.collectives.size(), 400u);
  // All begin a step at the same instant.
  for (size_t r = 1; r < 3; ++r) {
    const auto& mine = trace.ranks[r].log.events;
    const auto& first = trace.ranks[0].log.events;
    ASSERT_EQ(mine.size(), first.size());
    for (size_t i = 0; i < mine.size(); i += 4) {
      ASSERT_NEAR(static_cast<double>(mine[i].begin_ns - first[i].begin_ns), 0,
                  30'000)
          << "rank " << r << " event " << i;
    }
    EXPECT_LT(trace.ranks[r].offset_error_ns, 120'000);
    EXPECT_NEAR(trace.ranks[r].drift_ppm, -job.drifts[r] * 1e6, 15);
  }
}

TEST(TraceMergeTest, OneClockIsLeftAlone) {
  FakeJob job{
      .ranks = 2, .offsets = {0, 0}, .drifts = {0, 0}, .clocks = {5, 5}};
  const MergedTrace trace = MergeTraces(job.Run());
  EXPECT_EQ(trace.aligned_by, "one clock");
  EXPECT_EQ(trace.ranks[1].log.events[0].begin_ns, 0);
}

TEST(TraceMergeTest, WithoutCollectivesWallClocksCount) {
  FakeJob job{.ranks = 2,
              .offsets = {0, 7 * kSecond},
              .drifts = {0, 0},
              .clocks = {1, 2}};
  std::vector<TraceLog> logs = job.Run();
  for (TraceLog& log : logs) {
    std::erase_if(log.events, [](const TraceEvent& e) {
      return e.kind == TraceKind::kCollective;
    });
  }
  logs[0].wall_minus_steady_ns = 100 * kSecond;
  logs[1].wall_minus_steady_ns = 93 * kSecond;
  const MergedTrace trace = MergeTraces(std::move(logs));
  EXPECT_EQ(trace.aligned_by, "wall clocks");
  EXPECT_EQ(trace.ranks[1].log.events[0].begin_ns, 0);
}

TEST(TraceTimesTest, TheSlowRankIsNamedAndWaitingIsNoCommunication) {
  FakeJob job{.ranks = 3,
              .slow = 1,
              .offsets = {0, kSecond, 0},
              .drifts = {0, 0, 0},
              .clocks = {1, 2, 1}};
  const TraceTimes times = TimesOf(MergeTraces(job.Run()));
  EXPECT_EQ(times.slowest_rank, 1);
  EXPECT_EQ(times.step_name, "train");
  EXPECT_EQ(times.ranks[1].last_in, 400u);
  for (const RankTimes& r : times.ranks) {
    EXPECT_EQ(r.steps, 400u);
    const double steps = 400 * 1e6;
    // 0.91 or 1.41 ms of work, 0.1 of exchange, the rest is waiting.
    EXPECT_NEAR(r.compute_ns / steps, r.rank == 1 ? 1.41 : 0.91, 0.03);
    EXPECT_NEAR(r.exposed_ns / steps, 0.1, 0.05);
    EXPECT_NEAR(r.straggler_ns / steps, r.rank == 1 ? 0 : 0.5, 0.05);
  }
}

// The exchange is on a lane of its own; the ops' lane waits for it.
TEST(TraceTimesTest, WaitingForALaneThatExchangesIsCommunication) {
  FakeJob job{.ranks = 2,
              .slow = 1,
              .offsets = {0, 0},
              .drifts = {0, 0},
              .clocks = {1, 1}};
  std::vector<TraceLog> logs = job.Run();
  const TraceTimes before = TimesOf(MergeTraces(logs));
  for (TraceLog& log : logs) {
    for (TraceEvent& e : log.events) {
      if (e.kind != TraceKind::kOp || e.name != 3) continue;
      e.kind = TraceKind::kWait;
      e.name = 0;
    }
  }
  const TraceTimes times = TimesOf(MergeTraces(logs));
  for (size_t r = 0; r < 2; ++r) {
    EXPECT_NEAR(times.ranks[r].exposed_ns, before.ranks[r].exposed_ns, 1);
    EXPECT_NEAR(times.ranks[r].straggler_ns, before.ranks[r].straggler_ns, 1);
    EXPECT_NEAR(times.ranks[r].lanes_ns, 0, 1);
  }
}

TEST(TraceTimesTest, AnInitialiserThatTookLongIsNotTheStep) {
  FakeJob job{.ranks = 2,
              .steps = 20,
              .offsets = {0, 0},
              .drifts = {0, 0},
              .clocks = {1, 1}};
  std::vector<TraceLog> logs = job.Run();
  for (TraceLog& log : logs) {
    log.names.push_back({TraceKind::kRun, false, "Run", "init"});
    log.events.insert(log.events.begin(), {.begin_ns = -kSecond,
                                           .end_ns = -1,
                                           .bytes = 1,
                                           .number = 1000,
                                           .name = 5,
                                           .kind = TraceKind::kRun});
  }
  const TraceTimes times = TimesOf(MergeTraces(logs));
  EXPECT_EQ(times.step_name, "train");
  EXPECT_EQ(times.ranks[0].steps, 20u);
}

// Of short runs only some are recorded; each says how many came before it.
TEST(TraceTimesTest, RecordedRunsCountForThoseBeforeThem) {
  FakeJob job{
      .ranks = 2, .offsets = {0, 0}, .drifts = {0, 0}, .clocks = {1, 1}};
  std::vector<TraceLog> logs = job.Run();
  const TraceTimes all = TimesOf(MergeTraces(logs));
  for (TraceLog& log : logs) {
    std::erase_if(log.events, [](const TraceEvent& e) {
      return e.kind != TraceKind::kCollective && e.number % 8 != 0;
    });
    for (TraceEvent& e : log.events) {
      if (e.kind == TraceKind::kRun) e.bytes = RunBytes(e.number % 16 == 0, 7);
    }
  }
  const TraceTimes some = TimesOf(MergeTraces(logs));
  for (size_t r = 0; r < 2; ++r) {
    EXPECT_EQ(some.ranks[r].steps, 400u);
    EXPECT_NEAR(some.ranks[r].compute_ns / all.ranks[r].compute_ns, 1, 0.02);
    EXPECT_NEAR(some.ranks[r].step_median_ns / all.ranks[r].step_median_ns, 1,
                0.01);
  }
  EXPECT_NEAR(some.ops[0].count / all.ops[0].count, 1, 0.02);
}

TEST(TraceTimesTest, OpsOfSomeRunsCountForAll) {
  FakeJob job{
      .ranks = 2, .offsets = {0, 0}, .drifts = {0, 0}, .clocks = {1, 1}};
  std::vector<TraceLog> logs = job.Run();
  const TraceTimes all = TimesOf(MergeTraces(logs));
  for (TraceLog& log : logs) {
    std::erase_if(log.events, [](const TraceEvent& e) {
      return e.kind == TraceKind::kOp && e.number % 10 != 0;
    });
    for (TraceEvent& e : log.events) {
      if (e.kind == TraceKind::kRun) e.bytes = e.number % 10 == 0;
    }
  }
  const TraceTimes some = TimesOf(MergeTraces(logs));
  EXPECT_NEAR(some.ranks[0].compute_ns / all.ranks[0].compute_ns, 1, 0.02);
  EXPECT_NEAR(some.ops[0].count / all.ops[0].count, 1, 0.02);
}

}  // namespace
}  // namespace lockstep
