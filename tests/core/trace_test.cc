// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "runtime/io/trace_reader.h"
#include "tests/testing/run_program.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

std::shared_ptr<Trace> Open(const ScratchFolder& folder, uint64_t bytes = 0) {
  auto trace = Trace::Open({.dir = folder / "t",
                            .rank = 1,
                            .ranks = 3,
                            .host = "here",
                            .bytes = bytes});
  EXPECT_TRUE(trace.ok()) << trace.status().ToString();
  return trace.ok() ? *std::move(trace) : nullptr;
}

TraceLog Read(const std::string& path) {
  auto log = ReadTrace(*Env::Default(), path);
  EXPECT_TRUE(log.ok()) << log.status().ToString();
  return log.ok() ? *std::move(log) : TraceLog();
}

TEST(TraceTest, WhatIsRecordedIsReadBack) {
  const ScratchFolder folder;
  auto trace = Open(folder);
  const uint32_t matmul = trace->Name(TraceKind::kOp, "MatMul", "fc1/MatMul");
  const uint32_t sum =
      trace->Name(TraceKind::kOp, "Sum", "exchange", kTraceSynchronizes);
  EXPECT_EQ(trace->Name(TraceKind::kOp, "MatMul", "fc1/MatMul"), matmul);
  EXPECT_NE(matmul, sum);
  const uint64_t begin = trace->Now();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  trace->Add({.begin = begin,
              .end = trace->Now(),
              .bytes = 7,
              .number = 5,
              .name = matmul,
              .kind = TraceKind::kOp,
              .lane = 2,
              .group = 9});
  { const TraceSpan span(trace.get(), TraceKind::kInput, sum); }
  const std::string path = trace->path();
  trace.reset();
  const TraceLog log = Read(path);
  EXPECT_EQ(log.rank, 1);
  EXPECT_EQ(log.ranks, 3);
  EXPECT_EQ(log.host, "here");
  EXPECT_EQ(log.process, getpid());
  EXPECT_TRUE(log.closed);
  EXPECT_EQ(log.damaged, 0u);
  ASSERT_EQ(log.events.size(), 2u);
  const TraceEvent& e = log.events[0];
  EXPECT_EQ(log.NameOf(e.name).op, "MatMul");
  EXPECT_EQ(log.NameOf(e.name).name, "fc1/MatMul");
  EXPECT_TRUE(log.NameOf(sum).synchronizes);
  EXPECT_EQ(e.bytes, 7u);
  EXPECT_EQ(e.number, 5u);
  EXPECT_EQ(e.lane, 2);
  EXPECT_EQ(e.group, 9);
  // Nanoseconds, whatever the ticks are.
  EXPECT_GE(e.duration_ns(), 19'900'000);
  EXPECT_LT(e.duration_ns(), 20'000'000'000);
}

TEST(TraceTest, TheRingKeepsTheNewestAndTheFileItsSize) {
  const ScratchFolder folder;
  auto trace = Open(folder, 100 * sizeof(TraceRecord));
  const std::string path = trace->path();
  const uint64_t size = *Env::Default()->FileSize(path);
  for (uint32_t i = 1; i <= 250; ++i) {
    const uint64_t now = trace->Now();
    trace->Add(
        {.begin = now, .end = now, .number = i, .kind = TraceKind::kRun});
  }
  trace.reset();
  EXPECT_EQ(*Env::Default()->FileSize(path), size);
  const TraceLog log = Read(path);
  EXPECT_EQ(log.overwritten, 150u);
  EXPECT_EQ(log.damaged, 0u);
  ASSERT_EQ(log.events.size(), 100u);
  std::vector<bool> seen(251);
  for (const TraceEvent& e : log.events) seen[e.number] = true;
  for (uint32_t i = 151; i <= 250; ++i) EXPECT_TRUE(seen[i]) << i;
}

TEST(TraceTest, ThreadsRecordAtTheSameTime) {
  const ScratchFolder folder;
  auto trace = Open(folder);
  constexpr uint32_t kThreads = 4, kEach = 5000;
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&trace, t] {
      const uint32_t name =
          trace->Name(TraceKind::kOp, "Op", StrCat("of thread ", t));
      for (uint32_t i = 0; i < kEach; ++i) {
        const uint64_t now = trace->Now();
        trace->Add({.begin = now,
                    .end = now,
                    .number = i,
                    .name = name,
                    .kind = TraceKind::kOp,
                    .lane = static_cast<uint8_t>(t)});
      }
    });
  }
  for (std::thread& t : threads) t.join();
  const TraceLog log = Read(trace->path());
  EXPECT_FALSE(log.closed);  // it still runs
  EXPECT_EQ(log.damaged, 0u);
  ASSERT_EQ(log.events.size(), size_t{kThreads} * kEach);
  for (const TraceEvent& e : log.events) {
    ASSERT_EQ(log.NameOf(e.name).name,
              StrCat("of thread ", static_cast<int>(e.lane)));
  }
}

// At any instant: what was recorded is whole, what ran is known.
TEST(TraceTest, SurvivesSigkill) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    const ScratchFolder folder;
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto trace = Trace::Open({.dir = folder / "t",
                                .host = "child",
                                .bytes = 1000 * sizeof(TraceRecord)});
      if (!trace.ok()) _exit(1);
      const uint32_t name = (*trace)->Name(TraceKind::kOp, "Loop", "forever");
      (*trace)->SetCurrent(0, name);
      const bool told = write(ready[1], "x", 1) == 1;
      for (uint32_t i = 0; told; ++i) {
        const uint64_t now = (*trace)->Now();
        (*trace)->Add({.begin = now,
                       .end = now,
                       .number = i,
                       .name = name,
                       .kind = TraceKind::kOp});
      }
      _exit(1);
    }
    char byte;
    ASSERT_EQ(read(ready[0], &byte, 1), 1);
    std::this_thread::sleep_for(std::chrono::microseconds(500 * attempt));
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    close(ready[0]);
    close(ready[1]);
    const auto names = *Env::Default()->ListDir(folder / "t");
    ASSERT_EQ(names.size(), 1u);
    const TraceLog log = Read(JoinPath(folder / "t", names[0]));
    EXPECT_FALSE(log.closed);
    EXPECT_LE(log.damaged, 1u);  // the one that was being written
    EXPECT_EQ(log.NameOf(log.current[0]).name, "forever");
    for (const TraceEvent& e : log.events) {
      ASSERT_EQ(log.NameOf(e.name).op, "Loop");
    }
  }
}

TEST(TraceTest, MoreNamesThanFitAreNameless) {
  const ScratchFolder folder;
  auto trace = Open(folder);
  uint32_t last = 1;
  for (int i = 0; last != 0 && i < 100000; ++i) {
    last = trace->Name(TraceKind::kOp, std::string(5000, 'x'), StrCat(i));
  }
  EXPECT_EQ(last, 0u);
  EXPECT_NE(trace->Name(TraceKind::kOp, std::string(5000, 'x'), "0"), 0u);
  const TraceLog log = Read(trace->path());
  EXPECT_EQ(log.names.size(), kTraceNamesBytes / (kTraceNameHead + 1003));
  EXPECT_EQ(log.NameOf(0).op, "");
}

TEST(TraceTest, ErrorsNameTheFile) {
  const auto trace = Trace::Open({.dir = "/dev/null/folder"});
  EXPECT_FALSE(trace.ok());
  EXPECT_THAT(trace.status().message(), HasSubstr("/dev/null"));
}

}  // namespace
}  // namespace lockstep
