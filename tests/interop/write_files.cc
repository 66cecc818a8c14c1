// SPDX-License-Identifier: Apache-2.0
// Writes one of each kind of file into a folder, with the values that
// TensorFlow and TensorBoard have to find in them. The Python tests beside it
// read them.
//   interop_write_files FOLDER
//   interop_write_files --copy FROM TO     reads a graph, writes it as GraphDef
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "ops/ops.h"
#include "runtime/exec/freeze.h"
#include "runtime/exec/saved_model.h"
#include "runtime/graph/graph_def.h"
#include "runtime/graph/meta_graph.h"
#include "runtime/io/checkpoint_writer.h"
#include "runtime/io/event_writer.h"
#include "runtime/io/npy.h"
#include "runtime/io/projector.h"

namespace lockstep {
namespace {

Env& env() { return *Env::Default(); }

// Numbers that are the same everywhere.
Tensor Numbers(const Shape& shape, float scale = 0.25f) {
  Tensor t(kFloat, shape);
  int i = 0;
  for (float& v : t.flat<float>()) {
    v = scale * static_cast<float>((i * 7 + 3) % 11 - 5);
    ++i;
  }
  return t;
}

// A model of two layers, trained by Adam with momentum slots and a step count.
struct Model {
  Graph graph;
  Output x, labels, probabilities, loss, summaries;
  std::vector<Output> trained, all;
  Node* train = nullptr;
  Node* init = nullptr;
};

// What varies from one written model to the next.
struct Kind {
  std::string folder;
  bool sharded = false;
  bool resources = false;
};

void BuildModel(Model& m, const Kind& kind) {
  const auto make =
      kind.resources ? ops::InitializedResource : ops::InitializedVariable;
  const std::string device = kind.sharded ? "/device:CPU:0" : "";
  Scope root(&m.graph);
  m.x = ops::Placeholder(root.WithName("x"), kFloat, {-1, 4});
  m.labels = ops::Placeholder(root.WithName("labels"), kInt64, {-1});
  const Scope layer = root.SubScope("layer");
  Output w1 = make(layer.WithName("w"), Numbers({4, 5}));
  Output b1 = make(layer.WithName("b"), Numbers({5}));
  Output w2 = make(root.WithName("w").WithDevice(device), Numbers({5, 3}));
  Output step = make(root.WithName("global_step"), int64_t{0});
  Output hidden = ops::Relu(
      layer,
      ops::BiasAdd(layer, ops::MatMul(layer, m.x, ops::ReadVariable(layer, w1)),
                   ops::ReadVariable(layer, b1)));
  Output logits =
      ops::MatMul(root.WithName("logits"), hidden, ops::ReadVariable(root, w2));
  m.probabilities = ops::Softmax(root.WithName("probabilities"), logits);
  Output losses =
      ops::SparseSoftmaxCrossEntropyWithLogits(root, logits, m.labels);
  m.loss = ops::Mean(root.WithName("loss"), losses, {0});
  ops::ScalarSummary(root.WithName("loss_summary"), "loss", m.loss);
  ops::HistogramSummary(root.WithName("hidden_summary"), "hidden", hidden);
  m.summaries = ops::MergeAllSummaries(root.WithName("summaries"));
  m.trained = {w1, b1, w2};
  ops::AdamOptimizer adam(0.1f);
  m.train = adam.Minimize(root.WithName("train"), m.loss, m.trained, step);
  m.all = m.trained;
  m.all.push_back(step);
  for (const Output& v : adam.variables()) m.all.push_back(v);
  m.init = ops::VariablesInitializer(root.WithName("init"));
}

std::vector<VariableInfo> Infos(const std::vector<Output>& variables) {
  std::vector<VariableInfo> infos;
  for (const Output& v : variables) {
    const std::string& name = v.node->name();
    infos.push_back(
        {.variable = name + ":0",
         .initializer = name + "/Assign",
         .snapshot = name + (v.dtype() == kResource ? "/Read/ReadVariableOp:0"
                                                    : "/read:0"),
         .is_resource = v.dtype() == kResource});
  }
  return infos;
}

// What a step gives, as expect<i>_<what>.npy.
Status Record(Session& session, const Model& m, const std::string& dir, int i,
              bool train) {
  const std::vector<Session::Feed> feeds = {
      {"x:0", Numbers({6, 4})},
      {"labels:0", Tensor::Of<int64_t>({6}, {0, 1, 2, 2, 1, 0})}};
  std::vector<std::string> targets;
  if (train) targets.push_back(m.train->name());
  LS_ASSIGN_OR_RETURN(
      const auto out,
      session.Run(feeds, {m.probabilities.name(), m.loss.name()}, targets));
  const std::string at = StrCat(dir, "/expect", i);
  LS_RETURN_IF_ERROR(WriteNpy(env(), at + "_probabilities.npy", out[0]));
  return WriteNpy(env(), at + "_loss.npy", out[1]);
}

// Trains, saves, trains on: TensorFlow has to arrive at the same after loading.
Status WriteModel(const std::string& root, const Kind& kind) {
  const std::string dir = StrCat(root, "/", kind.folder);
  LS_RETURN_IF_ERROR(env().CreateDirs(dir));
  Model m;
  BuildModel(m, kind);
  LS_ASSIGN_OR_RETURN(
      Saver saver, Saver::Create(Scope(&m.graph), m.all,
                                 {.max_to_keep = 3, .sharded = kind.sharded}));
  LS_ASSIGN_OR_RETURN(auto session, Session::Create(m.graph));
  LS_RETURN_IF_ERROR(session->RunTargets({m.init->name()}));
  for (int i = 0; i < 3; ++i) {
    LS_RETURN_IF_ERROR(Record(*session, m, dir, i, /*train=*/true));
  }
  LS_RETURN_IF_ERROR(saver.Save(*session, dir + "/model.ckpt", 3).status());
  for (int i = 3; i < 6; ++i) {
    LS_RETURN_IF_ERROR(Record(*session, m, dir, i, /*train=*/true));
  }
  LS_ASSIGN_OR_RETURN(const std::string graph_def, ToGraphDef(m.graph));
  LS_RETURN_IF_ERROR(env().WriteFileAtomically(dir + "/graph.pb", graph_def));
  MetaGraph meta;
  meta.graph = m.graph.Clone();
  meta.saver = saver.names();
  meta.SetVariableCollection("variables", Infos(m.all));
  meta.SetVariableCollection("trainable_variables", Infos(m.trained));
  meta.collections["train_op"].texts = {m.train->name()};
  meta.collections["summaries"].texts = {"loss_summary:0", "hidden_summary:0"};
  LS_ASSIGN_OR_RETURN(const std::string bytes, ToMetaGraphDef(meta));
  LS_RETURN_IF_ERROR(env().WriteFileAtomically(dir + "/model.meta", bytes));

  meta.signatures["serving_default"] = {
      .inputs = {{"images", {m.x.name(), kFloat, Shape{-1, 4}}}},
      .outputs = {{"scores", {m.probabilities.name(), kFloat, Shape{-1, 3}}}},
      .method = "tensorflow/serving/predict"};
  LS_RETURN_IF_ERROR(ExportSavedModel(env(), dir + "/saved_model", *session,
                                      saver, std::move(meta)));
  LS_ASSIGN_OR_RETURN(const Graph frozen,
                      FreezeGraph(m.graph, *session, {"probabilities"}));
  LS_ASSIGN_OR_RETURN(const std::string frozen_def, ToGraphDef(frozen));
  LS_RETURN_IF_ERROR(env().WriteFileAtomically(dir + "/frozen.pb", frozen_def));
  return Record(*session, m, dir, 6, /*train=*/false);
}

// A tensor of each type that has a numpy type, and what it holds.
Status WriteTypes(const std::string& dir) {
  LS_ASSIGN_OR_RETURN(auto out,
                      CheckpointWriter::Open(env(), dir + "/types.ckpt"));
  const auto add = [&](const char* name, const Tensor& t) -> Status {
    LS_RETURN_IF_ERROR(out->Add(name, t));
    return WriteNpy(env(), StrCat(dir, "/", name, ".npy"), t);
  };
  LS_RETURN_IF_ERROR(add("float", Numbers({2, 3})));
  LS_RETURN_IF_ERROR(add("double", Tensor::Of<double>({2}, {1e-300, -2})));
  LS_RETURN_IF_ERROR(add("half", Tensor::Of<Half>({2}, {0.5f, -2.0f})));
  LS_RETURN_IF_ERROR(add("bfloat16", Tensor::Of<BFloat16>({2}, {3.0f, -2.0f})));
  LS_RETURN_IF_ERROR(add("int8", Tensor::Of<int8_t>({2}, {-128, 127})));
  LS_RETURN_IF_ERROR(add("uint8", Tensor::Of<uint8_t>({2}, {0, 255})));
  LS_RETURN_IF_ERROR(add("int16", Tensor::Of<int16_t>({1}, {-30000})));
  LS_RETURN_IF_ERROR(add("uint16", Tensor::Of<uint16_t>({1}, {60000})));
  LS_RETURN_IF_ERROR(add("int32", Tensor(int32_t{-5})));
  LS_RETURN_IF_ERROR(add("uint32", Tensor::Of<uint32_t>({1}, {4000000000u})));
  LS_RETURN_IF_ERROR(add("int64", Tensor(int64_t{1} << 40)));
  LS_RETURN_IF_ERROR(add("uint64", Tensor::Of<uint64_t>({1}, {1ull << 63})));
  LS_RETURN_IF_ERROR(add("bool", Tensor::Of<bool>({2}, {true, false})));
  LS_RETURN_IF_ERROR(add("empty", Tensor(kFloat, Shape{0, 3})));
  LS_RETURN_IF_ERROR(out->Add(
      "string", Tensor::Of<std::string>({2}, {"", std::string("a\0\xff", 3)})));
  const Tensor parts = Numbers({4, 2});
  for (int64_t i = 0; i < 4; i += 2) {
    LS_RETURN_IF_ERROR(out->AddSlice(
        "parts", parts.shape(), {{{i, 2}, {0, TensorSlice::kAll}}},
        Tensor::FromSpan<float>({2, 2}, parts.flat<float>().subspan(
                                            static_cast<size_t>(i) * 2, 4))));
  }
  LS_RETURN_IF_ERROR(WriteNpy(env(), dir + "/parts.npy", parts));
  return out->Finish();
}

Status WriteEvents(const std::string& dir) {
  LS_ASSIGN_OR_RETURN(auto events, EventWriter::Open(env(), dir));
  Model m;
  BuildModel(m, {});
  LS_ASSIGN_OR_RETURN(const std::string graph_def, ToGraphDef(m.graph));
  LS_RETURN_IF_ERROR(events->AddGraph(graph_def));
  Tensor picture(kUint8, Shape{1, 2, 3, 3});
  for (int i = 0; i < 18; ++i) {
    picture.flat<uint8_t>()[static_cast<size_t>(i)] = uint8_t(13 * i);
  }
  for (int64_t step = 0; step < 3; ++step) {
    Summary s;
    s.AddScalar("loss", 1.0f / static_cast<float>(step + 1));
    LS_RETURN_IF_ERROR(s.AddHistogram("weights", Numbers({100})));
    LS_RETURN_IF_ERROR(s.AddImages("picture", picture, {.max_images = 1}));
    LS_RETURN_IF_ERROR(s.AddAudio("sound", Numbers({1, 50}, 0.1f), 8000, 1));
    LS_RETURN_IF_ERROR(s.AddText("note", Tensor(StrCat("step *", step, "*"))));
    LS_RETURN_IF_ERROR(events->AddSummary(s, step));
  }
  const ProjectorEmbedding embedding{
      .name = "codes", .values = Numbers({3, 2}), .labels = {"a", "b", "c"}};
  LS_RETURN_IF_ERROR(WriteProjector(env(), dir, {&embedding, 1}));
  return events->Close();
}

Status WriteAll(const std::string& dir) {
  // What an earlier run left: a second event file would be read too.
  for (const char* part :
       {"/model", "/sharded", "/resources", "/types", "/events"}) {
    std::filesystem::remove_all(dir + part);
  }
  LS_RETURN_IF_ERROR(WriteModel(dir, {.folder = "model"}));
  LS_RETURN_IF_ERROR(WriteModel(dir, {.folder = "sharded", .sharded = true}));
  LS_RETURN_IF_ERROR(
      WriteModel(dir, {.folder = "resources", .resources = true}));
  LS_RETURN_IF_ERROR(WriteTypes(dir + "/types"));
  return WriteEvents(dir + "/events");
}

Status Copy(const std::string& from, const std::string& to) {
  LS_ASSIGN_OR_RETURN(const MetaGraph meta, ReadGraphFile(env(), from));
  LS_ASSIGN_OR_RETURN(const std::string bytes, ToGraphDef(meta.graph));
  return env().WriteFileAtomically(to, bytes);
}

}  // namespace
}  // namespace lockstep

int main(int argc, char** argv) {
  lockstep::Status status;
  if (argc == 2) {
    status = lockstep::WriteAll(argv[1]);
  } else if (argc == 4 && std::string_view(argv[1]) == "--copy") {
    status = lockstep::Copy(argv[2], argv[3]);
  } else {
    std::fprintf(stderr,
                 "usage: interop_write_files FOLDER\n"
                 "       interop_write_files --copy FROM TO\n");
    return 2;
  }
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
