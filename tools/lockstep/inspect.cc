// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/inspect.h"

#include <algorithm>
#include <cstdio>

#include "runtime/graph/saved_model.h"
#include "runtime/io/checkpoint_state.h"
#include "tools/lockstep/command.h"

namespace lockstep {
namespace {

constexpr const char* kHelp =
    R"(lockstep inspect FILE [--values N] [--stats] [--sha256] [--only TEXT] [--json]

Shows what a file holds. FILE is one of
  a graph         .pb, .pbtxt, .meta, or the folder of a SavedModel
  a checkpoint    its prefix, one of its files, or a folder with the newest
  an event file   events.out.tfevents.*, or a folder with the newest
  an array        .npy or IDX, plain or gzip
)";

enum class Kind { kGraph, kCheckpoint, kEvents, kArray };

struct Target {
  Kind kind = Kind::kGraph;
  std::string path;  // a checkpoint's prefix
};

// "model-10" of "model-10.index" and "model-10.data-00000-of-00001".
std::string CheckpointPrefix(const std::string& path) {
  if (path.ends_with(".index")) return path.substr(0, path.size() - 6);
  const size_t data = path.rfind(".data-");
  const bool is_data =
      data != std::string::npos && path.find("-of-", data) != std::string::npos;
  return is_data ? path.substr(0, data) : path;
}

bool HasIdxMagic(Env& env, const std::string& path) {
  const auto file = env.NewRandomAccessFile(path);
  char head[4] = {};
  if (!file.ok() || !(*file)->Read(0, sizeof head, head).ok()) return false;
  const bool gzip = head[0] == '\x1f' && head[1] == '\x8b';
  const bool idx = head[0] == 0 && head[1] == 0 && head[2] >= 8 &&
                   head[2] <= 14 && head[3] > 0;
  return gzip || idx;
}

bool IsEventFile(const std::string& path) {
  return BaseName(path).find("tfevents") != std::string::npos;
}

// The last of a folder's event files by name, which has the time in it.
Result<std::string> NewestEvents(const std::string& dir,
                                 const std::vector<std::string>& names) {
  const auto newest = std::find_if(names.rbegin(), names.rend(), IsEventFile);
  if (newest != names.rend()) return JoinPath(dir, *newest);
  return NotFound("folder '", dir, "' has no SavedModel, no checkpoint and no ",
                  "event file");
}

Result<Target> Recognise(Env& env, const std::string& path) {
  if (IsSavedModel(env, path)) return Target{Kind::kGraph, path};
  const std::string prefix = CheckpointPrefix(path);
  if (env.FileExists(prefix + ".index")) {
    return Target{Kind::kCheckpoint, prefix};
  }
  if (env.FileExists(JoinPath(path, "checkpoint"))) {
    LS_ASSIGN_OR_RETURN(std::string latest, LatestCheckpoint(env, path));
    return Target{Kind::kCheckpoint, std::move(latest)};
  }
  if (!env.FileExists(path)) {
    return NotFound("there is no file, folder or checkpoint '", path, "'");
  }
  if (IsEventFile(path)) return Target{Kind::kEvents, path};
  if (const auto names = env.ListDir(path); names.ok()) {
    LS_ASSIGN_OR_RETURN(std::string newest, NewestEvents(path, *names));
    return Target{Kind::kEvents, std::move(newest)};
  }
  if (path.ends_with(".npy") || HasIdxMagic(env, path)) {
    return Target{Kind::kArray, path};
  }
  return Target{Kind::kGraph, path};
}

struct Inspector {
  Kind kind;
  Result<Json> (*inspect)(Env& env, const std::string& path,
                          const InspectOptions& options);
  void (*print)(const Json& json);
};

Result<Json> GraphWithoutOptions(Env& env, const std::string& path,
                                 const InspectOptions&) {
  return InspectGraph(env, path);
}

constexpr Inspector kInspectors[] = {
    {Kind::kGraph, GraphWithoutOptions, PrintGraph},
    {Kind::kCheckpoint, InspectCheckpoint, PrintCheckpoint},
    {Kind::kEvents, InspectEvents, PrintEvents},
    {Kind::kArray, InspectArray, PrintArray},
};

Status Inspect(Env& env, const std::string& path, const InspectOptions& options,
               bool as_json) {
  LS_ASSIGN_OR_RETURN(const Target target, Recognise(env, path));
  for (const Inspector& i : kInspectors) {
    if (i.kind != target.kind) continue;
    LS_ASSIGN_OR_RETURN(const Json json, i.inspect(env, target.path, options));
    if (as_json) {
      std::printf("%s\n", DumpJson(json, 1).c_str());
    } else {
      i.print(json);
    }
  }
  return Ok();
}

}  // namespace

int InspectMain(const std::vector<std::string>& args) {
  std::string file;
  InspectOptions o;
  bool json = false;
  CommandLine line(kHelp);
  line.positional.add("file", 1);
  line.options.add_options()                                                 //
      ("file", po::value(&file)->value_name("FILE"), "also without --file")  //
      ("values", po::value(&o.values)->value_name("N")->implicit_value(8),
       "show the first N elements of each tensor or the last N scalars")  //
      ("stats", po::bool_switch(&o.stats),
       "least, greatest, mean, deviation, zeros and NaNs of each tensor")  //
      ("sha256", po::bool_switch(&o.sha256),
       "of the tensors of a checkpoint: names, types, shapes, elements")  //
      ("only", po::value(&o.only)->value_name("TEXT"),
       "tensors and tags with TEXT in their name")  //
      ("json", po::bool_switch(&json), "as JSON");
  Status status = line.Parse(args);
  if (line.help()) return line.ShowHelp();
  status.Update(Required("file", file));
  if (status.ok() && o.values < 0) {
    status = InvalidArgument("--values must not be negative, got ", o.values);
  }
  if (status.ok()) status = Inspect(*Env::Default(), file, o, json);
  return status.ok() ? 0 : Fail("inspect", status, kExitBadInput);
}

}  // namespace lockstep
