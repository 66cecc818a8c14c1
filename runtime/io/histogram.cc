// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/histogram.h"

#include <algorithm>

namespace lockstep {
namespace {

std::vector<double> MakeLimits() {
  constexpr double kLargest = std::numeric_limits<double>::max();
  std::vector<double> positive;
  for (double v = 1e-12; v < 1e20; v *= 1.1) positive.push_back(v);
  positive.push_back(kLargest);
  std::vector<double> limits(positive.rbegin(), positive.rend());
  for (double& v : limits) v = -v;
  limits.push_back(0);
  limits.insert(limits.end(), positive.begin(), positive.end());
  return limits;
}

const std::vector<double>& Limits() {
  static const std::vector<double> limits = MakeLimits();
  return limits;
}

}  // namespace

Histogram::Histogram() : counts_(Limits().size(), 0) {}

void Histogram::Add(double value) {
  const std::vector<double>& limits = Limits();
  const auto at = std::ranges::upper_bound(limits, value) - limits.begin();
  counts_[std::min(static_cast<size_t>(at), counts_.size() - 1)] += 1;
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
  num_ += 1;
  sum_ += value;
  sum_squares_ += value * value;
}

std::vector<Histogram::Bucket> Histogram::Compacted() const {
  std::vector<Bucket> buckets;
  for (size_t i = 0; i < counts_.size(); ++i) {
    const bool joins = counts_[i] == 0 && i > 0 && counts_[i - 1] == 0;
    if (joins) {
      buckets.back().limit = Limits()[i];
    } else {
      buckets.push_back({Limits()[i], counts_[i]});
    }
  }
  return buckets;
}

}  // namespace lockstep
