// SPDX-License-Identifier: Apache-2.0
// lockstep inspect and lockstep check, as programs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ops/array/array.h"
#include "ops/math/math.h"
#include "ops/state/state.h"
#include "runtime/graph/builder.h"
#include "runtime/graph/meta_graph.h"
#include "runtime/io/checkpoint_writer.h"
#include "runtime/io/event_writer.h"
#include "runtime/io/npy.h"
#include "tests/testing/run_program.h"
#include "tools/lockstep/json.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Env& env() { return *Env::Default(); }

class InspectTest : public testing::Test {
 protected:
  Finished Lockstep(std::vector<std::string> args) {
    args.insert(args.begin(), LOCKSTEP_PROGRAM);
    return RunProgram(std::move(args));
  }
  Json Inspect(std::vector<std::string> args) {
    args.insert(args.begin(), "inspect");
    args.push_back("--json");
    const Finished run = Lockstep(std::move(args));
    EXPECT_EQ(run.status, 0) << run.err;
    return ParseJson(run.out).value();
  }
  void Write(const std::string& name, const std::string& bytes) {
    ASSERT_TRUE(env().WriteFileAtomically(dir_ / name, bytes).ok());
  }

  ScratchFolder dir_;
};

TEST_F(InspectTest, AGraphHasInputsVariablesOutputsAndSignatures) {
  MetaGraph meta;
  const Scope root(&meta.graph);
  const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{-1, 3});
  const Output w = ops::Variable(root.WithName("w"), kFloat, Shape{3});
  ops::Mul(root.WithName("y"), x, w);
  ASSERT_TRUE(meta.graph.status().ok());
  meta.tags = {"serve"};
  meta.signatures["predict"].inputs["in"] = {.name = "x:0", .dtype = kFloat};
  meta.collections["train_op"].texts = {"y"};
  meta.SetVariableCollection("variables", {{.variable = "w:0"}});
  Write("g.meta", ToMetaGraphDef(meta).value());

  const Json json = Inspect({dir_ / "g.meta"});
  EXPECT_EQ(json["nodes"], 3);
  EXPECT_EQ(DumpJson(json["inputs"]),
            R"([{"name":"x","dtype":"float","shape":"[?,3]"}])");
  EXPECT_EQ(DumpJson(json["variables"]),
            R"([{"name":"w","dtype":"float","shape":"[3]"}])");
  EXPECT_EQ(json["variable_bytes"], 12);
  EXPECT_EQ(DumpJson(json["outputs"]), R"([{"name":"y","op":"Mul"}])");
  EXPECT_EQ(DumpJson(json["tags"]), R"(["serve"])");
  EXPECT_EQ(json["signatures"]["predict"]["inputs"]["in"]["tensor"], "x:0");
  EXPECT_EQ(json["collections"]["variables"]["names"][0], "w:0");

  const Finished text = Lockstep({"inspect", dir_ / "g.meta"});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("graph of 3 nodes"));
  EXPECT_THAT(text.out, HasSubstr("train_op"));
}

TEST_F(InspectTest, ACheckpointHasTensorsWithValuesAndStatistics) {
  const std::string prefix = dir_ / "model-7";
  auto writer = CheckpointWriter::Open(env(), prefix).value();
  ASSERT_TRUE(writer->Add("w", Tensor::Of<float>({4}, {1, 0, -3, NAN})).ok());
  ASSERT_TRUE(writer->Add("name", Tensor("text")).ok());
  ASSERT_TRUE(writer->Finish().ok());
  for (const std::string file :
       {"model-7", "model-7.index", "model-7.data-00000-of-00001"}) {
    const Json json = Inspect({dir_ / file, "--stats", "--values", "2"});
    ASSERT_EQ(json["tensors"].size(), 2u) << file;
    const Json& w = json["tensors"][1];
    EXPECT_EQ(w["name"], "w");
    EXPECT_EQ(w["shape"], "[4]");
    EXPECT_EQ(DumpJson(w["values"]), "[1.0,0.0]");
    EXPECT_EQ(w["stats"]["min"], -3.0);
    EXPECT_EQ(w["stats"]["max"], 1.0);
    EXPECT_EQ(w["stats"]["nans"], 1);
    EXPECT_EQ(w["stats"]["zeros"], 1);
    EXPECT_NEAR(w["stats"]["mean"].get<double>(), -2.0 / 3, 1e-12);
    EXPECT_EQ(DumpJson(json["tensors"][0]["values"]), R"(["text"])");
  }
  EXPECT_EQ(Inspect({prefix, "--only", "nam"})["tensors"].size(), 1u);
}

TEST_F(InspectTest, AnEventFileHasTagsWithSteps) {
  auto events = EventWriter::Open(env(), dir_.path()).value();
  for (int step = 0; step < 3; ++step) {
    ASSERT_TRUE(
        events->AddScalar("loss", 0.1f * static_cast<float>(step), 10 * step)
            .ok());
  }
  ASSERT_TRUE(events->Close().ok());
  const Json json = Inspect({events->path(), "--values", "2"});
  ASSERT_EQ(json["tags"].size(), 1u);
  const Json& loss = json["tags"][0];
  EXPECT_EQ(loss["kind"], "scalar");
  EXPECT_EQ(loss["count"], 3);
  EXPECT_EQ(loss["last_step"], 20);
  EXPECT_EQ(DumpJson(loss["values"]), "[[10,0.1],[20,0.2]]");
}

TEST_F(InspectTest, AFolderOfEventFilesIsTheNewest) {
  for (const char* name : {"a.tfevents.2", "b.tfevents.1", "c"}) {
    Write(name, "");
  }
  EXPECT_EQ(Inspect({dir_.path()})["file"], dir_ / "b.tfevents.1");
  ASSERT_TRUE(env().CreateDirs(dir_ / "none").ok());
  const Finished run = Lockstep({"inspect", dir_ / "none"});
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.err, HasSubstr("has no SavedModel, no checkpoint and no"));
}

