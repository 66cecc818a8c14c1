// SPDX-License-Identifier: Apache-2.0
#pragma once

// The file saved_model.pb of a SavedModel folder: meta graphs told apart by
// their tags. The variables beside it are a checkpoint; see exec/saved_model.h
// for loading and exporting the whole. Functions of any thread.
//
//   LS_ASSIGN_OR_RETURN(MetaGraph m, ReadSavedModel(env, "model", {"serve"}));
//   LS_RETURN_IF_ERROR(WriteSavedModel(env, "copy", m));

#include <string>
#include <vector>

#include "runtime/graph/meta_graph.h"

namespace lockstep {

// Within the folder.
inline constexpr const char* kSavedModelFile = "saved_model.pb";
inline constexpr const char* kSavedModelTextFile = "saved_model.pbtxt";
inline constexpr const char* kSavedModelVariables = "variables/variables";

// Whether `dir` has one of the two files.
bool IsSavedModel(Env& env, const std::string& dir);

// The meta graph with exactly these tags; without tags, the one tagged "serve"
// alone, or the only one. NOT_FOUND lists what there is.
Result<MetaGraph> ReadSavedModel(Env& env, const std::string& dir,
                                 const std::vector<std::string>& tags = {});

// Makes the folder and its saved_model.pb with this one meta graph.
Status WriteSavedModel(Env& env, const std::string& dir, const MetaGraph& meta);

}  // namespace lockstep
