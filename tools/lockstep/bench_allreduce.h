// SPDX-License-Identifier: Apache-2.0
#pragma once

// `lockstep bench allreduce`: times and bandwidths of sums over the ranks, for
// each way to exchange them and for MPI's own, by size.

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/core/status.h"

namespace lockstep {

struct AllReduceBenchOptions {
  std::vector<std::string> backends;  // none: all that can run here
  int64_t max_bytes = int64_t{64} << 20;
  bool json = false;
};

// Called by every rank; rank 0 prints a table, or a line of JSON for each row.
// Bandwidths are those of NCCL's tests: algorithm = bytes / time, bus = that
// times 2 (ranks - 1) / ranks. DATA_LOSS when a sum is wrong.
Status BenchAllReduce(const AllReduceBenchOptions& options);

}  // namespace lockstep
