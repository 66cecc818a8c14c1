// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/memory_planner.h"

#include <gtest/gtest.h>

#include <random>

namespace lockstep {
namespace {

bool Overlap(const BufferRequest& a, const BufferRequest& b) {
  const bool in_time =
      a.first_step <= b.last_step && b.first_step <= a.last_step;
  const bool in_space =
      a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
  return in_time && in_space;
}

TEST(MemoryPlannerTest, NothingNeedsNothing) {
  std::vector<BufferRequest> none;
  EXPECT_EQ(PlanMemory(&none).arena_bytes, 0u);
}

TEST(MemoryPlannerTest, BuffersThatNeverMeetShare) {
  std::vector<BufferRequest> b = {
      {.bytes = 640, .first_step = 0, .last_step = 1},
      {.bytes = 640, .first_step = 2, .last_step = 3}};
  const MemoryPlan plan = PlanMemory(&b);
  EXPECT_EQ(plan.arena_bytes, 640u);
  EXPECT_EQ(plan.lower_bound_bytes, 640u);
  EXPECT_EQ(b[0].offset, b[1].offset);
}

TEST(MemoryPlannerTest, ABufferReadInTheStepThatWritesTheNextIsApart) {
  std::vector<BufferRequest> b = {
      {.bytes = 64, .first_step = 0, .last_step = 1},
      {.bytes = 64, .first_step = 1, .last_step = 2}};
  EXPECT_EQ(PlanMemory(&b).arena_bytes, 128u);
  EXPECT_NE(b[0].offset, b[1].offset);
}

TEST(MemoryPlannerTest, OffsetsAreAligned) {
  std::vector<BufferRequest> b = {
      {.bytes = 1, .first_step = 0, .last_step = 0},
      {.bytes = 7, .first_step = 0, .last_step = 0},
      {.bytes = 65, .first_step = 0, .last_step = 0}};
  EXPECT_EQ(PlanMemory(&b).arena_bytes, 64u + 64 + 128);
  for (const BufferRequest& r : b) EXPECT_EQ(r.offset % 64, 0u);
}

TEST(MemoryPlannerTest, RandomPlansAreSoundAndNearTheBound) {
  std::mt19937 rng(7);
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<BufferRequest> b(1 + rng() % 60);
    for (BufferRequest& r : b) {
      r.bytes = rng() % 5000;
      r.first_step = static_cast<int>(rng() % 50);
      r.last_step = r.first_step + static_cast<int>(rng() % 10);
    }
    const MemoryPlan plan = PlanMemory(&b);
    for (size_t i = 0; i < b.size(); ++i) {
      EXPECT_LE(b[i].offset + b[i].bytes, plan.arena_bytes);
      for (size_t j = 0; j < i; ++j) ASSERT_FALSE(Overlap(b[i], b[j]));
    }
    EXPECT_GE(plan.arena_bytes, plan.lower_bound_bytes);
    EXPECT_LE(plan.arena_bytes, 2 * plan.lower_bound_bytes);
  }
}

}  // namespace
}  // namespace lockstep
