// SPDX-License-Identifier: Apache-2.0
// lockstep plan, as a program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/ops.h"
#include "runtime/core/env.h"
#include "runtime/graph/graph_def.h"
#include "tests/testing/run_program.h"
#include "tools/lockstep/json.h"

namespace lockstep {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Env& env() { return *Env::Default(); }

class PlanTest : public ::testing::Test {
 protected:
  // y = x w on the GPU, text = AsString(y) asks for it too.
  void SetUp() override {
    Output x = ops::Placeholder(root_.WithName("x"), kFloat, Shape{-1, 4});
    Output w = ops::InitializedVariable(
        root_.WithName("w").WithDevice("/cpu:0"), Tensor(kFloat, {4, 8}));
    const Scope gpu = root_.WithDevice("/gpu:0");
    Output y = ops::MatMul(gpu.WithName("y"), x, w);
    ops::Exp(root_.WithName("z"), y);
    ops::AsString(gpu.WithName("text"), y);
  }
  Finished Plan(std::vector<std::string> args) {
    EXPECT_TRUE(graph_.status().ok()) << graph_.status().ToString();
    Result<std::string> bytes = ToGraphDef(graph_);
    EXPECT_TRUE(bytes.ok() &&
                env().WriteFileAtomically(dir_ / "g.pb", *bytes).ok());
    args.insert(args.begin(), {LOCKSTEP_PROGRAM, "plan", dir_ / "g.pb"});
    return RunProgram(args);
  }
  Json PlanJson(std::vector<std::string> args) {
    args.push_back("--json");
    const Finished run = Plan(std::move(args));
    EXPECT_EQ(run.status, 0) << run.err;
    return ParseJson(run.out).value();
  }
  static Json Find(const Json& list, const char* key, const std::string& name) {
    for (const Json& j : list) {
      if (j[key] == name) return j;
    }
    return Json();
  }

  Graph graph_;
  Scope root_{&graph_};
  ScratchFolder dir_;
};

TEST_F(PlanTest, TellsForEachOpWhereAndWhy) {
  const Json json = PlanJson({"--gpus", "1", "--soft-placement"});
  const Json y = Find(json["nodes"], "name", "y");
  EXPECT_EQ(y["op"], "MatMul");
  EXPECT_EQ(y["requested"], "/gpu:0");
  EXPECT_EQ(y["assigned"], "/job:worker/task:0/device:GPU:0");
  EXPECT_EQ(y["reason"], "requested");
  EXPECT_EQ(y["fell_back"], false);
  const Json text = Find(json["nodes"], "name", "text");
  EXPECT_EQ(text["assigned"], "/job:worker/task:0/device:CPU:0");
  EXPECT_EQ(text["fell_back"], true);
  EXPECT_THAT(text["why"].get<std::string>(), HasSubstr("no kernel"));
  EXPECT_EQ(json["devices"].size(), 2u);
  EXPECT_FALSE(json.contains("plan"));
}

TEST_F(PlanTest, TellsWhatGoesFromDeviceToDevice) {
  const Json json = PlanJson({"--gpus", "1", "--soft-placement"});
  const Json y = Find(json["transfers"], "tensor", "y:0");
  EXPECT_EQ(y["from"], "/job:worker/task:0/device:GPU:0");
  EXPECT_EQ(y["to"], "/job:worker/task:0/device:CPU:0");
  EXPECT_EQ(Find(json["transfers"], "tensor", "w:0")["shape"], "[4,8]");
  EXPECT_TRUE(Find(json["transfers"], "tensor", "z:0").is_null());
}

TEST_F(PlanTest, ListsFallBacksAndRefusesThemWhenStrict) {
  Finished run = Plan({"--gpus", "1", "--soft-placement"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.out, AllOf(HasSubstr("not where they ask to be (1)"),
                             HasSubstr("text"), Not(HasSubstr("asks for it"))));
  run = Plan({"--gpus", "1", "--soft-placement", "--explain"});
  EXPECT_THAT(run.out, HasSubstr("asks for it"));
  run = Plan({"--gpus", "1", "--soft-placement", "--strict-placement"});
  EXPECT_EQ(run.status, 1);
  EXPECT_THAT(run.err, HasSubstr("'text' (AsString) asks for '/gpu:0'"));
  run = Plan({"--gpus", "1"});
  EXPECT_EQ(run.status, 1);
  EXPECT_THAT(run.err,
              HasSubstr("Cannot assign a device for operation 'text'"));
}

TEST_F(PlanTest, PlansARunForShapesWithoutRunningIt) {
  const Json json =
      PlanJson({"--gpus", "1", "--gpu-memory", "16MiB", "--soft-placement",
                "--feed-shape", "x:0=100,4", "--fetch", "z:0"});
  const Json gpu = Find(json["plan"]["devices"], "device", "/gpu:0");
  ASSERT_FALSE(gpu.is_null()) << DumpJson(json["plan"], 1);
  EXPECT_EQ(gpu["limit_bytes"], 16 << 20);
  EXPECT_GE(gpu["arena_bytes"].get<int>(), 100 * 8 * 4);
  EXPECT_EQ(gpu["fits"], true);
  const Finished text = Plan({"--gpus", "1", "--soft-placement", "--feed-shape",
                              "x=100,4", "--fetch", "z:0"});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("memory"), HasSubstr("/gpu:0")));
}

