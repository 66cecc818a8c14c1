// SPDX-License-Identifier: Apache-2.0
#pragma once

// The nodes of a saver, as TensorFlow's Saver makes them. For Saver.

#include <vector>

#include "runtime/exec/saver.h"

namespace lockstep {

// Under this name the session's random step is in a checkpoint.
inline constexpr const char* kRandomStepName = "lockstep/random_step";

// Adds the nodes. The random step is a placeholder with the default 0, so that
// TensorFlow can run them too.
Result<SaverNames> AddSaverNodes(const Scope& scope,
                                 const std::vector<SavedVariable>& variables,
                                 const SaverOptions& options);

}  // namespace lockstep
