// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/predict.h"

#include <algorithm>

#include "distributed/bucketing.h"

namespace lockstep {
namespace {

// Every rank sends `bytes` to so many others. If all begin with rank 0 and go
// on in the order of ranks, as MPI_Ialltoallv of Open MPI does, the last rank's
// line has nothing to do until they come to it, and then gets all at once.
double ExchangeCost(double bytes, int others, const NetworkCost& n,
                    bool all_begin_with_0) {
  // Announced, asked for, sent.
  const double trips = bytes > static_cast<double>(n.eager_bytes) ? 3 : 1;
  return trips * n.latency_us +
         others * (n.message_us + bytes / n.bytes_per_us) +
         (all_begin_with_0 ? others - 1 : 0) * bytes / n.bytes_per_us;
}

// Of one of the ranks of a host, who send at the same time.
NetworkCost PartOfLine(NetworkCost n, int on_host) {
  n.bytes_per_us /= on_host;
  return n;
}

double Packets(int others, const NetworkCost& n) {
  return ExchangeCost(static_cast<double>(kPacketBytes), others, n,
                      /*all_begin_with_0=*/false);
}

// Once over the bytes, by the ranks of a host together.
double SharedCost(int64_t bytes, const NetworkCost& n) {
  return n.shared_latency_us +
         static_cast<double>(bytes) / n.shared_bytes_per_us;
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

int NetworkCost::Hosts(int ranks) const {
  return (ranks + ranks_per_host - 1) / ranks_per_host;
}

int NetworkCost::OnHost(int ranks) const {
  return std::min(ranks, ranks_per_host);
}

double PacketCost(int ranks, const NetworkCost& network) {
  if (ranks < 2) return 0;
  const int on_host = network.OnHost(ranks);
  if (on_host == ranks) return SharedCost(0, network);
  return Packets(ranks - on_host, PartOfLine(network, on_host));
}

double AllReduceCost(int64_t bytes, int ranks, const NetworkCost& network) {
  if (ranks < 2) return 0;
  const int hosts = network.Hosts(ranks), on_host = network.OnHost(ranks);
  if (hosts == 1) return SharedCost(bytes, network);
  // Slices are summed on each host before, and handed round there after.
  const NetworkCost line = PartOfLine(network, on_host);
  const int64_t slice = bytes / on_host;
  double cost = on_host > 1 ? 2 * SharedCost(bytes, network) : 0;
  cost += Packets(hosts - 1, line);
  for (int64_t done = 0; done < slice; done += kRoundBytes) {
    const auto round = static_cast<double>(std::min(kRoundBytes, slice - done));
    // Slices to those who combine them, combined ones to all.
    cost += ExchangeCost(round / hosts, hosts - 1, line, true);
    cost += ExchangeCost(round / hosts, hosts - 1, line, false);
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
  // Ranks that see each other's memory divide the updates.
  const double part = network.Hosts(ranks) == 1 ? 1.0 / ranks : 1.0;
  p.compute_us =
      profile.compute_us + part * profile.updates_us() + profile.overhead_us;
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
    const int hosts = network.Hosts(ranks);
    p.sent_bytes += 2 * (bytes / network.OnHost(ranks)) / hosts * (hosts - 1);
  }
  // The updates of a bucket follow its exchange.
  i = 0;
  for (size_t b = 0; b < exchanged.size(); ++b) {
    now = std::max(now, exchanged[b]);
    for (; i < static_cast<size_t>(schedule.bucket_ends[b]); ++i) {
      now += part * profile.gradients[i].update_us;
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