TEST_F(PlanTest, TheDeviceOptionIsForWhatAsksForNothing) {
  const Json json =
      PlanJson({"--gpus", "2", "--soft-placement", "--device", "/gpu:1"});
  EXPECT_EQ(Find(json["nodes"], "name", "z")["requested"], "/device:GPU:1");
  EXPECT_EQ(Find(json["nodes"], "name", "y")["requested"], "/device:GPU:0");
}

TEST_F(PlanTest, PlacesAsOnSeveralRanks) {
  Output next = ops::Exp(root_.WithName("next").WithDevice("/task:1"),
                         Output{graph_.Find("z"), 0});
  ops::Neg(root_.WithName("last").WithDevice("/task:1/cpu:0"), next);
  const Json json =
      PlanJson({"--gpus", "1", "--soft-placement", "--tasks", "2"});
  EXPECT_EQ(Find(json["nodes"], "name", "z")["assigned"],
            "/job:worker/task:0/device:GPU:0");
  EXPECT_EQ(Find(json["nodes"], "name", "last")["assigned"],
            "/job:worker/task:1/device:CPU:0");
  EXPECT_EQ(Find(json["transfers"], "tensor", "z:0")["to"],
            "/job:worker/task:1/device:GPU:0");
  EXPECT_THAT(Plan({"--gpus", "1", "--soft-placement", "--tasks", "2",
                    "--fetch", "z:0"})
                  .err,
              HasSubstr("--tasks"));
}

TEST_F(PlanTest, TakesAConfiguration) {
  ASSERT_TRUE(env()
                  .WriteFileAtomically(
                      dir_ / "config",
                      "allow_soft_placement: true isolate_session_state: true")
                  .ok());
  const Finished run = Plan({"--gpus", "1", "--config", dir_ / "config"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("ignored: isolate_session_state"));
  EXPECT_THAT(Plan({"--config", "allow_soft: true"}).err,
              HasSubstr("--config: ConfigProto: line 1"));
}

TEST_F(PlanTest, RefusesBadOptionsInOneLine) {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"--gpus", "1000"},
        {"--gpus", "-1"},
        {"--feed-shape", "x=2,4"},
        {"--target", "nothing"},
        {"--ranks", "2..1", "--target", "z"},
        {"--gpu-memory", "much"},
        {"--device", "gpu"},
        {"--feed-shape", "x:0", "--fetch", "z:0"},
        {"--feed-shape", "x:0=1,b", "--fetch", "z:0"},
        {"--feed-shape", "nothing:0=1", "--fetch", "z:0"},
        {"--fetch", "nothing:0"}}) {
    std::vector<std::string> soft = args;
    soft.push_back("--soft-placement");
    const Finished run = Plan(soft);
    EXPECT_EQ(run.status, 2) << args[0] << " " << args[1];
    EXPECT_EQ(LinesWith(run.err, "lockstep plan:").size(), 1u) << run.err;
  }
  const Finished unfed = Plan({"--soft-placement", "--fetch", "z:0"});
  EXPECT_EQ(unfed.status, 1);
  EXPECT_THAT(unfed.err, HasSubstr("placeholder tensor 'x'"));
}

}  // namespace
}  // namespace lockstep
