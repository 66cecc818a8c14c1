// SPDX-License-Identifier: Apache-2.0
// The power goes at any instant of a save: whatever POSIX lets a disk keep of
// it, the checkpoint from before or the new one is there and whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/io/checkpoint_manager.h"
#include "tests/io/saved_values.h"
#include "tests/testing/power_loss.h"

namespace lockstep {
namespace {

Status Save(Env& env, int value, int step, int keep) {
  CheckpointManager manager(env, "dir", {.max_to_keep = keep, .verify = true});
  return manager.Save(Values(value), step).status();
}

// A save of value 3 over checkpoints of the steps 1 and 2.
struct Recorded {
  std::unique_ptr<MemEnv> before;
  std::vector<DiskChange> changes;
};
Recorded RecordSave(int step, int keep) {
  MemEnv disk;
  EXPECT_TRUE(Save(disk, 1, 1, keep).ok());
  EXPECT_TRUE(Save(disk, 2, 2, keep).ok());
  Recorded recorded{disk.AfterCrash(Crash::kPowerLoss), {}};
  RecordingEnv env(&disk);
  EXPECT_TRUE(Save(env, 3, step, keep).ok());
  recorded.changes = env.changes();
  return recorded;
}

struct Case {
  int step;  // 2 replaces a checkpoint, 3 makes a new one
  int keep;
};
constexpr Case kCases[] = {{3, 5}, {3, 1}, {3, 2}, {2, 5}, {2, 1}};

TEST(CheckpointPowerLossTest, AnyInstantLeavesAWholeCheckpoint) {
  int64_t states = 0;
  for (const auto& [step, keep] : kCases) {
    const Recorded save = RecordSave(step, keep);
    ASSERT_GT(save.changes.size(), 10u);
    for (size_t n = 0; n <= save.changes.size(); ++n) {
      for (const DiskState& state : DiskStates(*save.before, save.changes, n)) {
        ++states;
        const auto env = EnvOf(state);
        const Result<int> value = LatestValue(*env);
        ASSERT_TRUE(value.ok()) << "step " << step << ", after " << n
                                << " changes: " << value.status().ToString();
        const bool done = n == save.changes.size();
        ASSERT_TRUE(*value == 3 || (*value == 2 && !done)) << n;
        // And the next job saves as if nothing had been.
        ASSERT_TRUE(Save(*env, 4, 4, keep).ok());
        ASSERT_EQ(LatestValue(*env).value(), 4);
      }
    }
  }
  EXPECT_GT(states, 500);
  RecordProperty("states", std::to_string(states));
}

// Would the test see it if a save did not sync?
TEST(CheckpointPowerLossTest, WithoutAnyOfItsSyncsASaveMayLoseTheCheckpoint) {
  for (const DiskChange::Kind forgotten :
       {DiskChange::kSync, DiskChange::kSyncDir}) {
    Recorded save = RecordSave(2, 1);
    std::erase_if(save.changes,
                  [&](const DiskChange& c) { return c.kind == forgotten; });
    int lost = 0;
    for (size_t n = 0; n <= save.changes.size() && lost == 0; ++n) {
      for (const DiskState& state : DiskStates(*save.before, save.changes, n)) {
        lost += !LatestValue(*EnvOf(state)).ok();
      }
    }
    EXPECT_GT(lost, 0) << "without changes of kind " << forgotten;
  }
}

TEST(PowerLossTest, StatesAreThoseThatPosixAllows) {
  MemEnv disk;
  ASSERT_TRUE(disk.WriteFileAtomically("a", "old").ok());
  const auto before = disk.AfterCrash(Crash::kPowerLoss);
  RecordingEnv env(&disk);
  auto file = env.NewWritableFile("b").value();
  ASSERT_TRUE(file->Append("12").ok());
  ASSERT_TRUE(file->Append("34").ok());
  ASSERT_TRUE(file->Close().ok());
  ASSERT_TRUE(env.RenameFile("b", "a").ok());
  const auto contents = [&](size_t changes, const std::string& path) {
    std::set<std::string> found;
    for (const DiskState& s : DiskStates(*before, env.changes(), changes)) {
      const auto it = s.find(path);
      found.insert(it == s.end() ? "none" : it->second);
    }
    return found;
  };
  const std::string hole(
      "\0\0"
      "34",
      4);
  using testing::ElementsAre;
  EXPECT_THAT(contents(0, "b"), ElementsAre("none"));
  EXPECT_THAT(contents(1, "b"), ElementsAre("", "none"));
  EXPECT_THAT(contents(3, "b"),
              testing::UnorderedElementsAre("", "1", "12", "123", "1234", hole,
                                            "none"));
  EXPECT_THAT(contents(3, "a"), ElementsAre("old"));
  EXPECT_THAT(contents(4, "a"), testing::Contains("old"));
  EXPECT_THAT(contents(4, "a"), testing::Contains("123"));
}

}  // namespace
}  // namespace lockstep
