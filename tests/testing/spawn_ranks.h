// SPDX-License-Identifier: Apache-2.0
#pragma once

// SpawnRanks: runs a function as N ranks, each a thread with a communicator of
// its own, and waits for all. A run that does not end within the outer
// deadline ends the test program with a message: threads cannot be stopped.
//
//   SpawnRanks(3, [](Communicator& comm) {
//     EXPECT_TRUE(comm.Barrier().ok());
//   });

#include <cstddef>
#include <functional>
#include <memory>

#include "distributed/communicator.h"

namespace lockstep {

struct SpawnOptions {
  size_t half_bytes = 0;                 // see local_communicator.h
  int deadline_seconds = 120;            // of the whole run
  uint64_t timeout_micros = 60'000'000;  // of each collective
};

// `f` owns its rank's communicator by reference until it returns; it is
// destroyed right after, so that the rank counts as gone.
void SpawnRanks(int size, const std::function<void(Communicator&)>& f,
                const SpawnOptions& options = {});
// The same with communicators that `f` keeps (in a session, say).
void SpawnRanksShared(
    int size, const std::function<void(std::shared_ptr<Communicator>)>& f,
    const SpawnOptions& options = {});

}  // namespace lockstep
