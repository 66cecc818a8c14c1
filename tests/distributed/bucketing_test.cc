// SPDX-License-Identifier: Apache-2.0
#include "distributed/bucketing.h"

#include <gtest/gtest.h>

#include <cmath>

namespace lockstep {
namespace {

// All ways to cut, tried one by one.
double BestOfAll(std::span<const GradientReady> gradients,
                 const std::function<double(int64_t)>& micros) {
  const size_t count = gradients.size();
  double best = INFINITY;
  for (unsigned cuts = 0; cuts < 1u << (count - 1); ++cuts) {
    std::vector<int> ends;
    for (size_t i = 1; i < count; ++i) {
      if (cuts >> (i - 1) & 1) ends.push_back(static_cast<int>(i));
    }
    ends.push_back(static_cast<int>(count));
    best = std::min(best, ExchangeEnd(gradients, ends, micros));
  }
  return best;
}

TEST(BucketingTest, NoOtherBucketsAreDoneEarlier) {
  unsigned seed = 1;
  const auto next = [&](unsigned most) {
    seed = seed * 1664525u + 1013904223u;
    return seed / 65536u % most;
  };
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<GradientReady> gradients(1 + next(10));
    double time = 0;
    for (GradientReady& g : gradients) {
      g = {static_cast<int64_t>(4 * next(100'000)), time += next(300)};
    }
    const LinkCost link{.latency_micros = static_cast<double>(next(200)),
                        .bytes_per_micro = 100.0 + next(2000)};
    const auto micros = [&](int64_t bytes) {
      return AllReduceMicros(bytes, 4, link);
    };
    const std::vector<int> ends = ChooseBuckets(gradients, micros);
    EXPECT_NEAR(ExchangeEnd(gradients, ends, micros),
                BestOfAll(gradients, micros), 1e-6);
  }
}

TEST(BucketingTest, CostlyMessagesMakeOneBucketCheapOnesMany) {
  const std::vector<GradientReady> gradients = {
      {4000, 100}, {4000, 200}, {4000, 300}, {4000, 400}};
  const auto with = [&](double latency) {
    return ChooseBuckets(gradients, [=](int64_t bytes) {
      return latency + static_cast<double>(bytes) / 100;
    });
  };
  EXPECT_EQ(with(1e6), (std::vector<int>{4}));
  EXPECT_EQ(with(0), (std::vector<int>{1, 2, 3, 4}));
}

TEST(BucketingTest, GradientsThatAreReadyTogetherAreOneBucket) {
  const std::vector<GradientReady> gradients = {
      {4000, 50}, {4000, 50}, {4000, 50}};
  EXPECT_EQ(ChooseBuckets(gradients,
                          [](int64_t bytes) { return 5.0 + 0.01 * bytes; }),
            (std::vector<int>{3}));
  EXPECT_TRUE(ChooseBuckets({}, [](int64_t) { return 1.0; }).empty());
}

TEST(BucketingTest, CostsOfTheModel) {
  const LinkCost link{.latency_micros = 10, .bytes_per_micro = 100};
  EXPECT_EQ(AllReduceMicros(8000, 1, link), 0);
  // 3 messages, then half of the bytes there and back.
  EXPECT_DOUBLE_EQ(AllReduceMicros(8000, 2, link), 30 + 2 * 40);
  EXPECT_DOUBLE_EQ(AllReduceMicros(8000, 4, link), 90 + 2 * 60);
}

}  // namespace
}  // namespace lockstep
