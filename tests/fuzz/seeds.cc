// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/seeds.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "ops/ops.h"
#include "runtime/core/trace.h"
#include "runtime/graph/graph_def.h"
#include "runtime/graph/meta_graph.h"
#include "runtime/graph/saved_model.h"
#include "runtime/io/checkpoint_writer.h"
#include "runtime/io/coding.h"
#include "runtime/io/event_writer.h"
#include "runtime/io/idx.h"
#include "runtime/io/npy.h"
#include "runtime/io/png.h"
#include "runtime/io/record_file.h"
#include "runtime/io/table_file.h"
#include "runtime/io/wav.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/testing/fault_env.h"

namespace lockstep::fuzz {
namespace {

namespace fs = std::filesystem;

void PutChunk(std::string& out, std::string_view chunk) {
  out += static_cast<char>(chunk.size() & 0xff);
  out += static_cast<char>(chunk.size() >> 8 & 0xff);
  out += chunk;
}

constexpr const char* kGraphText =
    "node { name: 'x' op: 'Placeholder'"
    " attr { key: 'dtype' value { type: DT_FLOAT } }"
    " attr { key: 'shape' value { shape { dim { size: -1 } } } } }\n"
    "node { name: 'c' op: 'Const' attr { key: 'dtype' value { type: DT_INT32 } "
    "}"
    " attr { key: 'value' value { tensor { dtype: DT_INT32"
    " tensor_shape { dim { size: 2 } } int_val: 1 } } } }\n"
    "node { name: 'y' op: 'Reshape' input: 'x' input: 'c:0' input: '^x'"
    " device: '/cpu:0' }\n"
    "versions { producer: 1 }\n";

// Ops with many shape rules, on placeholders and constants.
void BuildGraph(Graph* graph) {
  Scope root(graph);
  Output x = ops::Placeholder(root.WithName("x"), kFloat, {-1, 4});
  Output w =
      ops::InitializedVariable(root.WithName("w"), Tensor(kFloat, Shape{4, 2}));
  Output flat = ops::Reshape(root, x, {-1, 2, 2});
  Output turned = ops::Transpose(root, flat, {2, 0, 1});
  ops::Gather(root, w, {1, 0});
  ops::Concat(root, {x, x}, 1);
  ops::Tile(root, x, {1, 2});
  ops::ScalarSummary(root, "mean", ops::Mean(root, turned, {0, 1, 2}));
}

Status AddGraphs(Seeds& seeds) {
  MetaGraph meta;
  BuildGraph(&meta.graph);
  LS_RETURN_IF_ERROR(meta.graph.status());
  LS_ASSIGN_OR_RETURN(std::string graph, ToGraphDef(meta.graph));
  seeds["graph_check"].push_back(graph);
  seeds["graph_def"].push_back(std::move(graph));
  meta.saver = {"x:0", "x:0", "x"};
  meta.SetVariableCollection("variables", {{"w:0", "w/Assign", "w/read:0"}});
  meta.signatures["f"].inputs["x"] = {"x:0", kFloat, Shape{-1, 4}};
  LS_ASSIGN_OR_RETURN(std::string bytes, ToMetaGraphDef(meta));
  seeds["meta_graph"].push_back(std::move(bytes));
  meta.tags = {"serve"};
  MemEnv env;
  LS_RETURN_IF_ERROR(WriteSavedModel(env, "m", meta));
  LS_ASSIGN_OR_RETURN(std::string model, env.ReadFile("m/saved_model.pb"));
  seeds["saved_model"].push_back(std::move(model));
  seeds["graph_text"].push_back(kGraphText);
  LS_ASSIGN_OR_RETURN(const Graph small, FromGraphDefText(kGraphText));
  LS_ASSIGN_OR_RETURN(std::string again, ToGraphDef(small));
  seeds["graph_def"].push_back(std::move(again));
  return Ok();
}

Status AddCheckpoints(Seeds& seeds) {
  MemEnv env;
  LS_ASSIGN_OR_RETURN(auto out, CheckpointWriter::Open(env, "m"));
  LS_RETURN_IF_ERROR(out->Add("w", Tensor::Of<float>({2, 2}, {1, 2, 3, 4})));
  LS_RETURN_IF_ERROR(
      out->Add("s", Tensor::Of<std::string>({2}, {"one", "two"})));
  for (int64_t i = 0; i < 2; ++i) {
    LS_RETURN_IF_ERROR(out->AddSlice("p", Shape{2}, {{{i, 1}}},
                                     Tensor::Of<bool>({1}, {true})));
  }
  LS_RETURN_IF_ERROR(out->Finish());
  LS_ASSIGN_OR_RETURN(const std::string index, env.ReadFile("m.index"));
  LS_ASSIGN_OR_RETURN(const std::string data,
                      env.ReadFile("m.data-00000-of-00001"));
  seeds["checkpoint_index"].push_back(index);
  seeds["checkpoint_data"].push_back(data);
  std::string rows;
  LS_RETURN_IF_ERROR(ReadTable(index, "m.index", [&](auto key, auto value) {
    PutChunk(rows, key);
    PutChunk(rows, value);
    return Ok();
  }));
  seeds["checkpoint_entries"].push_back(rows);
  return Ok();
}

Status AddEvents(Seeds& seeds) {
  MemEnv env;
  LS_ASSIGN_OR_RETURN(auto out, EventWriter::Open(env, "d"));
  Summary s;
  s.AddScalar("loss", 0.5f);
  LS_RETURN_IF_ERROR(s.AddHistogram("h", Tensor::Of<float>({2}, {1, 2})));
  const Tensor pixels = Tensor::Of<uint8_t>({1, 1, 2, 1}, {7, 9});
  LS_RETURN_IF_ERROR(s.AddImages("i", pixels));
  LS_RETURN_IF_ERROR(s.AddAudio("a", Tensor::Of<float>({1, 2}, {0, 1}), 8000));
  LS_RETURN_IF_ERROR(s.AddText("t", Tensor("text")));
  LS_RETURN_IF_ERROR(out->AddSummary(s, 1));
  LS_RETURN_IF_ERROR(out->AddGraph("graph"));
  LS_ASSIGN_OR_RETURN(std::string file, env.ReadFile(out->path()));
  seeds["records"].push_back(file);
  LS_ASSIGN_OR_RETURN(auto reader, RecordReader::Open(env, out->path()));
  std::string chunks;
  std::string record;
  for (;;) {
    LS_ASSIGN_OR_RETURN(const bool more, reader->Next(record));
    if (!more) break;
    PutChunk(chunks, record);
  }
  seeds["events"].push_back(chunks);
  return Ok();
}

// Some names and a ring of records that goes round.
Status AddTraces(Seeds& seeds) {
  const std::string dir =
      JoinPath(std::filesystem::temp_directory_path().string(),
               StrCat("lockstep_seed_", getpid()));
  std::string file;
  {
    LS_ASSIGN_OR_RETURN(auto trace,
                        Trace::Open({.dir = dir,
                                     .host = "host",
                                     .job = 1,
                                     .bytes = 8 * sizeof(TraceRecord)}));
    for (uint32_t i = 0; i < 11; ++i) {
      const uint32_t name =
          trace->Name(TraceKind::kOp, "MatMul", StrCat("fc", i % 3));
      const uint64_t now = trace->Now();
      trace->Add({.begin = now,
                  .end = now + i,
                  .number = i,
                  .name = name,
                  .kind = TraceKind::kOp});
    }
    LS_ASSIGN_OR_RETURN(file, Env::Default()->ReadFile(trace->path()));
    std::filesystem::remove_all(dir);
  }
  std::string seed;
  PutChunk(seed, std::string_view(file).substr(0, sizeof(TraceHeader)));
  PutChunk(seed, std::string_view(file).substr(kTraceNames, 64));
  seed += file.substr(kTraceNames + kTraceNamesBytes);
  seeds["trace"].push_back(std::move(seed));
  return Ok();
}

Status AddArrays(Seeds& seeds) {
  const Tensor floats = Tensor::Of<float>({2, 2}, {1, 2, 3, 4});
  const Tensor bytes = Tensor::Of<uint8_t>({2, 2, 1}, {1, 2, 3, 4});
  for (const Tensor& t : {floats, bytes, Tensor(true)}) {
    LS_ASSIGN_OR_RETURN(std::string npy, EncodeNpy(t));
    seeds["npy"].push_back(std::move(npy));
  }
  for (const Tensor& t : {floats, bytes}) {
    LS_ASSIGN_OR_RETURN(std::string idx, EncodeIdx(t));
    seeds["idx"].push_back(std::move(idx));
  }
  LS_ASSIGN_OR_RETURN(std::string png, EncodePng(bytes));
  LS_ASSIGN_OR_RETURN(std::string wav, EncodeWav(floats, 8000));
  seeds["media"] = {std::move(png), std::move(wav)};
  return Ok();
}

constexpr const char* kCaseText = R"({"what": "a case", "graph": "graph.pb",
"config": {"allow_soft_placement": true},
"steps": [{"feed": {"x:0": "x.npy",
  "s:0": {"strings": ["a", {"b64": "/w=="}], "shape": [2]},
  "f:0": {"path": "m.ckpt"}, "o:0": {"out": "m.ckpt"}},
  "fetch": ["y:0"], "targets": ["init"]}]})";

