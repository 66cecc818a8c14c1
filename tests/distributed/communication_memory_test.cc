// SPDX-License-Identifier: Apache-2.0
// What communicators keep is part of a session's memory: planned, used and
// limited to the byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "distributed/data_parallel.h"
#include "distributed/task_channel.h"
#include "tests/distributed/linear_model.h"
#include "tests/testing/spawn_ranks.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

struct Planned {
  Status run = Ok();
  size_t communication = 0;
  size_t total = 0;
  size_t peak = 0;
};

// A step of two ranks, planned and run with `limit` on each.
Planned StepOfTwo(uint64_t limit) {
  Planned of_rank[2];
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    Planned& mine = of_rank[comm->rank()];
    EXPECT_GT(comm->buffer_bytes(), 0);
    const size_t kept = comm->buffer_bytes();
    const Model model;
    SessionOptions options;
    options.intra_op_threads = 1;
    options.cpu_memory_limit = limit;
    UseDataParallel(std::move(comm), {.batch = "x:0"}, &options);
    auto session = Session::Create(model.graph, options);
    mine.run = session.status();
    if (!mine.run.ok()) return;
    mine.run.Update((*session)->RunTargets({"init"}));
    const auto feeds = Batch(0, 6);
    const auto plan = (*session)->Explain(feeds, {"loss:0"}, {"train"});
    ASSERT_TRUE(plan.ok()) << plan.status().ToString();
    mine.communication = plan->devices[0].communication_bytes;
    mine.total = plan->devices[0].total_bytes;
    EXPECT_EQ(mine.communication, kept);
    mine.run.Update((*session)->Run(feeds, {"loss:0"}, {"train"}).status());
    mine.peak = (*session)->MemoryUse()[0].peak_bytes;
  });
  EXPECT_EQ(of_rank[0].total, of_rank[1].total);
  return of_rank[0];
}

TEST(CommunicationMemoryTest, ThePlannedPeakHasTheBuffersOfTheExchange) {
  const Planned free = StepOfTwo(0);
  ASSERT_TRUE(free.run.ok()) << free.run.ToString();
  EXPECT_GT(free.total, free.communication);
  EXPECT_EQ(free.total, free.peak);

  EXPECT_TRUE(StepOfTwo(free.peak).run.ok());
  const Planned less = StepOfTwo(free.peak - 1);
  EXPECT_EQ(less.run.code(), Code::kResourceExhausted) << less.run.ToString();
  EXPECT_THAT(less.run.message(), HasSubstr("buffers of communicators"));
}

TEST(CommunicationMemoryTest, ALimitBelowTheBuffersRefusesTheSession) {
  const Planned free = StepOfTwo(0);
  const Planned less = StepOfTwo(free.communication - 1);
  EXPECT_EQ(less.run.code(), Code::kResourceExhausted) << less.run.ToString();
  EXPECT_THAT(less.run.message(),
              HasSubstr("buffers for talking to other ranks: /cpu:0"));
  EXPECT_EQ(less.total, 0);
}

TEST(CommunicationMemoryTest, TasksCountTheirChannels) {
  SpawnRanksShared(2, [](std::shared_ptr<Communicator> comm) {
    SessionOptions options;
    ASSERT_TRUE(UseTasks(*comm, &options).ok());
    // One for the agreement, one for messages to each rank.
    EXPECT_EQ(options.communication_bytes, 3 * comm->buffer_bytes());
  });
}

}  // namespace
}  // namespace lockstep
