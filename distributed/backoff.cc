// SPDX-License-Identifier: Apache-2.0
#include "distributed/backoff.h"

#include <sched.h>

#include <chrono>
#include <thread>

#include "runtime/core/env.h"

namespace lockstep {
namespace {

constexpr int kSpins = 2000;  // some 90 us
constexpr int kSpinsWhenCrowded = 20;
constexpr int kYieldsBetweenChecks = 32;
constexpr uint64_t kYieldMicros = 2000;
constexpr auto kSleep = std::chrono::microseconds(100);

}  // namespace

bool Backoff::PauseLonger() {
  if (yields_ % kYieldsBetweenChecks == 0) {
    const uint64_t now = Env::Default()->SteadyMicros();
    if (sleep_at_micros_ == 0) sleep_at_micros_ = now + kYieldMicros;
    if (now >= sleep_at_micros_) {
      std::this_thread::sleep_for(kSleep);
      return true;
    }
  }
  sched_yield();
  return ++yields_ % kYieldsBetweenChecks == 0;
}

int SpinsFor(int ranks, int processors) {
  return ranks <= processors ? kSpins : kSpinsWhenCrowded;
}

}  // namespace lockstep
