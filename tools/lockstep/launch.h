// SPDX-License-Identifier: Apache-2.0
#pragma once

// lockstep launch: see docs/command_line.md.

#include <string>
#include <vector>

namespace lockstep {

int LaunchMain(const std::vector<std::string>& args);

}  // namespace lockstep
