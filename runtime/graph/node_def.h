// SPDX-License-Identifier: Apache-2.0
#pragma once

// Nodes to TensorFlow's NodeDef. For graph_def.cc and function_def.cc; the way
// back is node_import.h.

#include <string>

#include "runtime/graph/graph.h"

namespace lockstep {

namespace proto {
class NodeDef;
}

// How an input is written: "node:1", or "node:output name:1" in functions.
using InputNameFn = Result<std::string> (*)(Output);

// UNIMPLEMENTED naming the node for constants of dtypes that have no bytes.
Status WriteNode(const Node& n, InputNameFn input_name, proto::NodeDef* out);

}  // namespace lockstep
