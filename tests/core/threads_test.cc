// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/threads.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <thread>
#include <vector>

namespace lockstep {
namespace {

// Sets the width of the team for a test and puts it back.
class ThreadsTest : public testing::Test {
 protected:
  void TearDown() override { SetThreads(before_); }
  const int before_ = Threads();
};

TEST_F(ThreadsTest, AffinityCountFollowsTheMask) {
  int before = 0, after = 0;
  std::thread([&] {  // the mask is the thread's own
    before = AffinityCount();
    cpu_set_t mask;
    CPU_ZERO(&mask);
    CPU_SET(static_cast<size_t>(sched_getcpu()), &mask);
    ASSERT_EQ(sched_setaffinity(0, sizeof(mask), &mask), 0);
    after = AffinityCount();
  })
      .join();
  EXPECT_GE(before, 1);
  EXPECT_EQ(after, 1);
}

TEST_F(ThreadsTest, SetThreadsSetsTheWidth) {
  EXPECT_EQ(SetThreads(3), 3);
  EXPECT_EQ(Threads(), 3);
  EXPECT_EQ(SetThreads(0), AffinityCount());
  EXPECT_EQ(SetThreads(-4), AffinityCount());
}

TEST_F(ThreadsTest, EveryIndexRunsOnceOnAnyNumberOfThreads) {
  for (const int threads : {1, 2, 3, 7}) {
    SetThreads(threads);
    for (const int64_t n : {0, 1, 63, 64, 65, 1000, 4097}) {
      std::vector<int> hits(static_cast<size_t>(n), 0);
      ParallelFor(n, 64, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) ++hits[static_cast<size_t>(i)];
      });
      EXPECT_EQ(std::count(hits.begin(), hits.end(), 1), n)
          << threads << " threads, n = " << n;
    }
  }
}

TEST_F(ThreadsTest, ChunksBeginAtMultiplesOfTheGrain) {
  SetThreads(3);
  std::atomic<int> misaligned{0}, chunks{0};
  ParallelFor(1000, 64, [&](int64_t begin, int64_t end) {
    ++chunks;
    if (begin % 64 != 0 || (end % 64 != 0 && end != 1000)) ++misaligned;
  });
  EXPECT_EQ(misaligned, 0);
  EXPECT_GE(chunks, 1);
}

TEST_F(ThreadsTest, SmallWorkStaysOnTheCallingThread) {
  SetThreads(4);
  const auto self = std::this_thread::get_id();
  ParallelFor(64, 64, [&](int64_t begin, int64_t end) {
    EXPECT_EQ(std::this_thread::get_id(), self);
    EXPECT_EQ(end - begin, 64);
  });
}

TEST_F(ThreadsTest, NestedCallsRunOnTheirThread) {
  SetThreads(2);
  std::atomic<int64_t> sum{0};
  std::atomic<int> moved{0};
  ParallelFor(8, 1, [&](int64_t begin, int64_t end) {
    const auto outer = std::this_thread::get_id();
    for (int64_t i = begin; i < end; ++i) {
      ParallelFor(100, 1, [&](int64_t b, int64_t e) {
        if (std::this_thread::get_id() != outer) ++moved;
        sum += e - b;
      });
    }
  });
  EXPECT_EQ(sum, 800);
  EXPECT_EQ(moved, 0);
}

}  // namespace
}  // namespace lockstep
