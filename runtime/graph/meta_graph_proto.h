// SPDX-License-Identifier: Apache-2.0
#pragma once

// MetaGraph to and from the message, for files that contain one; see
// meta_graph.h for the bytes.

#include "runtime/graph/meta_graph.h"

namespace lockstep {

namespace proto {
class MetaGraphDef;
}

Status ToProto(const MetaGraph& meta, proto::MetaGraphDef* out);
// Empties the message's graph as it goes, so that it is not held twice.
Result<MetaGraph> FromProto(proto::MetaGraphDef&& def);

// What ReadGraphFile does before it imports: the message of any kind of graph
// file; of a GraphDef it has nothing but that.
Status ReadMetaGraphDef(Env& env, const std::string& path,
                        proto::MetaGraphDef* out);

}  // namespace lockstep
