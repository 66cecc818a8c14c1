// SPDX-License-Identifier: Apache-2.0
#pragma once

// Graphs to and from TensorFlow's GraphDef.
//
//   std::string bytes = *ToGraphDef(graph);          // opens in TensorBoard
//   LS_ASSIGN_OR_RETURN(Graph g, FromGraphDef(bytes));
//   LS_ASSIGN_OR_RETURN(Graph h, FromGraphDefText(pbtxt));

#include <string>
#include <string_view>

#include "runtime/graph/graph.h"

namespace lockstep {

namespace proto {
class GraphDef;
}

// A serialized GraphDef. Attributes whose values are the op's defaults are
// written too. UNIMPLEMENTED for constants of dtypes that have no bytes.
Result<std::string> ToGraphDef(const Graph& graph);

// INVALID_ARGUMENT when the bytes are no GraphDef, an input does not exist, or
// a node does not fit its op. UNIMPLEMENTED lists every op that is unknown,
// with the nodes that use it.
Result<Graph> FromGraphDef(std::string_view bytes);
// The same from protobuf text.
Result<Graph> FromGraphDefText(std::string_view text);

// The same with the message itself, for files that contain one.
Status ToProto(const Graph& graph, proto::GraphDef* out);
Result<Graph> FromProto(const proto::GraphDef& def);
// Empties the message as it goes, so that a large graph is not held twice.
Result<Graph> FromProto(proto::GraphDef&& def);

}  // namespace lockstep
