// SPDX-License-Identifier: Apache-2.0
// The lifeline's decisions in thousands of jobs, each with one fault at a
// random instant, or none. LOCKSTEP_SIMULATIONS sets how many of each kind
// (default 400); a failure prints its seed, which replays it.
#include "tests/distributed/lifeline_simulation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace lockstep {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uint64_t kSecond = 1'000'000;

uint64_t Count() {
  const char* text = std::getenv("LOCKSTEP_SIMULATIONS");
  return text == nullptr ? 400 : std::strtoull(text, nullptr, 10);
}

// 2 to 8 ranks on 1 to 4 machines, in any order.
std::vector<int> RandomNodes(std::mt19937_64& random) {
  std::vector<int> nodes(2 + random() % 7);
  const int machines = 1 + static_cast<int>(random() % 4);
  for (int& n : nodes) {
    n = static_cast<int>(random() % static_cast<uint64_t>(machines));
  }
  return nodes;
}

struct Trial {
  explicit Trial(uint64_t seed, LifelineOptions lifeline = {},
                 uint64_t timeout = 0, uint64_t starvation = 0,
                 uint64_t patience = 0)
      : random(seed * 1000003),
        sim({.seed = seed,
             .nodes = RandomNodes(random),
             .lifeline = lifeline,
             .collective_timeout = timeout,
             .patience = patience,
             .starvation = starvation}),
        victim(static_cast<int>(sim.Random(static_cast<uint64_t>(sim.size())))),
        instant(2 * kSecond + sim.Random(3 * kSecond)) {}

  // All but the dead have ended by `limit` after the fault, and all name the
  // victim.
  void Expect(FaultKind kind, uint64_t limit) {
    sim.Run(instant + limit + kSecond);
    for (int r = 0; r < sim.size(); ++r) {
      Simulation::Rank& rank = sim.rank(r);
      if (r == victim && !rank.verdict) {
        EXPECT_TRUE(rank.dead || rank.stopped);
        continue;
      }
      ASSERT_TRUE(rank.verdict) << "rank " << r << " goes on";
      EXPECT_EQ(rank.verdict->culprit, victim)
          << "rank " << r << ": " << rank.verdict->text;
      EXPECT_EQ(static_cast<int>(rank.verdict->kind), static_cast<int>(kind))
          << rank.verdict->text;
      EXPECT_LE(rank.ended_at, instant + limit) << "rank " << r;
      EXPECT_THAT(rank.verdict->text,
                  HasSubstr(StrCat("(process ", 1000 + victim, ")")));
    }
  }

  std::mt19937_64 random;
  Simulation sim;
  int victim;
  uint64_t instant;
};

// What tests do for each seed.
#define FOR_SEEDS(seed)                                             \
  for (uint64_t seed = 1; seed <= Count() && !HasFailure(); ++seed) \
    if (const ::testing::ScopedTrace trace(__FILE__, __LINE__,      \
                                           StrCat("seed ", seed));  \
        true)

TEST(LifelineSimulationTest, KilledRankIsNamed) {
  FOR_SEEDS(seed) {
    Trial t(seed);
    t.sim.At(t.instant, [&] { t.sim.Kill(t.victim); });
    t.Expect(FaultKind::kDied, kSecond);
  }
}

// Who notices it first, in shared memory, is not to blame.
TEST(LifelineSimulationTest, KilledRankIsNamedBeforeItsConnectionIsClosed) {
  FOR_SEEDS(seed) {
    Trial t(seed);
    if (t.victim == 0 || t.sim.rank(0).ProcessState(t.victim) == 0) continue;
    const int other =
        static_cast<int>(t.sim.Random(static_cast<uint64_t>(t.sim.size())));
    if (other == t.victim) continue;
    t.sim.At(t.instant, [&] { t.sim.Kill(t.victim, 3 * kSecond); });
    t.sim.At(t.instant + 20'000,
             [&] { t.sim.Fail(other, Unavailable("its process is gone")); });
    t.Expect(FaultKind::kDied, 2 * kSecond);
  }
}

