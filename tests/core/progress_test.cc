// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/progress.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "runtime/core/strings.h"

namespace lockstep {
namespace {

class CountedText final : public PlanText {
 public:
  explicit CountedText(std::string name)
      : name_(std::move(name)), number_(RegisterPlan(this)) {}
  ~CountedText() override { UnregisterPlan(number_); }
  std::string PositionText(uint32_t position) const override {
    return StrCat(name_, " at ", position);
  }
  uint32_t number() const { return number_; }

 private:
  std::string name_;
  uint32_t number_;
};

TEST(ProgressTest, AWatcherReadsWhereTheThreadIs) {
  const CountedText plan("plan");
  ProgressSlot& slot = ThisThreadsProgress();
  const uint64_t runs = ReadProgress().runs;
  slot.BeginRun();
  slot.Enter(plan.number(), 7);
  const ProgressReport report = ReadProgress();
  EXPECT_EQ(report.runs, runs + 1);
  EXPECT_EQ(report.plan, plan.number());
  EXPECT_EQ(report.position, 7u);
  EXPECT_EQ(report.where, "plan at 7");
  EXPECT_FALSE(report.waits);
  EXPECT_EQ(ReadProgress().word, report.word);
  slot.Enter(plan.number(), 8);
  const uint64_t moved = ReadProgress().word;
  EXPECT_NE(moved, report.word);
  NoteProgress();
  EXPECT_NE(ReadProgress().word, moved);
  slot.at().store(0);
  EXPECT_EQ(ReadProgress().where, "");
}

TEST(ProgressTest, APlanThatIsGoneIsANumber) {
  uint32_t number = 0;
  {
    const CountedText plan("short-lived");
    number = plan.number();
  }
  ThisThreadsProgress().Enter(number, 3);
  EXPECT_EQ(ReadProgress().where, StrCat("step 3 of plan ", number));
  ThisThreadsProgress().at().store(0);
}

TEST(ProgressTest, WaitsAreToldAndChangeTheWord) {
  const uint64_t before = ReadProgress().word;
  {
    const WaitScope wait({.call = "Recv from",
                          .number = 12,
                          .peer = 3,
                          .name = "grads",
                          .start_micros = 5,
                          .deadline_micros = 9});
    const ProgressReport report = ReadProgress();
    EXPECT_TRUE(report.waits);
    EXPECT_EQ(report.waiting, "Recv from rank 3 #12 'grads'");
    EXPECT_EQ(report.wait_start_micros, 5u);
    EXPECT_EQ(report.wait_deadline_micros, 9u);
    EXPECT_NE(report.word, before);
  }
  EXPECT_FALSE(ReadProgress().waits);
  EXPECT_NE(ReadProgress().word, before);
}

TEST(ProgressTest, LongNamesKeepTheirEnd) {
  const std::string name = std::string(500, 'x') + "/the_end";
  const WaitScope wait({.call = "AllReduce", .name = name});
  EXPECT_TRUE(ReadProgress().waiting.ends_with("x/the_end'"));
}

TEST(ProgressTest, TheThreadThatWaitsIsTheOneToTellOf) {
  const CountedText plan("the plan");
  ThisThreadsProgress().Enter(plan.number(), 1);
  std::atomic<bool> waits = false, over = false;
  std::thread other([&] {
    const WaitScope wait({.call = "Barrier"});
    waits = true;
    while (!over) std::this_thread::yield();
  });
  while (!waits) std::this_thread::yield();
  EXPECT_EQ(ReadProgress().waiting, "Barrier");
  over = true;
  other.join();
  EXPECT_FALSE(ReadProgress().waits);
  EXPECT_EQ(ReadProgress().where, "the plan at 1");
  ThisThreadsProgress().at().store(0);
}

// Plans come and go and threads move on while somebody reads; for TSan too.
TEST(ProgressTest, WatchersAndPlansDoNotRace) {
  std::atomic<bool> over = false;
  std::thread watcher([&] {
    while (!over) {
      const ProgressReport report = ReadProgress();
      if (report.waits) {
        EXPECT_TRUE(report.waiting == "AllReduce #1 'a'" ||
                    report.waiting == "Broadcast #22 'bbbb'")
            << report.waiting;
      }
    }
  });
  for (int i = 0; i < 2000; ++i) {
    const CountedText plan("plan");
    ProgressSlot& slot = ThisThreadsProgress();
    for (uint32_t p = 0; p < 10; ++p) slot.Enter(plan.number(), p);
    { const WaitScope a({.call = "AllReduce", .number = 1, .name = "a"}); }
    { const WaitScope b({.call = "Broadcast", .number = 22, .name = "bbbb"}); }
  }
  over = true;
  watcher.join();
  ThisThreadsProgress().at().store(0);
}

}  // namespace
}  // namespace lockstep
