// SPDX-License-Identifier: Apache-2.0
// A session's save that fails, ends or loses power at any call of the file
// system: what is restored is the checkpoint from before or the new one, with
// the random step that belongs to it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/ops.h"
#include "runtime/exec/saver.h"
#include "runtime/io/checkpoint_state.h"
#include "tests/testing/power_loss.h"

namespace lockstep {
namespace {

constexpr int64_t kOld = 2, kNew = 3;

// A job with two variables, on files of its own.
class Job {
 public:
  Job(Env* env, bool sharded, int keep = 2) {
    const Scope root(&graph_);
    const Output w = ops::InitializedVariable(root.WithName("w"),
                                              Tensor::Of<float>({2}, {0, 0}));
    const Output n = ops::InitializedVariable(root.WithName("n"), int64_t{0});
    const Output value =
        ops::Placeholder(root.WithName("value"), kInt64, Shape{});
    ops::Assign(root.WithName("set_n"), n, value);
    ops::Assign(root.WithName("set_w"), w,
                ops::Fill(root, {2}, ops::Cast(root, value, kFloat)));
    saver_.emplace(
        Saver::Create(root, std::vector<Output>{w, n},
                      {.max_to_keep = keep, .sharded = sharded, .env = env})
            .value());
    SessionOptions options;
    options.services.push_back([env](SessionResources& resources) {
      resources.SetService<Env>(
          std::shared_ptr<Env>(env, [](Env*) { /* the test's */ }));
    });
    session_ = Session::Create(graph_, options).value();
  }

  Status Save(int64_t value, int64_t step) {
    LS_RETURN_IF_ERROR(
        session_->RunTargets({"set_n", "set_w"}, {{"value:0", Tensor(value)}}));
    session_->resources().set_random_step(static_cast<uint64_t>(10 * value));
    return saver_->Save(*session_, "dir/model", step).status();
  }
  // What the newest checkpoint holds; an error when it is no save's.
  Result<int64_t> Restore(Env& env) {
    LS_ASSIGN_OR_RETURN(const std::string latest, LatestCheckpoint(env, "dir"));
    LS_RETURN_IF_ERROR(saver_->Restore(*session_, latest));
    LS_ASSIGN_OR_RETURN(const auto values, session_->Run({}, {"n:0", "w:0"}));
    const int64_t n = values[0].scalar<int64_t>();
    for (const float w : values[1].flat<float>()) {
      if (w != static_cast<float>(n)) return DataLoss("of different saves");
    }
    if (session_->resources().random_step() != static_cast<uint64_t>(10 * n)) {
      return DataLoss("another save's random step");
    }
    return int64_t{n};
  }

 private:
  Graph graph_;
  std::optional<Saver> saver_;
  std::unique_ptr<Session> session_;
};

struct Case {
  bool sharded;
  int64_t step;  // of the new save; 2 replaces the last one
  int keep;
};
constexpr Case kCases[] = {
    {false, 3, 1}, {false, 2, 2}, {true, 3, 2}, {true, 2, 1}};

std::unique_ptr<MemEnv> Before(const Case& c) {
  auto disk = std::make_unique<MemEnv>();
  Job job(disk.get(), c.sharded, c.keep);
  EXPECT_TRUE(job.Save(1, 1).ok());
  EXPECT_TRUE(job.Save(kOld, 2).ok());
  return disk;
}

void ExpectOldOrNew(Env& env, bool saved, const std::string& when) {
  Job job(&env, false);
  const Result<int64_t> value = job.Restore(env);
  ASSERT_TRUE(value.ok()) << when << ": " << value.status().ToString();
  EXPECT_TRUE(*value == kNew || (*value == kOld && !saved)) << when << *value;
}

TEST(SaverCrashTest, EveryCallAndEveryFaultLeavesAWholeCheckpoint) {
  int trials = 0;
  for (const Case& c : kCases) {
    int calls = 0;
    {
      auto disk = Before(c);
      FaultEnv env(disk.get());
      Job job(&env, c.sharded, c.keep);
      const int first = env.calls();
      ASSERT_TRUE(job.Save(kNew, c.step).ok());
      calls = env.calls() - first;
    }
    ASSERT_GT(calls, 10);
    const Status errors[] = {Cancelled("killed"),
                             Unknown("write: Input/output error"),
                             ResourceExhausted("write: No space left")};
    for (int n = 0; n <= calls; ++n) {
      for (const Status& error : errors) {
        ++trials;
        auto disk = Before(c);
        FaultEnv env(disk.get());
        Job job(&env, c.sharded, c.keep);
        const bool killed = error.code() == Code::kCancelled;
        if (killed) {
          env.FailFrom(env.calls() + n);
        } else {
          env.FailAt(env.calls() + n, error);  // a write keeps half
        }
        const bool saved = job.Save(kNew, c.step).ok();
        const std::string when =
            StrCat("step ", c.step, " call ", n, " ", error, " ");
        for (const Crash how : {Crash::kKill, Crash::kPowerLoss,
                                Crash::kNamesOutrun, Crash::kLastNameOnly}) {
          ExpectOldOrNew(*disk->AfterCrash(how), saved && !killed, when);
          if (!killed) break;  // nothing crashed
        }
      }
    }
  }
  RecordProperty("trials", trials);
}

// A full disk stays full: the job goes on, and the next save that finds room
// is as good as any.
TEST(SaverCrashTest, AFullDiskLosesNothing) {
  auto disk = Before({false, 3, 1});
  FaultEnv env(disk.get());
  Job job(&env, false, 1);
  for (int round = 0; round < 4; ++round) {
    env.FailAt(env.calls() + 3 + round, ResourceExhausted("No space left"));
    EXPECT_EQ(job.Save(kNew, 3).code(), Code::kResourceExhausted);
    ExpectOldOrNew(*disk->AfterCrash(Crash::kKill), false, "full ");
  }
  ASSERT_TRUE(job.Save(kNew, 3).ok());
  ExpectOldOrNew(*disk->AfterCrash(Crash::kPowerLoss), true, "room ");
}

TEST(SaverCrashTest, PowerLossAtAnyInstantLeavesAWholeCheckpoint) {
  int64_t states = 0;
  for (const Case& c : kCases) {
    auto disk = Before(c);
    const auto before = disk->AfterCrash(Crash::kPowerLoss);
    RecordingEnv env(disk.get());
    Job job(&env, c.sharded, c.keep);
    ASSERT_TRUE(job.Save(kNew, c.step).ok());
    const auto& changes = env.changes();
    // Restoring goes by the disk's content alone, so one job does for all.
    std::set<DiskState> seen;
    for (size_t n = 0; n <= changes.size(); ++n) {
      for (DiskState& state : DiskStates(*before, changes, n)) {
        if (n < changes.size() && !seen.insert(state).second) continue;
        ++states;
        const auto after = EnvOf(state);
        ExpectOldOrNew(*after, n == changes.size(),
                       StrCat("after ", n, " changes "));
        if (HasFatalFailure()) return;
      }
    }
  }
  EXPECT_GT(states, 200);
  RecordProperty("states", std::to_string(states));
}

}  // namespace
}  // namespace lockstep
