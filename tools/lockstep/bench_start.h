// SPDX-License-Identifier: Apache-2.0
#pragma once

// `lockstep bench start`: from the start of the process to the end of the first
// training step of the MLP, by running `lockstep bench mlp` afresh many times.

#include "tools/lockstep/bench_options.h"

namespace lockstep {

Status BenchStart(const BenchOptions& options, int threads);

}  // namespace lockstep
