// SPDX-License-Identifier: Apache-2.0
#pragma once

// `lockstep bench allreduce`: times and bandwidths of sums over the ranks, for
// each way to exchange them and for MPI's own, by size.

#include "tools/lockstep/bench_options.h"

namespace lockstep {

// Called by every rank; rank 0 prints a table, or a line of JSON for each row.
// Bandwidths are those of NCCL's tests: algorithm = bytes / time, bus = that
// times 2 (ranks - 1) / ranks. DATA_LOSS when a sum is wrong.
Status BenchAllReduce(const BenchOptions& options);

}  // namespace lockstep
