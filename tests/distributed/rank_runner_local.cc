// SPDX-License-Identifier: Apache-2.0
#include "tests/distributed/rank_runner.h"
#include "tests/testing/spawn_ranks.h"

namespace lockstep {

std::vector<RankSetup> RankSetups() {
  return {{"local", 1}, {"local", 2}, {"local", 3}, {"local", 4}, {"local", 5}};
}

void RunRanks(const RankSetup& setup,
              const std::function<void(Communicator&)>& f,
              const RankOptions& options) {
  SpawnRanks(setup.size, f,
             {.half_bytes = options.half_bytes,
              .timeout_micros = options.timeout_micros});
}

}  // namespace lockstep
