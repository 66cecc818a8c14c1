// SPDX-License-Identifier: Apache-2.0
#include "distributed/bucketing.h"

#include <algorithm>
#include <limits>

namespace lockstep {

double AllReduceMicros(int64_t bytes, int ranks, const LinkCost& link) {
  if (ranks < 2) return 0;
  const double others = ranks - 1;
  const double slices =
      static_cast<double>(bytes) / ranks * others / link.bytes_per_micro;
  return 3 * others * link.latency_micros + 2 * slices;
}

double ExchangeEnd(std::span<const GradientReady> gradients,
                   std::span<const int> ends,
                   const std::function<double(int64_t bytes)>& micros) {
  double free = 0;
  size_t begin = 0;
  for (const int end : ends) {
    const auto bucket =
        gradients.subspan(begin, static_cast<size_t>(end) - begin);
    int64_t bytes = 0;
    for (const GradientReady& g : bucket) bytes += g.bytes;
    free = std::max(free, bucket.back().micros) + micros(bytes);
    begin = static_cast<size_t>(end);
  }
  return free;
}

std::vector<int> ChooseBuckets(
    std::span<const GradientReady> gradients,
    const std::function<double(int64_t bytes)>& micros) {
  const size_t count = gradients.size();
  struct Best {
    double end = std::numeric_limits<double>::infinity();
    int buckets = 0;
    size_t from = 0;
  };
  // best[j]: of the first j gradients.
  std::vector<Best> best(count + 1);
  best[0].end = 0;
  for (size_t j = 1; j <= count; ++j) {
    int64_t bytes = 0;
    for (size_t i = j; i-- > 0;) {
      bytes += gradients[i].bytes;
      const Best found{
          std::max(best[i].end, gradients[j - 1].micros) + micros(bytes),
          best[i].buckets + 1, i};
      if (found.end < best[j].end ||
          (found.end == best[j].end && found.buckets < best[j].buckets)) {
        best[j] = found;
      }
    }
  }
  std::vector<int> ends;
  for (size_t j = count; j > 0; j = best[j].from) {
    ends.push_back(static_cast<int>(j));
  }
  std::ranges::reverse(ends);
  return ends;
}

}  // namespace lockstep
