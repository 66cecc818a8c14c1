// SPDX-License-Identifier: Apache-2.0
#pragma once

// RunRanks: what the communicator suite runs its checks with. As a plain
// program the ranks are threads; under mpirun this process is one of them, and
// every process runs the same tests in the same order.

#include <functional>
#include <string>
#include <vector>

#include "distributed/communicator.h"

namespace lockstep {

struct RankSetup {
  // "local", "shm", "mpi", "hierarchical" (machines of two), "uneven" (of four
  // and what is left)
  std::string backend;
  int size = 1;
};
// What this program can run: several sizes of "local", or the backends of
// MpiContext with the size mpirun gave.
std::vector<RankSetup> RankSetups();

struct RankOptions {
  size_t half_bytes = 0;
  uint64_t timeout_micros = 60'000'000;
};
// Runs `f` on every rank with a new communicator.
void RunRanks(const RankSetup& setup,
              const std::function<void(Communicator&)>& f,
              const RankOptions& options = {});

}  // namespace lockstep