// When a rank dies before the hub has begun, the launcher asks the others to
// stop and then kills them one by one: the hub's end is not the reason.
TEST(LifelineSimulationTest, AHubThatWasKilledByTheLauncherIsNotToBlame) {
  Simulation sim({.seed = 1, .nodes = {0, 0, 0}});
  sim.At(1, [&] { sim.rank(1).core->WishToStop(); });
  sim.At(2, [&] { sim.Kill(0); });
  sim.Run(kSecond);
  EXPECT_FALSE(sim.rank(1).verdict);
  ASSERT_TRUE(sim.rank(2).verdict);  // which was not asked
  EXPECT_EQ(sim.rank(2).verdict->culprit, 0);
  sim.Run(3 * kSecond);  // nobody killed it
  ASSERT_TRUE(sim.rank(1).verdict);
  EXPECT_EQ(sim.rank(1).verdict->culprit, 0);
}

TEST(LifelineSimulationTest, RankThatExitsIsNamed) {
  FOR_SEEDS(seed) {
    Trial t(seed);
    t.sim.At(t.instant, [&] { t.sim.Exit(t.victim); });
    t.Expect(FaultKind::kLeft, kSecond);
  }
}

TEST(LifelineSimulationTest, StoppedRankIsNamed) {
  FOR_SEEDS(seed) {
    Trial t(seed);
    t.sim.At(t.instant, [&] { t.sim.Stop(t.victim); });
    bool seen = false;  // by a rank of its machine, which knows the state
    for (int r = 0; r < t.sim.size(); ++r) {
      seen |= r != t.victim && t.sim.rank(r).ProcessState(t.victim) != 0;
    }
    if (t.victim == 0 && seen) {
      // Those beside the hub see more than the others, who may be first.
      t.sim.Run(t.instant + 6 * kSecond);
      for (int r = 1; r < t.sim.size(); ++r) {
        ASSERT_TRUE(t.sim.rank(r).verdict);
        EXPECT_EQ(t.sim.rank(r).verdict->culprit, 0);
      }
    } else {
      t.Expect(seen ? FaultKind::kStopped : FaultKind::kSilent, 5 * kSecond);
    }
  }
}

TEST(LifelineSimulationTest, RankWithAnErrorIsNamed) {
  FOR_SEEDS(seed) {
    Trial t(seed);
    std::string place;  // where it is then, not at the last heartbeat
    t.sim.At(t.instant, [&] {
      place = StrCat(" failed at step ", t.sim.rank(t.victim).step, ", ");
      t.sim.Fail(t.victim, Internal("out of luck"));
    });
    t.Expect(FaultKind::kFailed, kSecond);
    EXPECT_THAT(t.sim.rank(t.victim).verdict->text,
                AllOf(HasSubstr(place), HasSubstr("INTERNAL: out of luck")));
  }
}

TEST(LifelineSimulationTest, RankThatLoopsIsNamed) {
  FOR_SEEDS(seed) {
    Trial t(seed, {.stall_micros = 5 * kSecond});
    t.sim.At(t.instant, [&] { t.sim.Loop(t.victim); });
    t.Expect(FaultKind::kStalled, 7 * kSecond);
  }
}

TEST(LifelineSimulationTest, PatienceWithARankThatLoopsHasAnEnd) {
  FOR_SEEDS(seed) {
    Trial t(seed, {.stall_micros = 2 * kSecond}, 0, 0, 600 * kSecond);
    t.sim.At(t.instant, [&] { t.sim.Loop(t.victim); });
    t.sim.Run(t.instant + 7 * kSecond);
    ASSERT_FALSE(t.sim.rank(0).verdict) << t.sim.rank(0).verdict->text;
    t.Expect(FaultKind::kStalled, 9 * kSecond);
  }
}

