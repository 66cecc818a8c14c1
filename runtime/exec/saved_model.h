// SPDX-License-Identifier: Apache-2.0
#pragma once

// SavedModels ready to run: the meta graph in a session, its variables
// restored, its initialiser run; and the other way, a session's graph and
// variables as a SavedModel that TensorFlow loads. The file saved_model.pb
// alone is graph/saved_model.h's.
//
// Threading is the session's.
//
//   LS_ASSIGN_OR_RETURN(SavedModel m, LoadSavedModel(env, "model"));
//   LS_ASSIGN_OR_RETURN(auto out, m.Call("serving_default", {{"images", x}}));
//   Use(out["scores"]);

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/exec/saver.h"
#include "runtime/exec/session.h"
#include "runtime/graph/meta_graph.h"

namespace lockstep {

using NamedTensors = std::map<std::string, Tensor>;

struct SavedModel {
  MetaGraph meta;
  std::unique_ptr<Session> session;

  // All outputs of a signature by their names. NOT_FOUND with the nearest name
  // for a signature or an input that is not there, INVALID_ARGUMENT for an
  // input that is missing or of another dtype or shape.
  Result<NamedTensors> Call(const std::string& signature,
                            const NamedTensors& inputs);
};

// `tags` as for ReadSavedModel. Errors name the folder.
Result<SavedModel> LoadSavedModel(Env& env, const std::string& dir,
                                  const std::vector<std::string>& tags = {},
                                  SessionOptions options = {});

// Writes `meta`, whose graph is the session's, and the variables as they are.
// `saver` fills in meta's. Files in assets/ are left to the caller.
Status ExportSavedModel(Env& env, const std::string& dir, Session& session,
                        Saver& saver, MetaGraph meta);

}  // namespace lockstep
