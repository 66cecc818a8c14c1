// SPDX-License-Identifier: Apache-2.0
#pragma once

// Plays steps of a data-parallel job message by message, on a clock of its own:
// every rank computes, with jitter, and every message of a collective leaves a
// host, travels and arrives, in turn with the others; ranks of one host sum in
// shared memory when the last of them has come. What predict.h says in a
// formula comes out of it when nothing jitters.
//
//   const Simulated s = Simulate(profile, schedule, 8, network,
//                                {.jitter = 0.1, .seed = 1});

#include "tools/lockstep/predict.h"

namespace lockstep {

struct SimulationOptions {
  int steps = 5;
  // Standard deviation of a rank's time for an op or message, as a part of it.
  double jitter = 0;
  uint64_t seed = 1;
};

struct Simulated {
  double step_us = 0;  // mean of the steps
  double exposed_us = 0;
  uint64_t messages = 0;
};

// Costs about ranks^2 x rounds x steps events. All hosts have as many ranks:
// `ranks` is at most network.ranks_per_host or a multiple of it.
Simulated Simulate(const StepProfile& profile, const StepSchedule& schedule,
                   int ranks, const NetworkCost& network,
                   const SimulationOptions& options);

}  // namespace lockstep