TEST(LifelineSimulationTest, DeadlineOfACollectiveNamesWhoIsMissing) {
  FOR_SEEDS(seed) {
    Trial t(seed, {}, 3 * kSecond);
    t.sim.At(t.instant, [&] { t.sim.Loop(t.victim); });
    t.Expect(FaultKind::kStalled, 5 * kSecond);
  }
}

TEST(LifelineSimulationTest, RankThatDiffersIsNamed) {
  FOR_SEEDS(seed) {
    Trial t(seed);
    t.sim.At(t.instant, [&] { t.sim.Differ(t.victim); });
    // Of two nobody knows which one: both are named, rank 0 first.
    if (t.sim.size() == 2) t.victim = 0;
    t.Expect(FaultKind::kDiffers, 2 * kSecond);
    const std::string& text = t.sim.rank(0).verdict->text;
    EXPECT_THAT(text, HasSubstr("differs from the other ranks"));
    for (int r = 0; r < t.sim.size(); ++r) {
      const std::string name = StrCat("(process ", 1000 + r, ")");
      const bool named = r == t.victim || t.sim.size() == 2;
      EXPECT_EQ(text.find(name) != text.npos, named) << text;
    }
  }
}

TEST(LifelineSimulationTest, RankThatEndsEarlyIsNamed) {
  FOR_SEEDS(seed) {
    Trial t(seed, {.stall_micros = 5 * kSecond});
    t.sim.At(t.instant, [&] { t.sim.Leave(t.victim); });
    t.Expect(FaultKind::kLeft, 7 * kSecond);
  }
}

// It waits for the others then, and would not end by itself.
TEST(LifelineSimulationTest, RankKilledAfterItsProgramEndedHasDied) {
  FOR_SEEDS(seed) {
    Trial t(seed);
    t.sim.At(t.instant, [&] { t.sim.Leave(t.victim); });
    t.sim.At(t.instant + 1000, [&] { t.sim.Kill(t.victim); });
    t.Expect(FaultKind::kDied, kSecond);
  }
}

// The first of those that rank 0 hears no more of is silent for long enough
// some moments before the others are.
TEST(LifelineSimulationTest, RankZeroThatIsCutOffFromAllIsNamedByAll) {
  FOR_SEEDS(seed) {
    Simulation sim({.seed = seed, .nodes = {0, 1, 2, 3}});
    sim.At(2 * kSecond + sim.Random(3 * kSecond),
           [&] { sim.rank(0).cut = true; });
    sim.Run(12 * kSecond);
    for (int r = 0; r < sim.size(); ++r) {
      ASSERT_TRUE(sim.rank(r).verdict) << "rank " << r << " goes on";
      EXPECT_EQ(sim.rank(r).verdict->culprit, 0)
          << "rank " << r << ": " << sim.rank(r).verdict->text;
    }
  }
}

TEST(LifelineSimulationTest, MachineThatIsCutOffIsNamed) {
  FOR_SEEDS(seed) {
    Trial t(seed);
    const auto node_of = [&](int r) {
      return t.sim.rank(r).ProcessState(t.victim);
    };
    int beside = 0;
    for (int r = 0; r < t.sim.size(); ++r) beside += node_of(r) != 0 ? 1 : 0;
    if (beside == t.sim.size()) continue;  // all on one machine
    std::vector<bool> with(static_cast<size_t>(t.sim.size()));
    for (int r = 0; r < t.sim.size(); ++r) {
      with[static_cast<size_t>(r)] = node_of(r) != 0;
    }
    t.sim.At(t.instant, [&] {
      for (int r = 0; r < t.sim.size(); ++r) {
        t.sim.rank(r).cut = with[static_cast<size_t>(r)];
      }
    });
    t.sim.Run(t.instant + 7 * kSecond);
    for (int r = 0; r < t.sim.size(); ++r) {
      ASSERT_TRUE(t.sim.rank(r).verdict) << "rank " << r << " goes on";
      const Verdict& v = *t.sim.rank(r).verdict;
      EXPECT_TRUE(v.kind == FaultKind::kSilent || v.kind == FaultKind::kDied)
          << v.text;
      // With most of the ranks on one side there is no doubt.
      if (with[0] || 2 * beside > t.sim.size() || with[static_cast<size_t>(r)])
        continue;
      EXPECT_TRUE(with[static_cast<size_t>(v.culprit)])
          << "rank " << r << ": " << v.text;
    }
  }
}