TEST_F(InspectTest, AnArrayHasTypeAndShape) {
  ASSERT_TRUE(
      WriteNpy(env(), dir_ / "x.npy", Tensor::Of<int64_t>({2, 1}, {5, 6}))
          .ok());
  const Json json = Inspect({dir_ / "x.npy", "--values"});
  EXPECT_EQ(json["dtype"], "int64");
  EXPECT_EQ(json["shape"], "[2,1]");
  EXPECT_EQ(DumpJson(json["values"]), "[5,6]");
}

TEST_F(InspectTest, OtherFilesAreOneLineAndStatusTwo) {
  Write("junk", "\x0a\xff\xff");
  for (const std::string file : {"junk", "none"}) {
    const Finished run = Lockstep({"inspect", dir_ / file});
    EXPECT_EQ(run.status, 2);
    EXPECT_THAT(run.err, HasSubstr(file));
    EXPECT_EQ(LinesWith(run.err, "").size(), 2u) << run.err;  // last is empty
  }
}

constexpr const char* kBadGraph = R"(
    node { name: "q" op: "NoSuchOp" }
    node { name: "r" op: "NoSuchOp" input: "q" }
    node { name: "s" op: "Relu" input: "c"
           attr { key: "T" value { type: DT_STRING } } }
    node { name: "c" op: "Const" attr { key: "dtype" value { type: DT_FLOAT } }
           attr { key: "value" value { tensor { dtype: DT_FLOAT } } } }
    node { name: "m" op: "MatMul" input: "c" input: "c"
           attr { key: "T" value { type: DT_FLOAT } }
           attr { key: "transpose_a" value { i: 1 } } }
    library { function { signature { name: "f" }
        node_def { name: "inner" op: "AlsoNone" } } })";

TEST_F(InspectTest, CheckListsAllThatWouldNotRun) {
  Write("bad.pbtxt", kBadGraph);
  const Finished run = Lockstep({"check", dir_ / "bad.pbtxt", "--json"});
  EXPECT_EQ(run.status, 1) << run.err;
  const Json problems = ParseJson(run.out).value()["problems"];
  ASSERT_EQ(problems.size(), 4u) << run.out;
  std::map<std::string, Json> by_op;
  for (const Json& p : problems) by_op[p["op"]] = p;
  EXPECT_EQ(DumpJson(by_op["NoSuchOp"]["nodes"]), R"(["q","r"])");
  EXPECT_EQ(DumpJson(by_op["AlsoNone"]["nodes"]), R"(["f/inner"])");
  EXPECT_EQ(by_op["Relu"]["kind"], "attribute");
  EXPECT_THAT(by_op["MatMul"]["text"].get<std::string>(),
              HasSubstr("transpose_a"));
  const Finished text = Lockstep({"check", dir_ / "bad.pbtxt"});
  EXPECT_THAT(text.out, HasSubstr("4 problems"));
}

TEST_F(InspectTest, Sha256IsOfNamesTypesShapesAndElements) {
  const auto digest = [&](const std::string& name, const Tensor& value) {
    const std::string prefix = dir_ / "c";
    auto writer = CheckpointWriter::Open(env(), prefix).value();
    EXPECT_TRUE(writer->Add(name, value).ok());
    EXPECT_TRUE(
        writer->Add("words", Tensor::Of<std::string>({2}, {"a", "bc"})).ok());
    EXPECT_TRUE(writer->Finish().ok());
    return Inspect({prefix, "--sha256"})["sha256"].get<std::string>();
  };
  const Tensor value = Tensor::Of<float>({2}, {1, 2});
  const std::string first = digest("v", value);
  // By hand: printf of both tensors' lines and bytes, through sha256sum.
  EXPECT_EQ(first,
            "8ed32083e79dd69f26f5fea732a522455a84162c116435068348e752c5b3e91a");
  EXPECT_EQ(digest("v", value), first);
  EXPECT_NE(digest("w", value), first);
  EXPECT_NE(digest("v", Tensor::Of<float>({1, 2}, {1, 2})), first);
  EXPECT_NE(digest("v", Tensor::Of<float>({2}, {1, 3})), first);
}

TEST_F(InspectTest, CheckFindsNothingInAGraphThatRuns) {
  Write("good.pbtxt", R"(node { name: "n" op: "NoOp" })");
  const Finished run = Lockstep({"check", dir_ / "good.pbtxt"});
  EXPECT_EQ(run.status, 0) << run.out;
  EXPECT_THAT(run.out, HasSubstr("everything would run"));
}

TEST_F(InspectTest, CheckFindsFunctionsThatAreNotThere) {
  Write("call.pbtxt", R"(
    node { name: "call" op: "PartitionedCall"
           attr { key: "Tin" value { list { } } }
           attr { key: "Tout" value { list { type: DT_FLOAT } } }
           attr { key: "f" value { func { name: "gone" } } } })");
  const Finished run = Lockstep({"check", dir_ / "call.pbtxt"});
  EXPECT_EQ(run.status, 1);
  EXPECT_THAT(run.out, HasSubstr("the graph has no function 'gone'"));
}

TEST_F(InspectTest, CheckNamesTheFirstMistakeOfAGraphOfKnownOps) {
  Write("cut.pbtxt", R"(node { name: "n" op: "NoOp" input: "^gone" })");
  const Finished run = Lockstep({"check", dir_ / "cut.pbtxt"});
  EXPECT_EQ(run.status, 1);
  EXPECT_THAT(run.out, HasSubstr("gone"));
}

}  // namespace
}  // namespace lockstep
