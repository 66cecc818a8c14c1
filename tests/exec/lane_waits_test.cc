// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/lane_waits.h"

#include <gtest/gtest.h>

#include <random>

namespace lockstep {
namespace {

struct Edge {
  int from;
  int to;
};

std::vector<std::vector<LaneStep>> Make(const std::vector<int>& lane_of,
                                        const std::vector<Edge>& edges,
                                        int lanes) {
  std::vector<LaneClock> needs(lane_of.size(),
                               LaneClock(static_cast<size_t>(lanes), -1));
  for (const Edge& e : edges) {
    After(&needs[static_cast<size_t>(e.to)],
          lane_of[static_cast<size_t>(e.from)], e.from);
  }
  return MakeWaits(lane_of, needs, lanes);
}

TEST(LaneWaitsTest, StepsOfOneLaneWaitForNothing) {
  const auto parts = Make({0, 0, 0}, {{0, 1}, {1, 2}}, 2);
  ASSERT_EQ(parts[0].size(), 3u);
  EXPECT_TRUE(parts[1].empty());
  for (const LaneStep& s : parts[0]) {
    EXPECT_TRUE(s.waits.empty());
    EXPECT_EQ(s.event, -1);
  }
}

TEST(LaneWaitsTest, AWaitIsForTheCountOfTheOtherLane) {
  // 0 and 1 on lane 0, 2 on lane 1 needs 1, 3 on lane 0 needs 2.
  const auto parts = Make({0, 0, 1, 0}, {{1, 2}, {2, 3}}, 2);
  ASSERT_EQ(parts[1].size(), 1u);
  ASSERT_EQ(parts[1][0].waits.size(), 1u);
  EXPECT_EQ(parts[1][0].waits[0].lane, 0);
  EXPECT_EQ(parts[1][0].waits[0].done, 2);
  EXPECT_EQ(parts[1][0].waits[0].event, 0);
  EXPECT_EQ(parts[0][0].event, -1);
  EXPECT_EQ(parts[0][1].event, 0);
  ASSERT_EQ(parts[0][2].waits.size(), 1u);
  EXPECT_EQ(parts[0][2].waits[0].done, 1);
}

TEST(LaneWaitsTest, WhatAnotherWaitImpliesIsLeftOut) {
  // 0 (lane 0) -> 1 (lane 1) -> 2 (lane 2), and 0 -> 2 too.
  const auto parts = Make({0, 1, 2}, {{0, 1}, {1, 2}, {0, 2}}, 3);
  ASSERT_EQ(parts[2].size(), 1u);
  ASSERT_EQ(parts[2][0].waits.size(), 1u);
  EXPECT_EQ(parts[2][0].waits[0].lane, 1);
}

// Whatever a step needs has to be done when all that it and the earlier steps
// of its lane wait for is.
TEST(LaneWaitsTest, RandomOrdersAreKept) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    const int lanes = 2 + static_cast<int>(random() % 4);
    const int n = 1 + static_cast<int>(random() % 60);
    std::vector<int> lane_of;
    std::vector<Edge> edges;
    for (int s = 0; s < n; ++s) {
      lane_of.push_back(
          static_cast<int>(random() % static_cast<unsigned>(lanes)));
      for (int p = 0; p < s; ++p) {
        if (random() % 8 == 0) edges.push_back({p, s});
      }
    }
    const auto parts = Make(lane_of, edges, lanes);
    // before[s]: the steps that are done when s begins.
    std::vector<std::vector<bool>> before(
        static_cast<size_t>(n), std::vector<bool>(static_cast<size_t>(n)));
    std::vector<std::pair<int, const LaneStep*>> where(static_cast<size_t>(n));
    for (const auto& part : parts) {
      for (size_t i = 0; i < part.size(); ++i) {
        where[static_cast<size_t>(part[i].step)] = {static_cast<int>(i),
                                                    &part[i]};
      }
    }
    for (int s = 0; s < n; ++s) {
      const auto at = static_cast<size_t>(s);
      const auto& part = parts[static_cast<size_t>(lane_of[at])];
      const auto add = [&](int p) {
        const auto from = static_cast<size_t>(p);
        before[at][from] = true;
        for (size_t k = 0; k < before[from].size(); ++k) {
          if (before[from][k]) before[at][k] = true;
        }
      };
      if (where[at].first > 0) {
        add(part[static_cast<size_t>(where[at].first) - 1].step);
      }
      for (const LaneWait& w : where[at].second->waits) {
        const auto& other = parts[static_cast<size_t>(w.lane)];
        const LaneStep& last = other[static_cast<size_t>(w.done) - 1];
        EXPECT_LT(last.step, s) << "a wait for a later step";
        EXPECT_EQ(last.event, w.event);
        EXPECT_GE(w.event, 0);
        add(last.step);
      }
    }
    for (const Edge& e : edges) {
      EXPECT_TRUE(
          before[static_cast<size_t>(e.to)][static_cast<size_t>(e.from)])
          << "step " << e.to << " does not come after " << e.from;
    }
  }
}

}  // namespace
}  // namespace lockstep
