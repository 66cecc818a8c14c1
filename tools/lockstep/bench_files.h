// SPDX-License-Identifier: Apache-2.0
#pragma once

// `lockstep bench checkpoint`: a session's variables saved and restored, beside
// a plain write with fsync and a plain read of as many bytes, in turn.
// `lockstep bench input`: batches of the input pipeline, images a second.

#include "tools/lockstep/bench_options.h"

namespace lockstep {

Status BenchCheckpoint(const BenchOptions& options, int threads);
Status BenchInput(const BenchOptions& options, int threads);

}  // namespace lockstep
