// SPDX-License-Identifier: Apache-2.0
#pragma once

// Ranks as threads of one process: for tests, and for programs that run alone.
// The algorithm is the one of the shared-memory communicator.
//
//   auto ranks = MakeLocalCommunicators(3);
//   // give each to one thread

#include <memory>
#include <vector>

#include "distributed/communicator.h"

namespace lockstep {

struct LocalCommunicatorOptions {
  size_t half_bytes = 0;  // 0: the default; see segment_communicator.h
};

// One for each of `size` >= 1 ranks. Each may outlive the others.
std::vector<std::unique_ptr<Communicator>> MakeLocalCommunicators(
    int size, const LocalCommunicatorOptions& options = {});

}  // namespace lockstep
