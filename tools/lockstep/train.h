// SPDX-License-Identifier: Apache-2.0
#pragma once

// lockstep train GRAPH: trains an exported MetaGraph, alone or under mpirun.

#include <string>
#include <vector>

namespace lockstep {

// The exit status: 0; 1 when training failed; 2, with one line on standard
// error, for bad options, graphs, data or checkpoints.
int TrainMain(const std::vector<std::string>& args);

}  // namespace lockstep
