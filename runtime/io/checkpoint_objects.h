// SPDX-License-Identifier: Apache-2.0
#pragma once

// The object graph that a TensorFlow 2 checkpoint has beside its tensors: which
// variable is stored under which key ("layer/kernel/.ATTRIBUTES/VARIABLE_VALUE"
// and the like). CheckpointReader uses it to find variables by their names.
//
//   LS_ASSIGN_OR_RETURN(auto keys, VariableKeys(object_graph_bytes));
//   keys.find("dense/kernel");   // its key in the checkpoint

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/status.h"

namespace lockstep {

// The key of the object graph itself: a string scalar.
inline constexpr const char* kObjectGraphKey = "_CHECKPOINTABLE_OBJECT_GRAPH";

// Names of variables, with the checkpoint's key of each. A name that several
// variables have is left out. INVALID_ARGUMENT when `bytes` is no object graph.
using KeysByName = std::map<std::string, std::string, std::less<>>;
Result<KeysByName> VariableKeys(std::string_view bytes);

// "layer/kernel" of "layer/kernel/.ATTRIBUTES/VARIABLE_VALUE": a variable's
// place in the tree of objects. Empty when the key is not a variable's.
std::string ObjectPath(std::string_view key);

}  // namespace lockstep