TEST(LifelineSimulationTest, ASuspendedJobThatGoesOnIsNoFault) {
  FOR_SEEDS(seed) {
    Trial t(seed);
    for (int r = 0; r < t.sim.size(); ++r) {
      t.sim.At(t.instant + t.sim.Random(200'000), [&, r] { t.sim.Stop(r); });
      t.sim.At(t.instant + 20 * kSecond + t.sim.Random(200'000),
               [&, r] { t.sim.Continue(r); });
    }
    t.sim.Run(t.instant + 30 * kSecond);
    for (int r = 0; r < t.sim.size(); ++r) {
      ASSERT_FALSE(t.sim.rank(r).verdict) << t.sim.rank(r).verdict->text;
    }
  }
}

TEST(LifelineSimulationTest, StarvedRanksAreNoFaultAndTheEndIsQuiet) {
  FOR_SEEDS(seed) {
    std::mt19937_64 random(seed);
    Simulation sim({.seed = seed,
                    .nodes = RandomNodes(random),
                    .starvation = 3 * kSecond,
                    .steps = 40});
    sim.Run(200 * kSecond);
    for (int r = 0; r < sim.size(); ++r) {
      ASSERT_FALSE(sim.rank(r).verdict) << sim.rank(r).verdict->text;
      EXPECT_TRUE(sim.rank(r).dead)
          << "rank " << r << " has not come to its end";
      EXPECT_EQ(sim.rank(r).step, 40);
    }
  }
}

TEST(LifelineSimulationTest, FaultsAmongStarvedRanksAreNamedToo) {
  FOR_SEEDS(seed) {
    Trial t(seed, {}, 0, kSecond);
    t.sim.At(t.instant, [&] { t.sim.Kill(t.victim); });
    t.Expect(FaultKind::kDied, 3 * kSecond);
  }
}

TEST(LifelineSimulationTest, OfTwoFaultsOneIsNamed) {
  FOR_SEEDS(seed) {
    Trial t(seed);
    const int second =
        static_cast<int>(t.sim.Random(static_cast<uint64_t>(t.sim.size())));
    t.sim.At(t.instant, [&] { t.sim.Kill(t.victim); });
    t.sim.At(t.instant + t.sim.Random(300'000), [&] { t.sim.Kill(second); });
    t.sim.Run(t.instant + 5 * kSecond);
    for (int r = 0; r < t.sim.size(); ++r) {
      if (r == t.victim || r == second) continue;
      ASSERT_TRUE(t.sim.rank(r).verdict) << "rank " << r << " goes on";
      const int culprit = t.sim.rank(r).verdict->culprit;
      EXPECT_TRUE(culprit == t.victim || culprit == second)
          << t.sim.rank(r).verdict->text;
    }
  }
}

TEST(LifelineSimulationTest, RanksAskedToStopDoSoAtTheSameStep) {
  FOR_SEEDS(seed) {
    Trial t(seed, {}, 0, seed % 2 == 0 ? kSecond : 0);
    t.sim.At(t.instant, [&] { t.sim.rank(t.victim).core->WishToStop(); });
    t.sim.At(t.instant + 10'000, [&] { t.sim.rank(0).core->WishToStop(); });
    t.sim.Run(t.instant + 100 * kSecond);
    for (int r = 0; r < t.sim.size(); ++r) {
      ASSERT_FALSE(t.sim.rank(r).verdict) << t.sim.rank(r).verdict->text;
      EXPECT_TRUE(t.sim.rank(r).holds) << "rank " << r << " has not stopped";
      EXPECT_EQ(t.sim.rank(r).step, t.sim.rank(0).step);
    }
  }
}

}  // namespace
}  // namespace lockstep
