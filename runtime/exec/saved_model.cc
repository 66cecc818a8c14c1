// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/saved_model.h"

#include <utility>

#include "runtime/graph/saved_model.h"

namespace lockstep {
namespace {

// TensorFlow 2 names the initialiser by a signature, TensorFlow 1 by a
// collection. Empty when there is none.
std::string InitializerOf(const MetaGraph& meta) {
  constexpr const char* kSignature = "__saved_model_init_op";
  const auto signature = meta.signatures.find(kSignature);
  if (signature != meta.signatures.end()) {
    const auto output = signature->second.outputs.find(kSignature);
    if (output != signature->second.outputs.end()) return output->second.name;
  }
  for (const char* name : {"saved_model_main_op", "legacy_init_op"}) {
    const std::vector<std::string> nodes = meta.NodeCollection(name);
    if (!nodes.empty()) return nodes[0];
  }
  return {};
}

Status Restore(Env& env, const std::string& dir, SavedModel& model) {
  const std::string variables = JoinPath(dir, kSavedModelVariables);
  if (!model.meta.saver.defined() || !env.FileExists(variables + ".index")) {
    return Ok();
  }
  LS_ASSIGN_OR_RETURN(
      Saver saver,
      Saver::ForGraph(model.meta.graph, model.meta.saver, {.env = &env}));
  return saver.Restore(*model.session, variables);
}

Status Initialize(const std::string& dir, SavedModel& model) {
  const std::string initializer = InitializerOf(model.meta);
  if (initializer.empty()) return Ok();
  std::vector<Session::Feed> feeds;
  for (const Asset& asset : model.meta.assets) {
    feeds.emplace_back(asset.tensor, Tensor(JoinPath(JoinPath(dir, "assets"),
                                                     asset.filename)));
  }
  // The name of a node, or of an output of it.
  const std::string node = initializer.substr(0, initializer.rfind(':'));
  return model.session->RunTargets({node}, feeds);
}

template <class T>
std::string DidYouMean(const std::string& name,
                       const std::map<std::string, T>& known) {
  std::vector<std::string> names;
  for (const auto& [n, unused] : known) names.push_back(n);
  const std::string near = NearestName(name, names);
  return near.empty() ? StrCat("; there are: ", Join(names, ", "))
                      : StrCat("; did you mean '", near, "'?");
}

Result<std::vector<Session::Feed>> FeedsOf(const std::string& name,
                                           const Signature& signature,
                                           const NamedTensors& inputs) {
  for (const auto& [input, value] : inputs) {
    if (signature.inputs.contains(input)) continue;
    return NotFound("signature '", name, "' has no input '", input, "'",
                    DidYouMean(input, signature.inputs));
  }
  std::vector<Session::Feed> feeds;
  for (const auto& [input, info] : signature.inputs) {
    const auto given = inputs.find(input);
    if (given == inputs.end()) {
      return InvalidArgument("signature '", name, "': input '", input,
                             "' is missing");
    }
    const Tensor& value = given->second;
    if (value.dtype() != info.dtype ||
        !info.shape.IsCompatibleWith(value.shape())) {
      return InvalidArgument("signature '", name, "': input '", input, "' is ",
                             DTypeName(info.dtype), " ", info.shape, ", got ",
                             DTypeName(value.dtype()), " ", value.shape());
    }
    feeds.emplace_back(info.name, value);
  }
  return feeds;
}

}  // namespace

Result<NamedTensors> SavedModel::Call(const std::string& signature,
                                      const NamedTensors& inputs) {
  const auto found = meta.signatures.find(signature);
  if (found == meta.signatures.end()) {
    return NotFound("there is no signature '", signature, "'",
                    DidYouMean(signature, meta.signatures));
  }
  LS_ASSIGN_OR_RETURN(const auto feeds,
                      FeedsOf(signature, found->second, inputs));
  std::vector<std::string> fetches;
  for (const auto& [name, info] : found->second.outputs) {
    fetches.push_back(info.name);
  }
  LS_ASSIGN_OR_RETURN(std::vector<Tensor> values, session->Run(feeds, fetches));
  NamedTensors out;
  size_t i = 0;
  for (const auto& [name, info] : found->second.outputs) {
    out[name] = std::move(values[i++]);
  }
  return out;
}

Result<SavedModel> LoadSavedModel(Env& env, const std::string& dir,
                                  const std::vector<std::string>& tags,
                                  SessionOptions options) {
  SavedModel model;
  LS_ASSIGN_OR_RETURN(model.meta, ReadSavedModel(env, dir, tags));
  auto session = Session::Create(model.meta.graph, std::move(options));
  Status status = session.status();
  if (session.ok()) {
    model.session = *std::move(session);
    status = Restore(env, dir, model);
  }
  if (status.ok()) status = Initialize(dir, model);
  if (!status.ok()) return status.WithContext(StrCat("'", dir, "'"));
  return model;
}

Status ExportSavedModel(Env& env, const std::string& dir, Session& session,
                        Saver& saver, MetaGraph meta) {
  meta.saver = saver.names();
  if (meta.tags.empty()) meta.tags = {"serve"};
  // The variables first: a folder with a saved_model.pb is whole.
  LS_RETURN_IF_ERROR(saver.Write(session, JoinPath(dir, kSavedModelVariables)));
  return WriteSavedModel(env, dir, meta);
}

}  // namespace lockstep
