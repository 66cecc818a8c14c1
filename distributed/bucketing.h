// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which gradients are exchanged together. A bucket is sent when its last
// gradient is ready, and after the bucket before it: few buckets wait long for
// their gradients, many pay the cost of a message each time. Pure functions of
// what all ranks know, so that all decide alike.
//
//   const LinkCost link{.latency_micros = 50, .bytes_per_micro = 1200};
//   std::vector<int> ends = ChooseBuckets(gradients, [&](int64_t bytes) {
//     return AllReduceMicros(bytes, ranks, link);
//   });

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace lockstep {

// Between any two ranks (Hockney's model): a message of n bytes takes
// latency_micros + n / bytes_per_micro; a rank sends and receives at once, one
// message each way at a time.
struct LinkCost {
  double latency_micros = 0;
  double bytes_per_micro = 1;
};

// Of MpiCommunicator: headers, each rank's slice from all others, its sum to
// all others.
double AllReduceMicros(int64_t bytes, int ranks, const LinkCost& link);

struct GradientReady {
  int64_t bytes = 0;
  double micros = 0;  // since the start of the step; never less than before
};

// When the exchange of all buckets is done; `ends` as from ChooseBuckets.
double ExchangeEnd(std::span<const GradientReady> gradients,
                   std::span<const int> ends,
                   const std::function<double(int64_t bytes)>& micros);

// The buckets whose exchange is done first: bucket b has the gradients from the
// end of the one before it to ends[b]. Of equally good choices the one with the
// fewest buckets. By dynamic programming; costs O(gradients^2).
std::vector<int> ChooseBuckets(
    std::span<const GradientReady> gradients,
    const std::function<double(int64_t bytes)>& micros);

}  // namespace lockstep
