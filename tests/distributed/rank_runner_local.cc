// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>

#include "distributed/hierarchical_communicator.h"
#include "tests/distributed/rank_runner.h"
#include "tests/testing/spawn_ranks.h"

namespace lockstep {

std::vector<RankSetup> RankSetups() {
  return {{"local", 1},        {"local", 2},        {"local", 3},
          {"local", 4},        {"local", 5},        {"hierarchical", 3},
          {"hierarchical", 4}, {"hierarchical", 6}, {"uneven", 6},
          {"uneven", 7}};
}

namespace {

// Machines of so many ranks each, of the last one what is left; all are
// threads, and "across" goes through memory.
std::unique_ptr<Communicator> Hierarchy(std::shared_ptr<Communicator> world,
                                        int per_machine) {
  const int rank = world->rank();
  const int last = world->size() % per_machine;
  const int holders = last == 0 ? per_machine : last;
  auto machine = world->Split(rank / per_machine, rank);
  auto across = world->Split(std::min(rank % per_machine, holders), rank);
  EXPECT_TRUE(machine.ok()) << machine.status().ToString();
  EXPECT_TRUE(across.ok()) << across.status().ToString();
  if (rank % per_machine >= holders) across->reset();
  auto made = MakeHierarchicalCommunicator(
      {std::move(world), *std::move(machine), *std::move(across)});
  EXPECT_TRUE(made.ok()) << made.status().ToString();
  return *std::move(made);
}

}  // namespace

void RunRanks(const RankSetup& setup,
              const std::function<void(Communicator&)>& f,
              const RankOptions& options) {
  if (setup.backend != "local") {
    SpawnRanksShared(setup.size,
                     [&](std::shared_ptr<Communicator> world) {
                       const uint64_t timeout = world->timeout_micros();
                       const auto ranks = Hierarchy(
                           std::move(world), setup.backend == "uneven" ? 4 : 2);
                       ranks->set_timeout_micros(timeout);
                       f(*ranks);
                     },
                     {.half_bytes = options.half_bytes,
                      .timeout_micros = options.timeout_micros});
    return;
  }
  SpawnRanks(setup.size, f,
             {.half_bytes = options.half_bytes,
              .timeout_micros = options.timeout_micros});
}

}  // namespace lockstep
