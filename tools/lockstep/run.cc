// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/run.h"

#include <algorithm>

#include "runtime/graph/meta_graph.h"
#include "runtime/io/npy.h"
#include "tools/lockstep/case_file.h"
#include "tools/lockstep/command.h"
#include "tools/lockstep/json.h"
#include "tools/lockstep/session_flags.h"

namespace lockstep {
namespace {

constexpr const char* kHelp =
    R"(lockstep run --graph FILE --case FILE --out DIR

Runs the steps of a case file in one session and writes what they fetch.

  FILE of --graph   .pb, .pbtxt (GraphDef), .meta (MetaGraphDef) or the folder
                    of a SavedModel
  FILE of --case    steps with feeds, fetches and targets, as JSON
  DIR               step<i>/<tensor>.npy or .json, or step<i>/error.json

Exit status 0 when every step ran or failed as a step; 2, with one line on
standard error, for a bad graph or case; 1 when nothing can be written.
)";

struct RunOptions {
  std::string graph;
  std::string case_file;
  std::string out;
  int threads = 0;
  SessionFlags session;
};

// A file to write: its name in the step's folder and its bytes.
struct OutputFile {
  std::string name;
  std::string bytes;
};

std::string FileName(std::string tensor) {
  std::ranges::replace(tensor, ':', '_');
  std::ranges::replace(tensor, '/', '_');
  return tensor;
}

Result<OutputFile> Encode(const std::string& name, const Tensor& tensor) {
  if (tensor.dtype() == kString) {
    Json list = Json::array();
    for (const std::string& s : tensor.flat<std::string>()) {
      list.push_back(BytesToJson(s));
    }
    return OutputFile{FileName(name) + ".json", DumpJson(list)};
  }
  Result<std::string> bytes = EncodeNpy(tensor);
  if (!bytes.ok()) {
    return bytes.status().WithContext(StrCat("fetch of '", name, "'"));
  }
  return OutputFile{FileName(name) + ".npy", *std::move(bytes)};
}

// NumPy has no bfloat16, so what feeds such a tensor comes as float.
void ToBfloat16(Tensor* tensor) {
  Tensor out(kBfloat16, tensor->shape());
  std::ranges::transform(std::as_const(*tensor).flat<float>(),
                         out.flat<BFloat16>().begin(),
                         [](float v) { return BFloat16(v); });
  *tensor = std::move(out);
}

void FitBfloat16(const Graph& graph, std::vector<Session::Feed>* feeds) {
  for (auto& [name, tensor] : *feeds) {
    const Result<Output> output = graph.FindOutput(name);
    if (output.ok() && BaseOf(output->dtype()) == kBfloat16 &&
        tensor.dtype() == kFloat) {
      ToBfloat16(&tensor);
    }
  }
}

Result<std::vector<OutputFile>> RunStep(Session& session, const Graph& graph,
                                        CaseStep step) {
  FitBfloat16(graph, &step.feeds);
  LS_ASSIGN_OR_RETURN(const std::vector<Tensor> values,
                      session.Run(step.feeds, step.fetches, step.targets));
  std::vector<OutputFile> files;
  for (size_t i = 0; i < values.size(); ++i) {
    LS_ASSIGN_OR_RETURN(OutputFile file, Encode(step.fetches[i], values[i]));
    files.push_back(std::move(file));
  }
  return files;
}

OutputFile ErrorFile(const Status& status) {
  return {"error.json", DumpJson(Json{{"code", CodeName(status.code())},
                                      {"message", status.message()}})};
}

Status WriteFiles(Env& env, const std::string& dir,
                  const std::vector<OutputFile>& files) {
  LS_RETURN_IF_ERROR(env.CreateDirs(dir));
  for (const OutputFile& f : files) {
    LS_ASSIGN_OR_RETURN(auto file, env.NewWritableFile(JoinPath(dir, f.name)));
    LS_RETURN_IF_ERROR(file->Append(f.bytes));
    LS_RETURN_IF_ERROR(file->Close());
  }
  return Ok();
}

// Every step leaves its fetches or its error; only writing can fail.
Status RunSteps(Env& env, const Graph& graph, const Case& cases,
                const std::string& out) {
  // A graph that cannot be placed fails in every step, as in TensorFlow.
  Result<std::unique_ptr<Session>> session =
      Session::Create(graph, cases.options);
  for (size_t i = 0; i < cases.steps.size(); ++i) {
    Result<std::vector<OutputFile>> files =
        session.ok() ? RunStep(**session, graph, cases.steps[i])
                     : Result<std::vector<OutputFile>>(session.status());
    if (!files.ok()) files = std::vector{ErrorFile(files.status())};
    LS_RETURN_IF_ERROR(
        WriteFiles(env, JoinPath(out, StrCat("step", i)), *files));
  }
  return Ok();
}

Status Check(const RunOptions& o) {
  LS_RETURN_IF_ERROR(Required("graph", o.graph));
  LS_RETURN_IF_ERROR(Required("case", o.case_file));
  LS_RETURN_IF_ERROR(Required("out", o.out));
  if (o.threads < 0 || o.threads > 1024) {
    return InvalidArgument("--threads must be 0 to 1024, got ", o.threads);
  }
  return Ok();
}

}  // namespace

int RunMain(const std::vector<std::string>& args) {
  RunOptions o;
  CommandLine line(kHelp);
  line.options.add_options()                                              //
      ("graph", po::value(&o.graph)->value_name("FILE"), "the graph")     //
      ("case", po::value(&o.case_file)->value_name("FILE"), "the steps")  //
      ("out", po::value(&o.out)->value_name("DIR"), "where values go")    //
      ("threads", po::value(&o.threads)->value_name("N"),
       "threads of a step; 0: the case's, else the processors there are");
  o.session.AddTo(line.options);
  Status status = line.Parse(args);
  if (line.help()) return line.ShowHelp();
  status.Update(Check(o));
  if (!status.ok()) return Fail("run", status, kExitBadInput);
  Env& env = *Env::Default();
  Result<Case> cases = ReadCase(env, o.case_file, o.out);
  if (!cases.ok()) return Fail("run", cases.status(), kExitBadInput);
  status = o.session.Apply("run", env, &cases->options);
  if (!status.ok()) return Fail("run", status, kExitBadInput);
  if (o.threads > 0) cases->options.intra_op_threads = o.threads;
  const Result<MetaGraph> meta = ReadGraphFile(env, o.graph);
  if (!meta.ok()) return Fail("run", meta.status(), kExitBadInput);
  status = RunSteps(env, meta->graph, *cases, o.out);
  return status.ok() ? 0 : Fail("run", status, kExitFailed);
}

}  // namespace lockstep
