// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/event_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <string>
#include <thread>
#include <vector>

#include "runtime/io/event_reader.h"
#include "tests/testing/fault_env.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

std::string Host() {
  char name[256] = {};
  gethostname(name, sizeof(name) - 1);
  return name;
}

TEST(EventWriterTest, FileNameHoldsTimeHostAndSuffix) {
  MemEnv env;
  env.SetNow(1700000000123456);
  const std::string base = "logs/run/events.out.tfevents.1700000000." + Host();
  EXPECT_EQ(EventWriter::Open(env, "logs/run").value()->path(), base);
  EXPECT_EQ(EventWriter::Open(env, "logs/run", "rank1").value()->path(),
            base + ".rank1");
}

TEST(EventWriterTest, SecondWriterInTheSameSecondGetsAnotherFile) {
  MemEnv env;
  auto a = EventWriter::Open(env, "logs").value();
  auto b = EventWriter::Open(env, "logs").value();
  EXPECT_NE(a->path(), b->path());
  EXPECT_THAT(ReadEvents(env, a->path()).value(), SizeIs(1));
}

TEST(EventWriterTest, EventsComeBack) {
  MemEnv env;
  env.SetNow(1700000000500000);
  auto out = EventWriter::Open(env, "logs").value();
  ASSERT_TRUE(out->AddGraph("graph bytes").ok());
  ASSERT_TRUE(out->AddScalar("loss", 0.25f, 7).ok());
  // Before Close: what was added is already there.
  const auto events = ReadEvents(env, out->path()).value();
  ASSERT_THAT(events, SizeIs(3));
  EXPECT_EQ(events[0].file_version, "brain.Event:2");
  EXPECT_DOUBLE_EQ(events[0].wall_time, 1700000000.5);
  EXPECT_EQ(events[1].graph_def, "graph bytes");
  EXPECT_EQ(events[2].step, 7);
  ASSERT_THAT(events[2].values, SizeIs(1));
  EXPECT_EQ(events[2].values[0].tag, "loss");
  EXPECT_EQ(events[2].values[0].kind, "scalar");
  EXPECT_EQ(events[2].values[0].scalar, 0.25f);
}

// What was written after the checkpoint that a run went on from comes again.
TEST(EventWriterTest, AStartVoidsTheLaterStepsOfTheRunBefore) {
  MemEnv env;
  auto killed = EventWriter::Open(env, "logs").value();
  for (const int step : {1, 2, 3, 4}) {
    ASSERT_TRUE(killed->AddScalar("loss", 1.0f, step).ok());
  }
  env.SetNow(env.NowMicros() + 5'000'000);
  auto resumed = EventWriter::Open(env, "logs").value();
  ASSERT_TRUE(resumed->AddStart(3).ok());
  ASSERT_TRUE(resumed->AddScalar("loss", 2.0f, 3).ok());
  std::vector<std::pair<int64_t, float>> points;
  const EventLog log = ReadEventLog(env, "logs").value();
  for (const auto& p : log.values.at("loss")) {
    points.emplace_back(p.step, p.value.scalar.value());
  }
  const std::vector<std::pair<int64_t, float>> want = {{1, 1}, {2, 1}, {3, 2}};
  EXPECT_EQ(points, want);
}

TEST(EventWriterTest, SummaryBytesArePassedThrough) {
  MemEnv env;
  auto out = EventWriter::Open(env, "logs").value();
  // value { tag: "a" simple_value: 2 }
  const std::string summary("\n\x08\n\1a\x15\0\0\0@", 10);
  ASSERT_TRUE(out->AddSummary(summary, -3).ok());
  EXPECT_EQ(out->AddSummary("\n\x7fnonsense", 1).code(),
            Code::kInvalidArgument);
  const auto events = ReadEvents(env, out->path()).value();
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[1].step, -3);
  ASSERT_THAT(events[1].values, SizeIs(1));
  EXPECT_EQ(events[1].values[0].tag, "a");
  EXPECT_EQ(events[1].values[0].scalar, 2.0f);
}

TEST(EventWriterTest, ClosedWriterRefuses) {
  MemEnv env;
  auto out = EventWriter::Open(env, "logs").value();
  EXPECT_TRUE(out->Close().ok());
  EXPECT_EQ(out->AddScalar("a", 1, 1).code(), Code::kFailedPrecondition);
  EXPECT_EQ(out->Sync().code(), Code::kFailedPrecondition);
  EXPECT_EQ(out->Close().code(), Code::kFailedPrecondition);
}

TEST(EventWriterTest, FullDiskIsReported) {
  MemEnv disk;
  FaultEnv env(&disk);
  auto out = EventWriter::Open(env, "logs").value();
  env.FailAt(env.calls(), ResourceExhausted("write: No space left on device"));
  const Status s = out->AddScalar("loss", 1, 1);
  EXPECT_EQ(s.code(), Code::kResourceExhausted);
  EXPECT_THAT(s.message(), HasSubstr("No space left"));
}

TEST(EventWriterTest, ThreadsMayShareAWriter) {
  MemEnv env;
  auto out = EventWriter::Open(env, "logs").value();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&out, t] {
      for (int i = 0; i < 100; ++i) {
        EXPECT_TRUE(out->AddScalar(StrCat("t", t), float(i), i).ok());
      }
    });
  }
  for (std::thread& t : threads) t.join();
  const auto events = ReadEvents(env, out->path()).value();
  ASSERT_THAT(events, SizeIs(401));
  std::map<std::string, int64_t> next;  // steps of a thread stay in order
  for (size_t i = 1; i < events.size(); ++i) {
    EXPECT_EQ(events[i].step, next[events[i].values.at(0).tag]++);
  }
}

TEST(EventReaderTest, FileThatIsBeingWrittenEndsAtItsLastWholeEvent) {
  MemEnv env;
  auto out = EventWriter::Open(env, "logs").value();
  ASSERT_TRUE(out->AddScalar("loss", 1, 1).ok());
  const std::string bytes = env.ReadFile(out->path()).value();
  env.Overwrite("cut", bytes.substr(0, bytes.size() - 5));
  EXPECT_THAT(ReadEvents(env, "cut").value(), SizeIs(1));
  std::string damaged = bytes;
  damaged[14] ^= 1;
  env.Overwrite("damaged", damaged);
  EXPECT_EQ(ReadEvents(env, "damaged").code(), Code::kDataLoss);
}

}  // namespace
}  // namespace lockstep
