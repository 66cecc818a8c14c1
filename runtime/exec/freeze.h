// SPDX-License-Identifier: Apache-2.0
#pragma once

// Freezing: the part of a graph that some outputs need, with variables turned
// into constants of their present values. What is left needs no checkpoint.
//
//   LS_ASSIGN_OR_RETURN(Graph frozen,
//                       FreezeGraph(graph, *session, {"probabilities"}));
//   LS_ASSIGN_OR_RETURN(std::string bytes, ToGraphDef(frozen));

#include <string>
#include <vector>

#include "runtime/exec/session.h"

namespace lockstep {

// `outputs` are names of nodes; nodes keep their names. A reference variable
// becomes a constant itself, a resource's reads do. FAILED_PRECONDITION for a
// variable that is not initialised; UNIMPLEMENTED, with the node, where a
// resource is used otherwise than by being read.
Result<Graph> FreezeGraph(const Graph& graph, Session& session,
                          const std::vector<std::string>& outputs);

}  // namespace lockstep
