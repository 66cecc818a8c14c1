// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a data-parallel step would take on many ranks, one or several on a host,
// from what it takes on one and what the network does. Pure functions;
// simulate.h plays the same schedule message by message.
//
//   const StepProfile profile = ...;               // calibrate.h
//   const NetworkCost network{.latency_us = 500, .bytes_per_us = 12};
//   const StepSchedule schedule = MakeSchedule(profile, 8, network, {});
//   const Prediction p = Predict(profile, schedule, 8, network);

#include <cstdint>
#include <string>
#include <vector>

namespace lockstep {

// A step on one rank. Ops before the updates are one after the other.
struct StepProfile {
  struct Gradient {
    std::string name;  // of the update
    int64_t bytes = 0;
    double ready_us = 0;  // since the ops began
    double update_us = 0;
  };
  double compute_us = 0;            // of all ops but updates
  double overhead_us = 0;           // of a run, in no op
  std::vector<Gradient> gradients;  // by ready_us
  bool batch_share = true;  // the ranks tell each other their batch sizes first
  // Of one rank, in bytes, without what ranks add.
  int64_t memory_bytes = 0;

  double updates_us() const;
  int64_t gradient_bytes() const;
};

// Between any two hosts. A message is on its way for `latency_us`, however many
// others are; what a host sends goes out one after the other at `bytes_per_us`,
// what it receives likewise, both at once. Larger messages than `eager_bytes`
// are announced and asked for first.
struct NetworkCost {
  double latency_us = 50;
  double bytes_per_us = 1000;
  double message_us = 0;  // of the sending processor, for each message
  int64_t eager_bytes = 64 << 10;
  // Ranks of a host sum among themselves in shared memory, so many bytes a us,
  // and each exchanges its slice with the other hosts; all through one line.
  int ranks_per_host = 1;
  double shared_bytes_per_us = 20'000;
  double shared_latency_us = 5;

  // Of `ranks` in all: hosts, and ranks on each.
  int Hosts(int ranks) const;
  int OnHost(int ranks) const;
};

struct ScheduleOptions {
  // Of buckets: 0: chosen (bucketing.h); less: all gradients in one.
  int64_t bucket_bytes = -1;
  bool overlap = false;  // exchange goes on beside the backward pass
};

struct StepSchedule {
  std::vector<int> bucket_ends;  // numbers of gradients
  bool overlap = false;
};

struct Prediction {
  int ranks = 1;
  double step_us = 0;
  double compute_us = 0;        // updates and overhead included
  double communication_us = 0;  // of all collectives, hidden ones too
  double exposed_us = 0;
  int64_t memory_bytes = 0;  // of one rank
  int64_t sent_bytes = 0;    // by one rank, in a step
};

// How long the sum of `bytes` on all ranks takes: by MpiCommunicator where each
// is on a host of its own, in shared memory on one host, else hierarchical.
double AllReduceCost(int64_t bytes, int ranks, const NetworkCost& network);
// The same for what fits into a packet, as the batch sizes do.
double PacketCost(int ranks, const NetworkCost& network);

StepSchedule MakeSchedule(const StepProfile& profile, int ranks,
                          const NetworkCost& network,
                          const ScheduleOptions& options);
Prediction Predict(const StepProfile& profile, const StepSchedule& schedule,
                   int ranks, const NetworkCost& network);

// Of MpiCommunicator, for the two models.
inline constexpr int64_t kPacketBytes = 496;
inline constexpr int64_t kRoundBytes = 1 << 20;

}  // namespace lockstep
