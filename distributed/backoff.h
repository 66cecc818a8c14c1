// SPDX-License-Identifier: Apache-2.0
#pragma once

// Backoff: how a rank waits for others. It spins briefly (they arrive within
// microseconds when each has a core), then yields (more ranks than cores),
// then sleeps (somebody is late).
//
//   Backoff backoff(spins);
//   while (!Arrived()) {
//     if (backoff.Pause()) LS_RETURN_IF_ERROR(CheckDeadlineAndPeers());
//   }

#include <cstdint>

namespace lockstep {

class Backoff {
 public:
  // `spins`: pauses before the first yield; see SpinsFor.
  explicit Backoff(int spins) : spins_left_(spins) {}

  // Waits a little, longer each time. True when costly checks are due: seldom
  // while yielding, each time once sleeping.
  bool Pause() {
    if (spins_left_ > 0) {
      --spins_left_;
      SpinPause();
      return false;
    }
    return PauseLonger();
  }

 private:
  static void SpinPause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }
  bool PauseLonger();

  int spins_left_;
  int yields_ = 0;
  uint64_t sleep_at_micros_ = 0;
};

// Few when the ranks outnumber the processors they may use: whoever is awaited
// needs ours.
int SpinsFor(int ranks, int processors);

}  // namespace lockstep
