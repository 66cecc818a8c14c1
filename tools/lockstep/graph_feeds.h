// SPDX-License-Identifier: Apache-2.0
#pragma once

// The feeds of a graph from a file, as --feed-shape options tell their shapes.
//
//   LS_ASSIGN_OR_RETURN(std::vector<Session::Feed> feeds,
//                       FeedsOf(meta.graph, {"x=100,784", "rate="}));

#include <string>
#include <vector>

#include "runtime/exec/session.h"

namespace lockstep {

// Those given as TENSOR=SIZES, and every placeholder whose shape the graph
// tells. The values are not set.
Result<std::vector<Session::Feed>> FeedsOf(
    const Graph& graph, const std::vector<std::string>& feed_shapes);

}  // namespace lockstep
