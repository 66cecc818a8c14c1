// SPDX-License-Identifier: Apache-2.0
// How many threads the ranks of real jobs take, however they are bound; the
// line that says so is printed once.
#include <gtest/gtest.h>
#include <sched.h>

#include <cstdio>
#include <cstdlib>

#include "runtime/core/cpu_quota.h"
#include "runtime/core/strings.h"
#include "runtime/core/threads.h"
#include "tests/testing/run_program.h"

namespace lockstep {
namespace {

// "ranks: 2, 1 threads each, ..."; -1 when there is not one such line.
int ThreadsOf(const std::string& before, int ranks, const std::string& binding,
              const std::string& settings = "") {
  const Finished run = RunProgram(
      {"/bin/sh", "-c",
       StrCat(before, " env ", MPI_ENVIRONMENT, " ", settings, " ", MPIRUN,
              " -np ", ranks, " --bind-to ", binding, " ", MNIST_PROGRAM,
              " --data digits --steps 1 --batch 20")});
  EXPECT_EQ(run.status, 0) << run.out << run.err;
  const auto lines = LinesWith(run.out, "threads each");
  int said = -1, threads = -1;
  if (lines.size() != 1 ||
      std::sscanf(lines[0].c_str(), "ranks: %d, %d threads each", &said,
                  &threads) != 2 ||
      said != ranks) {
    ADD_FAILURE() << run.out << run.err;
    return -1;
  }
  return threads;
}

TEST(ThreadShareTest, RanksShareWhatTheyAreBoundTo) {
  const int all = LimitThreads(AffinityCount(), 1);
  EXPECT_EQ(ThreadsOf("", 1, "none"), all);
  EXPECT_EQ(ThreadsOf("", 2, "none"), std::max(1, all / 2));
  EXPECT_EQ(ThreadsOf("", 4, "none"), std::max(1, all / 4));
  // A core has one processor or more; each of its own for two ranks.
  if (AffinityCount() < 2) GTEST_SKIP() << "one processor";
  EXPECT_EQ(ThreadsOf("", 2, "hwthread"), 1);
  const int of_a_core = ThreadsOf("", 1, "core");
  EXPECT_GE(of_a_core, 1);
  EXPECT_LE(of_a_core, all);
}

TEST(ThreadShareTest, OfProcessorsThatTheJobMayUse) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  ASSERT_EQ(sched_getaffinity(0, sizeof(mask), &mask), 0);
  int first = 0;
  while (!CPU_ISSET(first, &mask)) ++first;
  const std::string one = StrCat("taskset -c ", first);
  EXPECT_EQ(ThreadsOf(one, 1, "none"), 1);
  EXPECT_EQ(ThreadsOf(one, 2, "none"), 1);
}

TEST(ThreadShareTest, OmpNumThreadsIsALimit) {
  unsetenv("OMP_NUM_THREADS");
  EXPECT_EQ(ThreadsOf("", 1, "none", "OMP_NUM_THREADS=1"), 1);
  EXPECT_EQ(ThreadsOf("", 1, "none", "OMP_NUM_THREADS=1000"),
            LimitThreads(AffinityCount(), 1));
}

}  // namespace
}  // namespace lockstep
