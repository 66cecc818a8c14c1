// SPDX-License-Identifier: Apache-2.0
#include "distributed/reduce.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace lockstep {
namespace {

TEST(ReduceTest, HalfTypesAreCombinedInFloatAndRoundedOnce) {
  // 2048 + 1 + 1 is 2050 in float; in half each + 1 would be lost.
  const Half a = 2048.0f, one = 1.0f;
  Half out;
  const std::vector<const void*> sources = {&a, &one, &one};
  FindReduceKernels(kHalf)->combine(ReduceOp::kSum, sources, {}, &out, 1);
  EXPECT_EQ(static_cast<float>(out), 2050.0f);
}

TEST(ReduceTest, TheOutputMayBeAnySource) {
  for (int where = 0; where < 3; ++where) {
    std::vector<std::vector<float>> x(3, std::vector<float>(5000));
    for (size_t r = 0; r < 3; ++r) {
      for (size_t i = 0; i < 5000; ++i) {
        x[r][i] = static_cast<float>((r + 1) * i);
      }
    }
    const std::vector<const void*> sources = {x[0].data(), x[1].data(),
                                              x[2].data()};
    float* out = x[static_cast<size_t>(where)].data();
    FindReduceKernels(kFloat)->combine(ReduceOp::kMean, sources, {}, out, 5000);
    for (size_t i = 0; i < 5000; ++i) {
      ASSERT_EQ(out[i], static_cast<float>(2 * i));
    }
  }
}

TEST(ReduceTest, MeansOfIntegersRoundTowardsZero) {
  const int32_t a = -3, b = 0;
  int32_t out = 0;
  const std::vector<const void*> sources = {&a, &b};
  FindReduceKernels(kInt32)->combine(ReduceOp::kMean, sources, {}, &out, 1);
  EXPECT_EQ(out, -1);
}

TEST(ReduceTest, CombinesAlongABinaryTree) {
  // (1e8 + 1) is 1e8 in float, so the order shows.
  const float x[] = {1e8f, 1.0f, -1e8f, 1.0f, 0.5f};
  const auto sum = [&](size_t n) {
    std::vector<const void*> sources;
    for (size_t i = 0; i < n; ++i) sources.push_back(&x[i]);
    float out = 0;
    FindReduceKernels(kFloat)->combine(ReduceOp::kSum, sources, {}, &out, 1);
    return out;
  };
  EXPECT_EQ(sum(3), (x[0] + x[1]) + x[2]);
  EXPECT_EQ(sum(4), (x[0] + x[1]) + (x[2] + x[3]));
  EXPECT_EQ(sum(5), ((x[0] + x[1]) + (x[2] + x[3])) + x[4]);
  EXPECT_NE(sum(4), ((x[0] + x[1]) + x[2]) + x[3]);
}

// Scaling first and combining then gives the same bits: no product is added
// without being rounded.
TEST(ReduceTest, FactorsAreAppliedAsByScale) {
  constexpr int64_t kCount = 2500;
  for (const size_t ranks : {2u, 3u, 4u}) {
    std::vector<std::vector<float>> x(ranks, std::vector<float>(kCount));
    std::vector<std::vector<float>> scaled = x;
    std::vector<double> factors;
    std::vector<const void*> raw, products;
    for (size_t r = 0; r < ranks; ++r) {
      factors.push_back(r == 2 ? 0.0 : 1.0 / static_cast<double>(3 + r));
      for (int64_t i = 0; i < kCount; ++i) {
        x[r][static_cast<size_t>(i)] =
            1.0f / static_cast<float>(1 + i * 7 + static_cast<int64_t>(r));
      }
      if (r == 2) x[r][5] = NAN;  // of a rank that has no samples
      FindReduceKernels(kFloat)->scale(x[r].data(), factors[r],
                                       scaled[r].data(), kCount);
      raw.push_back(x[r].data());
      products.push_back(scaled[r].data());
    }
    std::vector<float> a(kCount), b(kCount);
    const auto combine = FindReduceKernels(kFloat)->combine;
    combine(ReduceOp::kSum, raw, factors, a.data(), kCount);
    combine(ReduceOp::kSum, products, {}, b.data(), kCount);
    EXPECT_EQ(a, b) << ranks << " ranks";
  }
}

TEST(ReduceTest, TwoArraysBecomeTheirSum) {
  constexpr size_t kCount = 1003;
  std::vector<float> x(kCount), y(kCount), want(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    x[i] = 0.1f * static_cast<float>(i);
    y[i] = 1.0f / static_cast<float>(i + 1);
  }
  const std::vector<const void*> sources = {x.data(), y.data()};
  const ReduceKernels& kernels = *FindReduceKernels(kFloat);
  kernels.combine(ReduceOp::kSum, sources, {}, want.data(), kCount);
  kernels.add_both(x.data(), y.data(), kCount);
  EXPECT_EQ(x, want);
  EXPECT_EQ(y, want);
  EXPECT_EQ(FindReduceKernels(kHalf)->add_both, nullptr);
}

TEST(ReduceTest, NoKernelsForWhatHasNoSum) {
  EXPECT_EQ(FindReduceKernels(kString), nullptr);
  EXPECT_EQ(FindReduceKernels(kBool), nullptr);
  EXPECT_EQ(FindReduceKernels(kComplex64), nullptr);
  EXPECT_EQ(FindReduceKernels(kInt32)->scale, nullptr);
}

TEST(PiecesTest, GatherAndScatterCrossTheBordersOfPieces) {
  const std::vector<float> a = {0, 1, 2}, b = {3}, c = {4, 5, 6, 7};
  std::vector<float> a_out(3), b_out(1), c_out(4);
  const Piece pieces[] = {{a.data(), a_out.data(), 3},
                          {nullptr, nullptr, 0},
                          {b.data(), b_out.data(), 1},
                          {c.data(), c_out.data(), 4}};
  EXPECT_EQ(TotalCount(pieces), 8);
  std::vector<float> flat(4);
  GatherPieces(pieces, sizeof(float), FindReduceKernels(kFloat), 0.5, 2, 6,
               flat.data());
  EXPECT_EQ(flat, (std::vector<float>{1, 1.5, 2, 2.5}));
  ScatterPieces(pieces, sizeof(float), 2, 6, flat.data());
  EXPECT_EQ(a_out, (std::vector<float>{0, 0, 1}));
  EXPECT_EQ(b_out, (std::vector<float>{1.5}));
  EXPECT_EQ(c_out, (std::vector<float>{2, 2.5, 0, 0}));
}

TEST(SliceTest, SlicesCoverEverythingOnceOnCacheLineBorders) {
  for (const int64_t count : {0, 1, 63, 64, 65, 1000, 100'003}) {
    for (int size = 1; size <= 7; ++size) {
      int64_t at = 0;
      for (int r = 0; r < size; ++r) {
        const Slice slice = SliceOf(count, r, size);
        EXPECT_EQ(slice.begin, at);
        EXPECT_TRUE(slice.begin % 64 == 0 || slice.begin == count);
        at = slice.end;
      }
      EXPECT_EQ(at, count);
    }
  }
}

}  // namespace
}  // namespace lockstep
