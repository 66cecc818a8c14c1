// SPDX-License-Identifier: Apache-2.0
#pragma once

// lockstep ops: what the registry has - every op with its types, devices and
// whether it has a gradient.

#include <string>
#include <vector>

namespace lockstep {

// The exit status: 0; 2 for bad options or an op that does not exist.
int OpsMain(const std::vector<std::string>& args);

// docs/ops.md, whole.
std::string OpsMarkdown();

}  // namespace lockstep
