// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where fuzzing starts: small valid inputs for each target, made by Lockstep's
// own writers, and, where there are recorded cases, their small files.

#include <map>
#include <string>
#include <vector>

namespace lockstep::fuzz {

using Seeds = std::map<std::string, std::vector<std::string>>;  // by target

// Empty when one cannot be made, after saying so on standard error.
Seeds MakeSeeds();
// Adds the files of at most kMaxInput bytes below `folder` that suit a target.
void AddFiles(const std::string& folder, Seeds& seeds);

}  // namespace lockstep::fuzz
