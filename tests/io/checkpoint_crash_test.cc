// SPDX-License-Identifier: Apache-2.0
// A save that is cut at any call: the checkpoint from before, or the new one,
// is there and whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/io/checkpoint_manager.h"
#include "tests/io/saved_values.h"
#include "tests/testing/fault_env.h"

namespace lockstep {
namespace {

constexpr Crash kCrashes[] = {Crash::kKill, Crash::kPowerLoss,
                              Crash::kNamesOutrun, Crash::kLastNameOnly};

// A folder with checkpoints of the steps 1 and 2, values 1 and 2.
std::unique_ptr<MemEnv> Before(int max_to_keep) {
  auto disk = std::make_unique<MemEnv>();
  CheckpointManager manager(*disk, "dir", {.max_to_keep = max_to_keep});
  EXPECT_TRUE(manager.Save(Values(1), 1).ok());
  EXPECT_TRUE(manager.Save(Values(2), 2).ok());
  return disk;
}

Status SaveThree(Env& env, int step, int max_to_keep) {
  CheckpointManager manager(env, "dir",
                            {.max_to_keep = max_to_keep, .verify = true});
  return manager.Save(Values(3), step).status();
}

int CallsOfASave(int step, int max_to_keep) {
  auto disk = Before(max_to_keep);
  FaultEnv env(disk.get());
  EXPECT_TRUE(SaveThree(env, step, max_to_keep).ok());
  return env.calls();
}

struct Case {
  int step;  // 2 replaces a checkpoint, 3 makes a new one
  int max_to_keep;
};
constexpr Case kCases[] = {{3, 5}, {3, 1}, {3, 2}, {2, 5}, {2, 1}};

TEST(CheckpointCrashTest, EndAtAnyCallLeavesAWholeCheckpoint) {
  for (const auto& [step, keep] : kCases) {
    const int calls = CallsOfASave(step, keep);
    ASSERT_GT(calls, 20);
    for (int n = 0; n <= calls; ++n) {
      for (const Crash how : kCrashes) {
        auto disk = Before(keep);
        FaultEnv env(disk.get());
        env.FailFrom(n);
        const bool saved = SaveThree(env, step, keep).ok();
        auto after = disk->AfterCrash(how);
        const auto value = LatestValue(*after);
        ASSERT_TRUE(value.ok())
            << "step " << step << " call " << n << " crash "
            << static_cast<int>(how) << ": " << value.status().ToString();
        EXPECT_TRUE(*value == 3 || (*value == 2 && !saved)) << n;
        // And the next job saves as if nothing had been.
        ASSERT_TRUE(SaveThree(*after, 4, keep).ok()) << n;
        EXPECT_EQ(LatestValue(*after).value(), 3) << n;
      }
    }
  }
}

TEST(CheckpointCrashTest, ErrorAtAnyCallLeavesAWholeCheckpoint) {
  for (const auto& [step, keep] : kCases) {
    const int calls = CallsOfASave(step, keep);
    for (int n = 0; n < calls; ++n) {
      auto disk = Before(keep);
      FaultEnv env(disk.get());
      env.FailAt(n, ResourceExhausted("write: No space left on device"));
      const Status saved = SaveThree(env, step, keep);
      const auto value = LatestValue(*disk);
      ASSERT_TRUE(value.ok())
          << step << " call " << n << ": " << value.status().ToString();
      if (saved.ok()) {
        EXPECT_EQ(*value, 3) << n;  // only cleaning up failed
      } else {
        EXPECT_EQ(saved.code(), Code::kResourceExhausted) << n;
      }
      for (const std::string& path : disk->Files()) {
        EXPECT_FALSE(path.ends_with(".tmp")) << n << " " << path;
      }
    }
  }
}

TEST(CheckpointCrashTest, ErrorBeforeTheIndexIsInPlaceLeavesTheFolderAsItWas) {
  auto disk = Before(5);
  const auto files = disk->Files();
  int unchanged = 0;
  for (int n = 0; n < CallsOfASave(3, 5); ++n) {
    auto again = Before(5);
    FaultEnv env(again.get());
    env.FailAt(n);
    if (SaveThree(env, 3, 5).ok()) continue;
    if (again->FileExists("dir/model.ckpt-3.index")) continue;
    EXPECT_EQ(again->Files(), files) << n;
    ++unchanged;
  }
  EXPECT_GT(unchanged, 10);
}

}  // namespace
}  // namespace lockstep