Status AddAll(Seeds& seeds) {
  LS_RETURN_IF_ERROR(AddGraphs(seeds));
  LS_RETURN_IF_ERROR(AddCheckpoints(seeds));
  LS_RETURN_IF_ERROR(AddEvents(seeds));
  LS_RETURN_IF_ERROR(AddArrays(seeds));
  LS_RETURN_IF_ERROR(AddTraces(seeds));
  seeds["case_file"].push_back(kCaseText);
  return Ok();
}

// The target for a file of that name; null when there is none.
const char* TargetOf(const fs::path& path) {
  static const std::pair<const char*, const char*> kByExtension[] = {
      {".pb", "graph_def"},    {".pbtxt", "graph_text"},
      {".meta", "meta_graph"}, {".index", "checkpoint_index"},
      {".npy", "npy"},         {".json", "case_file"}};
  const std::string name = path.filename().string();
  if (name.find(".tfevents.") != name.npos) return "records";
  if (name == "saved_model.pb") return "saved_model";
  if (name.find(".data-0") != name.npos) return "checkpoint_data";
  if (name.find("ubyte") != name.npos) return "idx";
  for (const auto& [extension, target] : kByExtension) {
    if (path.extension() == extension) return target;
  }
  return nullptr;
}

}  // namespace

Seeds MakeSeeds() {
  Seeds seeds;
  const Status status = AddAll(seeds);
  if (status.ok()) return seeds;
  std::fprintf(stderr, "seeds: %s\n", status.ToString().c_str());
  return {};
}

void AddFiles(const std::string& folder, Seeds& seeds) {
  std::error_code error;
  for (const auto& file : fs::recursive_directory_iterator(folder, error)) {
    if (!file.is_regular_file() || file.file_size() > kMaxInput) continue;
    const char* target = TargetOf(file.path());
    if (target == nullptr) continue;
    std::ifstream in(file.path(), std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    seeds[target].push_back(bytes.str());
  }
}

}  // namespace lockstep::fuzz
