// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/predict.h"

#include <algorithm>

#include "distributed/bucketing.h"

namespace lockstep {
namespace {

// Every rank sends `bytes` to each other. If all begin with rank 0 and go on in
// the order of ranks, as MPI_Ialltoallv of Open MPI does, the last rank's line
// has nothing to do until they come to it, and then gets all at once.
double ExchangeCost(double bytes, int ranks, const NetworkCost& n,
                    bool all_begin_with_0) {
  const double others = ranks - 1;
  // Announced, asked for, sent.
  const double trips = bytes > static_cast<double>(n.eager_bytes) ? 3 : 1;
  return trips * n.latency_us +
         others * (n.message_us + bytes / n.bytes_per_us) +
         (all_begin_with_0 ? others - 1 : 0) * bytes / n.bytes_per_us;
}

}  // namespace

double StepProfile::updates_us() const {
  double sum = 0;
  for (const Gradient& g : gradients) sum += g.update_us;
  return sum;
}

int64_t StepProfile::gradient_bytes() const {
  int64_t sum = 0;
  for (const Gradient& g : gradients) sum += g.bytes;
  return sum;
}

double PacketCost(int ranks, const NetworkCost& network) {
  if (ranks < 2) return 0;
  return ExchangeCost(static_cast<double>(kPacketBytes), ranks, network,
                      /*all_begin_with_0=*/false);
}

double AllReduceCost(int64_t bytes, int ranks, const NetworkCost& network) {
  if (ranks < 2) return 0;
  double cost = PacketCost(ranks, network);
  for (int64_t done = 0; done < bytes; done += kRoundBytes) {
    const auto round = static_cast<double>(std::min(kRoundBytes, bytes - done));
    // Slices to those who combine them, combined ones to all.
    cost += ExchangeCost(round / ranks, ranks, network, true);
    cost += ExchangeCost(round / ranks, ranks, network, false);
  }
  return cost;
}

StepSchedule MakeSchedule(const StepProfile& profile, int ranks,
                          const NetworkCost& network,
                          const ScheduleOptions& options) {
  StepSchedule schedule{.bucket_ends = {}, .overlap = options.overlap};
  const auto count = static_cast<int>(profile.gradients.size());
  if (options.bucket_bytes == 0) {
    std::vector<GradientReady> ready;
    for (const StepProfile::Gradient& g : profile.gradients) {
      ready.push_back({g.bytes, options.overlap ? g.ready_us : 0});
    }
    schedule.bucket_ends = ChooseBuckets(ready, [&](int64_t bytes) {
      return AllReduceCost(bytes, ranks, network);
    });
    return schedule;
  }
  int64_t bytes = 0;
  for (int i = 0; i < count; ++i) {
    const int64_t more = profile.gradients[static_cast<size_t>(i)].bytes;
    if (options.bucket_bytes > 0 && bytes > 0 &&
        bytes + more > options.bucket_bytes) {
      schedule.bucket_ends.push_back(i);
      bytes = 0;
    }
    bytes += more;
  }
  if (count > 0) schedule.bucket_ends.push_back(count);
  return schedule;
}

Prediction Predict(const StepProfile& profile, const StepSchedule& schedule,
                   int ranks, const NetworkCost& network) {
  Prediction p{.ranks = ranks};
  p.compute_us =
      profile.compute_us + profile.updates_us() + profile.overhead_us;
  const double share = profile.batch_share ? PacketCost(ranks, network) : 0;
  p.communication_us = share;
  double sends_until = share;
  double now = share + profile.compute_us;
  size_t i = 0;
  std::vector<double> exchanged;
  for (const int end : schedule.bucket_ends) {
    int64_t bytes = 0;
    double ready = 0;
    for (; i < static_cast<size_t>(end); ++i) {
      bytes += profile.gradients[i].bytes;
      ready = std::max(ready, profile.gradients[i].ready_us);
    }
    const double cost = AllReduceCost(bytes, ranks, network);
    p.communication_us += cost;
    const double from = schedule.overlap ? share + ready : now;
    sends_until = std::max(sends_until, from) + cost;
    exchanged.push_back(sends_until);
    if (ranks > 1) p.sent_bytes += 2 * bytes / ranks * (ranks - 1);
  }
  // The updates of a bucket follow its exchange.
  i = 0;
  for (size_t b = 0; b < exchanged.size(); ++b) {
    now = std::max(now, exchanged[b]);
    for (; i < static_cast<size_t>(schedule.bucket_ends[b]); ++i) {
      now += profile.gradients[i].update_us;
    }
  }
  p.step_us = now + profile.overhead_us;
  p.exposed_us = p.step_us - p.compute_us;
  p.memory_bytes = profile.memory_bytes;
  if (ranks > 1) {
    p.memory_bytes += 2 * kRoundBytes + 2 * kPacketBytes * ranks;
  }
  return p;
}

}  // namespace lockstep
