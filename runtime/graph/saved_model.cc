// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/saved_model.h"

#include <algorithm>
#include <set>

#include "proto/saved_model.pb.h"
#include "runtime/graph/graph_def.h"
#include "runtime/graph/meta_graph_proto.h"
#include "runtime/io/parse_proto.h"

namespace lockstep {
namespace {

constexpr int64_t kSchemaVersion = 1;
constexpr const char* kServe = "serve";

std::set<std::string> TagsOf(const proto::MetaGraphDef& meta) {
  const auto& tags = meta.meta_info_def().tags();
  return {tags.begin(), tags.end()};
}

const proto::MetaGraphDef* Choose(const proto::SavedModel& model,
                                  const std::vector<std::string>& tags) {
  const std::set<std::string> wanted =
      tags.empty() ? std::set<std::string>{kServe}
                   : std::set<std::string>(tags.begin(), tags.end());
  for (const auto& meta : model.meta_graphs()) {
    if (TagsOf(meta) == wanted) return &meta;
  }
  return tags.empty() && model.meta_graphs_size() == 1 ? &model.meta_graphs(0)
                                                       : nullptr;
}

Result<MetaGraph> Import(const proto::SavedModel& model,
                         const std::vector<std::string>& tags) {
  if (const proto::MetaGraphDef* meta = Choose(model, tags)) {
    return FromProto(*meta);
  }
  std::vector<std::string> there;
  for (const auto& meta : model.meta_graphs()) {
    there.push_back(StrCat("{", Join(TagsOf(meta), ", "), "}"));
  }
  return NotFound("it has no meta graph tagged {",
                  tags.empty() ? kServe : Join(tags, ", "), "}; it has ",
                  there.empty() ? "none" : Join(there, ", "));
}

bool LooksLikeText(std::string_view bytes) {
  return std::ranges::all_of(bytes.substr(0, 1024), [](unsigned char c) {
    return c >= ' ' || c == '\n' || c == '\t' || c == '\r';
  });
}

// A file that is no folder, by its contents; `path` only tells the kind.
Result<MetaGraph> ImportFile(std::string_view bytes, const std::string& path) {
  MetaGraph meta;
  const bool is_meta = path.ends_with(".meta");
  if (is_meta && !LooksLikeText(bytes)) return FromMetaGraphDef(bytes);
  if (!is_meta && !path.ends_with(".pbtxt")) {
    LS_ASSIGN_OR_RETURN(meta.graph, FromGraphDef(bytes));
    return meta;
  }
  proto::MetaGraphDef def;
  if (ParseTextProto(bytes, def).ok()) return FromProto(def);
  LS_ASSIGN_OR_RETURN(meta.graph, FromGraphDefText(bytes));
  return meta;
}

}  // namespace

bool IsSavedModel(Env& env, const std::string& dir) {
  return env.FileExists(JoinPath(dir, kSavedModelFile)) ||
         env.FileExists(JoinPath(dir, kSavedModelTextFile));
}

Result<MetaGraph> ReadSavedModel(Env& env, const std::string& dir,
                                 const std::vector<std::string>& tags) {
  proto::SavedModel model;
  std::string path = JoinPath(dir, kSavedModelFile);
  Status parsed;
  if (env.FileExists(path)) {
    LS_ASSIGN_OR_RETURN(const std::string bytes, env.ReadFile(path));
    parsed = ParseProto(bytes, model);
  } else if (path = JoinPath(dir, kSavedModelTextFile); env.FileExists(path)) {
    LS_ASSIGN_OR_RETURN(const std::string text, env.ReadFile(path));
    parsed = ParseTextProto(text, model);
  } else {
    return NotFound("'", dir, "' is no SavedModel: it has no ",
                    kSavedModelFile);
  }
  if (!parsed.ok()) return parsed.WithContext(path);
  Result<MetaGraph> meta = Import(model, tags);
  if (!meta.ok()) return meta.status().WithContext(path);
  return meta;
}

Status WriteSavedModel(Env& env, const std::string& dir,
                       const MetaGraph& meta) {
  proto::SavedModel model;
  model.set_saved_model_schema_version(kSchemaVersion);
  LS_RETURN_IF_ERROR(ToProto(meta, model.add_meta_graphs()));
  LS_ASSIGN_OR_RETURN(const std::string bytes, SerializeProto(model));
  LS_RETURN_IF_ERROR(env.CreateDirs(dir));
  return env.WriteFileAtomically(JoinPath(dir, kSavedModelFile), bytes);
}

Result<MetaGraph> ReadGraphFile(Env& env, const std::string& path) {
  if (IsSavedModel(env, path)) return ReadSavedModel(env, path);
  if (BaseName(path) == kSavedModelFile) {
    return ReadSavedModel(env, DirName(path));
  }
  LS_ASSIGN_OR_RETURN(const std::string bytes, env.ReadFile(path));
  Result<MetaGraph> meta = ImportFile(bytes, path);
  if (!meta.ok()) return meta.status().WithContext(path);
  return meta;
}

}  // namespace lockstep
