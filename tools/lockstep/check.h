// SPDX-License-Identifier: Apache-2.0
#pragma once

// lockstep check GRAPH: all that would not run, at once, with the nodes.

#include <string>
#include <vector>

namespace lockstep {

// The exit status: 0 when everything would run, 1 when something would not, 2
// for a file that is no graph.
int CheckMain(const std::vector<std::string>& args);

}  // namespace lockstep
