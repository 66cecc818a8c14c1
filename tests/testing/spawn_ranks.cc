// SPDX-License-Identifier: Apache-2.0
#include "tests/testing/spawn_ranks.h"

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

#include "distributed/local_communicator.h"

namespace lockstep {

void SpawnRanksShared(
    int size, const std::function<void(std::shared_ptr<Communicator>)>& f,
    const SpawnOptions& options) {
  auto ranks = MakeLocalCommunicators(size, {.half_bytes = options.half_bytes});
  std::mutex mu;
  std::condition_variable ended;
  int running = size;
  std::vector<std::thread> threads;
  for (auto& rank : ranks) {
    rank->set_timeout_micros(options.timeout_micros);
    threads.emplace_back(
        [&, shared = std::shared_ptr<Communicator>(std::move(rank))]() mutable {
          f(std::move(shared));
          const std::lock_guard<std::mutex> lock(mu);
          --running;
          ended.notify_all();
        });
  }
  {
    std::unique_lock<std::mutex> lock(mu);
    if (!ended.wait_for(lock, std::chrono::seconds(options.deadline_seconds),
                        [&] { return running == 0; })) {
      std::fprintf(stderr, "SpawnRanks: %d of %d ranks still run after %d s\n",
                   running, size, options.deadline_seconds);
      std::_Exit(1);
    }
  }
  for (std::thread& thread : threads) thread.join();
}

void SpawnRanks(int size, const std::function<void(Communicator&)>& f,
                const SpawnOptions& options) {
  SpawnRanksShared(
      size, [&](std::shared_ptr<Communicator> comm) { f(*comm); }, options);
}

}  // namespace lockstep
