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

proto::MetaGraphDef* Choose(proto::SavedModel* model,
                            const std::vector<std::string>& tags) {
  const std::set<std::string> wanted =
      tags.empty() ? std::set<std::string>{kServe}
                   : std::set<std::string>(tags.begin(), tags.end());
  for (auto& meta : *model->mutable_meta_graphs()) {
    if (TagsOf(meta) == wanted) return &meta;
  }
  return tags.empty() && model->meta_graphs_size() == 1
             ? model->mutable_meta_graphs(0)
             : nullptr;
}

// The message of the folder `dir`, and the path of its file.
Status ReadMessage(Env& env, const std::string& dir, proto::SavedModel* model,
                   std::string* path) {
  *path = JoinPath(dir, kSavedModelFile);
  const bool binary = env.FileExists(*path);
  if (!binary) *path = JoinPath(dir, kSavedModelTextFile);
  if (!binary && !env.FileExists(*path)) {
    return NotFound("'", dir, "' is no SavedModel: it has no ",
                    kSavedModelFile);
  }
  LS_ASSIGN_OR_RETURN(const std::string bytes, env.ReadFile(*path));
  return (binary ? ParseProto(bytes, *model) : ParseTextProto(bytes, *model))
      .WithContext(*path);
}

Status ChooseFrom(proto::SavedModel* model, const std::string& path,
                  const std::vector<std::string>& tags,
                  proto::MetaGraphDef** out) {
  *out = Choose(model, tags);
  if (*out != nullptr) return Ok();
  std::vector<std::string> there;
  for (const auto& meta : model->meta_graphs()) {
    there.push_back(StrCat("{", Join(TagsOf(meta), ", "), "}"));
  }
  return NotFound(path, " has no meta graph tagged {",
                  tags.empty() ? kServe : Join(tags, ", "), "}; it has ",
                  there.empty() ? "none" : Join(there, ", "));
}

bool LooksLikeText(std::string_view bytes) {
  return std::ranges::all_of(bytes.substr(0, 1024), [](unsigned char c) {
    return c >= ' ' || c == '\n' || c == '\t' || c == '\r';
  });
}

// A file that is no folder, by its contents; `path` only tells the kind.
Status ParseFile(std::string_view bytes, const std::string& path,
                 proto::MetaGraphDef* out) {
  const bool is_meta = path.ends_with(".meta");
  if (path.ends_with(".pbtxt") || (is_meta && LooksLikeText(bytes))) {
    if (ParseTextProto(bytes, *out).ok()) return Ok();
    out->Clear();
    return ParseTextProto(bytes, *out->mutable_graph_def())
        .WithContext("not a GraphDef in text form");
  }
  if (is_meta) return ParseProto(bytes, *out);
  return ParseProto(bytes, *out->mutable_graph_def());
}

}  // namespace

bool IsSavedModel(Env& env, const std::string& dir) {
  return env.FileExists(JoinPath(dir, kSavedModelFile)) ||
         env.FileExists(JoinPath(dir, kSavedModelTextFile));
}

Result<MetaGraph> ReadSavedModel(Env& env, const std::string& dir,
                                 const std::vector<std::string>& tags) {
  proto::SavedModel model;
  std::string path;
  LS_RETURN_IF_ERROR(ReadMessage(env, dir, &model, &path));
  proto::MetaGraphDef* chosen = nullptr;
  LS_RETURN_IF_ERROR(ChooseFrom(&model, path, tags, &chosen));
  Result<MetaGraph> meta = FromProto(std::move(*chosen));
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

Status ReadMetaGraphDef(Env& env, const std::string& path,
                        proto::MetaGraphDef* out) {
  const std::string dir =
      BaseName(path) == kSavedModelFile ? DirName(path) : path;
  if (IsSavedModel(env, dir)) {
    proto::SavedModel model;
    std::string file;
    LS_RETURN_IF_ERROR(ReadMessage(env, dir, &model, &file));
    proto::MetaGraphDef* chosen = nullptr;
    LS_RETURN_IF_ERROR(ChooseFrom(&model, file, {}, &chosen));
    out->Swap(chosen);
    return Ok();
  }
  LS_ASSIGN_OR_RETURN(const std::string bytes, env.ReadFile(path));
  return ParseFile(bytes, path, out).WithContext(path);
}

Result<MetaGraph> ReadGraphFile(Env& env, const std::string& path) {
  proto::MetaGraphDef def;
  LS_RETURN_IF_ERROR(ReadMetaGraphDef(env, path, &def));
  Result<MetaGraph> meta = FromProto(std::move(def));
  if (!meta.ok()) return meta.status().WithContext(path);
  return meta;
}

}  // namespace lockstep
