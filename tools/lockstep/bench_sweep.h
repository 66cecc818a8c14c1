// SPDX-License-Identifier: Apache-2.0
#pragma once

// `lockstep bench elementwise`, `reduce`, `matmul` and `conv`: single ops by
// size, with their bandwidth or operations and the share of what this machine
// reaches at best (bench_peaks.h).

#include <string>
#include <vector>

#include "tools/lockstep/bench_options.h"

namespace lockstep {

std::vector<std::string> SweepNames();

// Sizes go up to --max-bytes of operands; one rank. `threads` above 0.
Status BenchSweep(const BenchOptions& options, int threads);

}  // namespace lockstep
