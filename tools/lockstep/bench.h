// SPDX-License-Identifier: Apache-2.0
#pragma once

// `lockstep bench NAME`: step times of the reference models.

#include <string>
#include <vector>

namespace lockstep {

// Runs the command with its arguments (after "bench"); returns the exit
// status: 0, or 2 with one line on standard error.
int BenchMain(const std::vector<std::string>& args);

}  // namespace lockstep
