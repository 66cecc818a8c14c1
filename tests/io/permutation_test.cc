// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/permutation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace lockstep {
namespace {

std::vector<int64_t> Order(int64_t n, uint64_t seed, uint64_t epoch) {
  const KeyedPermutation order(n, seed, epoch);
  std::vector<int64_t> out;
  for (int64_t i = 0; i < n; ++i) out.push_back(order(i));
  return out;
}

class PermutationSizes : public testing::TestWithParam<int64_t> {};

TEST_P(PermutationSizes, EveryElementOnce) {
  const int64_t n = GetParam();
  for (uint64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<int64_t> order = Order(n, 42, epoch);
    std::ranges::sort(order);
    for (int64_t i = 0; i < n; ++i) {
      ASSERT_EQ(order[static_cast<size_t>(i)], i) << "n=" << n;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, PermutationSizes,
                         testing::Values(0, 1, 2, 3, 4, 5, 7, 10, 16, 17, 31,
                                         64, 97, 255, 256, 257, 1000, 1797,
                                         4095, 4097, 60000, 65537));

TEST(PermutationTest, SameKeySameOrderOtherKeyOtherOrder) {
  EXPECT_EQ(Order(1000, 1, 0), Order(1000, 1, 0));
  EXPECT_NE(Order(1000, 1, 0), Order(1000, 1, 1));
  EXPECT_NE(Order(1000, 1, 0), Order(1000, 2, 0));
  // Seed and epoch are not interchangeable.
  EXPECT_NE(Order(1000, 3, 5), Order(1000, 5, 3));
  EXPECT_NE(Order(1000, 0, 1), Order(1000, 1, 0));
}

// The order is part of what checkpoints mean: a change breaks resuming.
TEST(PermutationTest, OrderIsFixedForEver) {
  EXPECT_EQ(Order(10, 7, 3),
            (std::vector<int64_t>{0, 1, 4, 6, 9, 8, 5, 3, 7, 2}));
}

TEST(PermutationTest, LargeRangeStaysInside) {
  const int64_t n = (int64_t{1} << 40) + 12345;
  const KeyedPermutation order(n, 9, 9);
  for (int64_t i = 0; i < 1000; ++i) {
    const int64_t x = order(n - 1 - i);
    ASSERT_GE(x, 0);
    ASSERT_LT(x, n);
  }
}

// Each element is equally often at the first place, over many epochs:
// chi-square with n - 1 degrees of freedom, within 6 standard deviations.
TEST(PermutationTest, EachElementIsAsOftenFirst) {
  for (const int64_t n : {3, 10, 100}) {
    const int epochs = 20000;
    std::vector<double> count(static_cast<size_t>(n));
    for (int e = 0; e < epochs; ++e) {
      const KeyedPermutation order(n, 1, static_cast<uint64_t>(e));
      ++count[static_cast<size_t>(order(0))];
    }
    const double expected =
        static_cast<double>(epochs) / static_cast<double>(n);
    double chi2 = 0;
    for (const double c : count)
      chi2 += (c - expected) * (c - expected) / expected;
    const auto freedom = static_cast<double>(n - 1);
    EXPECT_LT(chi2, freedom + 6 * std::sqrt(2 * freedom)) << "n=" << n;
  }
}

// Neighbours in the order are not neighbours in the data: about one pair of
// 60,000 is expected for each distance, and correlation near zero.
TEST(PermutationTest, NeighboursAreUnrelated) {
  const std::vector<int64_t> order = Order(60000, 5, 2);
  int adjacent = 0;
  double sum = 0;
  for (size_t i = 1; i < order.size(); ++i) {
    const int64_t step = order[i] - order[i - 1];
    adjacent += step == 1 || step == -1 ? 1 : 0;
    sum += (static_cast<double>(order[i]) / 60000 - 0.5) *
           (static_cast<double>(order[i - 1]) / 60000 - 0.5);
  }
  EXPECT_LT(adjacent, 15);
  EXPECT_LT(std::abs(sum / 60000 * 12), 0.025);  // standard error 0.004
  int fixed = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    fixed += order[i] == static_cast<int64_t>(i) ? 1 : 0;
  }
  EXPECT_LT(fixed, 12);  // one is expected
}

}  // namespace
}  // namespace lockstep
