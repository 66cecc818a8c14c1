// SPDX-License-Identifier: Apache-2.0
#pragma once

// lockstep plan GRAPH: where each op of a graph would run and why, what would
// be copied between devices, and what memory each device needs. Nothing is
// run.

#include <string>
#include <vector>

namespace lockstep {

// The exit status: 0; 1 when the graph cannot be placed or planned; 2, with
// one line on standard error, for bad options or a file that is no graph.
int PlanMain(const std::vector<std::string>& args);

}  // namespace lockstep
