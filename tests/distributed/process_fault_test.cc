// SPDX-License-Identifier: Apache-2.0
// Ranks as processes over one mapping, without MPI: what becomes of the others
// when one is killed or stopped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>

#include "distributed/backoff.h"
#include "distributed/process_state.h"
#include "distributed/segment_communicator.h"
#include "runtime/core/env.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

constexpr int kRanks = 3;
constexpr size_t kHalf = 4096;

class MappedCommunicator : public SegmentCommunicator {
 public:
  using SegmentCommunicator::SegmentCommunicator;
  std::string_view backend() const override { return "mapped"; }

 protected:
  Result<std::unique_ptr<Communicator>> DoSplit(const std::vector<int>&,
                                                int) override {
    return Unimplemented("one group only");
  }
};

// What a rank has to tell the test.
struct Report {
  int32_t code = -1;
  uint64_t micros = 0;
  char message[512] = {};
};

struct Shared {
  std::array<Report, kRanks> reports;
  std::array<std::atomic<int>, kRanks> ready{};
};

// Forks kRanks processes that run f(rank, communicator, report); the children
// end without running anything of gtest's.
class ProcessFaultTest : public ::testing::Test {
 protected:
  using Body = std::function<void(Communicator&, Report&)>;

  void SetUp() override {
    const size_t segment = SegmentCommunicator::SegmentBytes(kHalf);
    memory_ = static_cast<std::byte*>(
        mmap(nullptr, kRanks * segment + 64 * 1024, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(memory_, MAP_FAILED);
    for (size_t r = 0; r < kRanks; ++r) {
      group_.segments.push_back(memory_ + r * segment);
    }
    group_.half_bytes = kHalf;
    group_.spins = SpinsFor(kRanks, 2);
    group_.processes = true;
    shared_ = new (memory_ + kRanks * segment) Shared;
  }

  void Start(const Body& body) {
    for (int r = 0; r < kRanks; ++r) {
      const pid_t child = fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        SegmentCommunicator::InitSegment(
            group_.segments[static_cast<size_t>(r)]);
        shared_->ready[static_cast<size_t>(r)].store(1);
        for (auto& ready : shared_->ready) {
          while (ready.load() == 0) usleep(100);
        }
        MappedCommunicator comm(r, group_);
        body(comm, shared_->reports[static_cast<size_t>(r)]);
        _exit(0);  // leaves without the communicator's goodbye
      }
      children_.push_back(child);
    }
  }

  // Requires that the rank ends by itself, but for `killed`.
  void Reap() {
    for (const pid_t child : children_) {
      int status = 0;
      ASSERT_EQ(waitpid(child, &status, 0), child);
    }
  }

  std::byte* memory_ = nullptr;
  SegmentGroup group_;
  Shared* shared_ = nullptr;
  std::vector<pid_t> children_;
};

// All-reduces until an error comes, and reports it.
void RunUntilError(Communicator& comm, Report& report) {
  float x = 1;
  Status s;
  while (s.ok()) s = comm.AllReduce(&x, &x, 1, kFloat);
  report.micros = Env::Default()->SteadyMicros();
  report.code = static_cast<int32_t>(s.code());
  s.message().copy(report.message, sizeof(report.message) - 1);
}

TEST_F(ProcessFaultTest, AKilledRankIsNamedByAllOthersWithoutADeadline) {
  Start([](Communicator& comm, Report& report) {
    comm.set_timeout_micros(110'000'000);  // longer than the test may take
    if (comm.rank() == 1) {
      float x = 1;
      for (int i = 0; i < 20; ++i) (void)comm.AllReduce(&x, &x, 1, kFloat);
      kill(getpid(), SIGKILL);
    }
    RunUntilError(comm, report);
  });
  Reap();
  for (const size_t r : {size_t{0}, size_t{2}}) {
    const Report& report = shared_->reports[r];
    EXPECT_EQ(static_cast<Code>(report.code), Code::kUnavailable);
    EXPECT_THAT(report.message, HasSubstr("AllReduce #21"));
    EXPECT_THAT(report.message, HasSubstr(StrCat("rank 1 (process ",
                                                 children_[1], ") is dead")));
  }
}

TEST_F(ProcessFaultTest, AStoppedRankIsNamedAtTheDeadline) {
  Start([](Communicator& comm, Report& report) {
    comm.set_timeout_micros(3'000'000);
    if (comm.rank() == 2) {
      float x = 1;
      for (int i = 0; i < 5; ++i) (void)comm.AllReduce(&x, &x, 1, kFloat);
      kill(getpid(), SIGSTOP);
    }
    RunUntilError(comm, report);
  });
  for (const size_t r : {size_t{0}, size_t{1}}) {
    int status = 0;
    ASSERT_EQ(waitpid(children_[r], &status, 0), children_[r]);
    const Report& report = shared_->reports[r];
    EXPECT_EQ(static_cast<Code>(report.code), Code::kDeadlineExceeded);
    EXPECT_THAT(report.message, HasSubstr("rank 2"));
  }
  // Woken up, it learns that the job is over.
  kill(children_[2], SIGCONT);
  int status = 0;
  ASSERT_EQ(waitpid(children_[2], &status, 0), children_[2]);
  EXPECT_EQ(static_cast<Code>(shared_->reports[2].code),
            Code::kDeadlineExceeded);
}

TEST(ProcessStateTest, AZombieIsDead) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) pause();
  EXPECT_TRUE(ProcessIsAlive(child));
  EXPECT_TRUE(ProcessIsAlive(getpid()));
  kill(child, SIGKILL);
  siginfo_t info;
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT),
            0);
  EXPECT_FALSE(ProcessIsAlive(child));
  waitpid(child, nullptr, 0);
  EXPECT_FALSE(ProcessIsAlive(child));
}

cpu_set_t Mask(std::initializer_list<int> cpus) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  for (const int cpu : cpus) CPU_SET(cpu, &mask);
  return mask;
}

TEST(ProcessStateTest, ThreadsAreSharedByTheRanksOfAProcessor) {
  const cpu_set_t bound[] = {Mask({0, 1}), Mask({2, 3})};
  EXPECT_EQ(ThreadShare(bound, 0), 2);
  EXPECT_EQ(ThreadShare(bound, 1), 2);
  const cpu_set_t unbound[] = {Mask({0, 1, 2}), Mask({0, 1, 2}),
                               Mask({0, 1, 2})};
  EXPECT_EQ(ThreadShare(unbound, 2), 1);
  const cpu_set_t crowded[] = {Mask({0}), Mask({0}), Mask({0, 1, 2})};
  EXPECT_EQ(ThreadShare(crowded, 0), 1);
  EXPECT_EQ(ThreadShare(crowded, 2), 2);
  EXPECT_EQ(CountProcessors(crowded), 3);
}

}  // namespace
}  // namespace lockstep
