// SPDX-License-Identifier: Apache-2.0
// lockstep run, as a program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/array/array.h"
#include "ops/math/math.h"
#include "runtime/graph/builder.h"
#include "runtime/graph/graph_def.h"
#include "runtime/graph/meta_graph.h"
#include "runtime/graph/saved_model.h"
#include "runtime/io/npy.h"
#include "tests/testing/run_program.h"
#include "tools/lockstep/json.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

Env& env() { return *Env::Default(); }

// y = 2 x, n = Placeholder of strings.
Graph SmallGraph() {
  Graph graph;
  const Scope root(&graph);
  const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{-1});
  ops::Mul(root.WithName("scope/y"), x, 2.0f);
  ops::Placeholder(root.WithName("s"), kString);
  EXPECT_TRUE(graph.status().ok()) << graph.status().ToString();
  return graph;
}

class RunTest : public testing::Test {
 protected:
  void Write(const std::string& name, const std::string& bytes) {
    ASSERT_TRUE(env().WriteFileAtomically(dir_ / name, bytes).ok());
  }
  Finished Run(const std::string& graph, const std::string& steps) {
    Write("case.json", "{\"steps\": " + steps + "}");
    return RunProgram({LOCKSTEP_PROGRAM, "run", "--graph", dir_ / graph,
                       "--case", dir_ / "case.json", "--out", dir_ / "out"});
  }
  Tensor Npy(const std::string& name) {
    return ReadNpy(env(), dir_ / "out/" + name).value();
  }
  Json ReadJson(const std::string& name) {
    return ParseJson(env().ReadFile(dir_ / "out/" + name).value()).value();
  }
  void WriteX() {
    ASSERT_TRUE(
        WriteNpy(env(), dir_ / "x.npy", Tensor::Of<float>({2}, {1, -3})).ok());
  }

  ScratchFolder dir_;
};

constexpr const char* kSteps =
    R"([{"feed": {"x:0": "x.npy"}, "fetch": ["scope/y:0"]}])";

TEST_F(RunTest, FetchesOfEveryKindOfGraphFileAreWritten) {
  WriteX();
  MetaGraph meta;
  meta.graph = SmallGraph();
  meta.tags = {"serve"};
  Write("g.pb", ToGraphDef(meta.graph).value());
  Write("g.meta", ToMetaGraphDef(meta).value());
  Write("g.pbtxt", R"(
      node { name: "x" op: "Placeholder"
             attr { key: "dtype" value { type: DT_FLOAT } } }
      node { name: "scope/y" op: "Add" input: "x" input: "x"
             attr { key: "T" value { type: DT_FLOAT } } })");
  ASSERT_TRUE(WriteSavedModel(env(), dir_ / "saved", meta).ok());
  for (const char* graph :
       {"g.pb", "g.meta", "g.pbtxt", "saved", "saved/saved_model.pb"}) {
    const Finished run = Run(graph, kSteps);
    EXPECT_EQ(run.status, 0) << graph << run.err;
    EXPECT_EQ(run.out + run.err, "") << graph;
    EXPECT_TRUE(BitwiseEqual(Npy("step0/scope_y_0.npy"),
                             Tensor::Of<float>({2}, {2, -6})))
        << graph;
    ASSERT_TRUE(env().DeleteFile(dir_ / "out/step0/scope_y_0.npy").ok());
  }
}

TEST_F(RunTest, AFailingStepLeavesItsErrorAndTheNextRuns) {
  WriteX();
  Write("g.pb", ToGraphDef(SmallGraph()).value());
  const Finished run = Run("g.pb", R"([
      {"fetch": ["scope/y:0"]},
      {"fetch": ["nothing:0"]},
      {"feed": {"x:0": "x.npy"}, "fetch": ["scope/y:0"]}])");
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(ReadJson("step0/error.json")["code"], "INVALID_ARGUMENT");
  EXPECT_THAT(ReadJson("step0/error.json")["message"].get<std::string>(),
              HasSubstr("'x'"));
  EXPECT_EQ(ReadJson("step1/error.json")["code"], "NOT_FOUND");
  EXPECT_EQ(Npy("step2/scope_y_0.npy").NumElements(), 2);
}

TEST_F(RunTest, StringsAreWrittenAsJson) {
  Write("g.pb", ToGraphDef(SmallGraph()).value());
  const Finished run = Run("g.pb", R"([
      {"feed": {"s:0": {"strings": ["a", {"b64": "/w=="}]}},
       "fetch": ["s:0"]}])");
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(DumpJson(ReadJson("step0/s_0.json")), R"(["a",{"b64":"/w=="}])");
}

TEST_F(RunTest, BadInputIsOneLineAndStatusTwo) {
  Write("g.pb", ToGraphDef(SmallGraph()).value());
  Write("cut.pb", ToGraphDef(SmallGraph()).value().substr(0, 20));
  Write("unknown.pbtxt", "node { name: 'q' op: 'NoSuchOp' }");
  Write("return.pbtxt", "node { name: 'q' op: 'No\\rSuchOp' }");
  const std::pair<Finished, const char*> runs[] = {
      {Run("none.pb", "[]"), "none.pb"},
      {Run("return.pbtxt", "[]"), "No SuchOp"},
      {Run("cut.pb", "[]"), "cut.pb"},
      {Run("unknown.pbtxt", "[]"), "NoSuchOp"},
      {Run("g.pb", "[{"), "case.json"},
      {Run("g.pb", R"([{"feed": {"x:0": "none.npy"}}])"), "none.npy"},
      {RunProgram({LOCKSTEP_PROGRAM, "run"}), "--graph is missing"},
      {RunProgram({LOCKSTEP_PROGRAM, "run", "--grap", "x"}), "--graph?"},
      {RunProgram({LOCKSTEP_PROGRAM, "runn"}), "run?"},
  };
  for (const auto& [run, part] : runs) {
    EXPECT_EQ(run.status, 2) << part;
    EXPECT_THAT(run.err, HasSubstr(part));
    EXPECT_EQ(std::ranges::count(run.err, '\n'), 1) << run.err;
  }
}

TEST_F(RunTest, AFolderThatCannotBeWrittenIsStatusOne) {
  Write("g.pb", ToGraphDef(SmallGraph()).value());
  Write("out", "a file");
  const Finished run = Run("g.pb", "[{}]");
  EXPECT_EQ(run.status, 1) << run.err;
}

TEST(OutputTest, WhatCannotBeWrittenIsAFailure) {
  const Finished full = RunProgram(
      {"/bin/sh", "-c", std::string(LOCKSTEP_PROGRAM) + " ops > /dev/full"});
  EXPECT_EQ(full.status, 1);
  EXPECT_THAT(full.err, HasSubstr("standard output cannot be written: No space "
                                  "left"));
}

}  // namespace
}  // namespace lockstep
