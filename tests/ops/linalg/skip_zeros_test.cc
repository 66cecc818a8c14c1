// SPDX-License-Identifier: Apache-2.0
// Products that leave out the zeros of the left factor.
#include "ops/linalg/skip_zeros.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "ops/array/array.h"
#include "ops/linalg/linalg.h"
#include "ops/linalg/skipping_matmul.h"
#include "runtime/core/threads.h"
#include "runtime/exec/session.h"
#include "runtime/graph/builder.h"

namespace lockstep::detail {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct Free {
  void operator()(void* p) const { std::free(p); }
};
using Memory = std::unique_ptr<void, Free>;
Memory Allocate(size_t bytes) {
  return Memory(std::aligned_alloc(64, (bytes + 63) / 64 * 64));
}

// Small whole numbers, whose sums are exact in any order; about `percent` of
// them are not 0.
std::vector<float> Numbers(int64_t count, uint32_t percent, uint32_t seed) {
  std::vector<float> x(static_cast<size_t>(count));
  for (float& v : x) {
    seed = seed * 1664525u + 1013904223u;
    if ((seed >> 8) % 100 >= percent) continue;
    seed = seed * 1664525u + 1013904223u;
    v = static_cast<float>(static_cast<int>((seed >> 8) % 14) - 7);
    if (v >= 0) ++v;  // not 0
  }
  return x;
}

struct Sizes {
  int64_t m, n, k;
};

std::vector<float> ByLoops(const LeftFactor& a, const std::vector<float>& b,
                           const Sizes& s) {
  std::vector<float> c(static_cast<size_t>(s.m * s.n));
  for (int64_t i = 0; i < s.m; ++i) {
    for (int64_t l = 0; l < s.k; ++l) {
      for (int64_t j = 0; j < s.n; ++j) {
        c[static_cast<size_t>(i * s.n + j)] +=
            a.data[i * a.row + l * a.step] *
            b[static_cast<size_t>(l * s.n + j)];
      }
    }
  }
  return c;
}

TEST(SkipZerosTest, MultipliesAsLoopsDo) {
  const Memory scratch = Allocate(SkipZerosScratch());
  for (const Sizes& s :
       {Sizes{1, 48, 1}, Sizes{3, 49, 17}, Sizes{64, 96, 128},
        Sizes{65, 97, 129}, Sizes{63, 111, 127}, Sizes{2, 192, 300},
        Sizes{130, 300, 31}, Sizes{5, 63, 257}, Sizes{7, 95, 64},
        Sizes{9, 80, 5}, Sizes{4, 65, 9}, Sizes{6, 64, 20}}) {
    for (const bool transposed : {false, true}) {
      for (const uint32_t percent : {0u, 7u, 40u, 100u}) {
        SCOPED_TRACE(testing::Message() << s.m << " " << s.n << " " << s.k
                                        << " " << transposed << " " << percent);
        const auto left = Numbers(s.m * s.k, percent, 5);
        const auto b = Numbers(s.k * s.n, 100, 9);
        const auto a = LeftFactor::Of(left.data(), s.m, s.k, transposed);
        // What was in c before is not added to.
        std::vector<float> c(static_cast<size_t>(s.m * s.n), kNaN);
        MultiplySkippingZeros(a, b.data(), c.data(), s.m, s.n, s.k,
                              scratch.get());
        EXPECT_EQ(c, ByLoops(a, b, s));
      }
    }
  }
}

TEST(SkipZerosTest, ARowsBitsDoNotDependOnTheOthers) {
  const Sizes s{70, 130, 200};
  const Memory scratch = Allocate(SkipZerosScratch());
  std::vector<float> left = Numbers(s.m * s.k, 30, 3);
  for (float& v : left) v *= 0.37f;
  std::vector<float> b = Numbers(s.k * s.n, 100, 4);
  for (float& v : b) v *= 0.11f;
  std::vector<float> all(static_cast<size_t>(s.m * s.n));
  MultiplySkippingZeros(LeftFactor::Of(left.data(), s.m, s.k, false), b.data(),
                        all.data(), s.m, s.n, s.k, scratch.get());
  std::vector<float> row(static_cast<size_t>(s.n));
  for (int64_t i = 0; i < s.m; ++i) {
    MultiplySkippingZeros(LeftFactor::Of(left.data() + i * s.k, 1, s.k, false),
                          b.data(), row.data(), 1, s.n, s.k, scratch.get());
    ASSERT_TRUE(std::equal(row.begin(), row.end(), all.begin() + i * s.n)) << i;
  }
}

TEST(SkipZerosTest, APackedFactorGivesTheSameBits) {
  for (const Sizes& s : {Sizes{33, 131, 300}, Sizes{5, 300, 100}}) {
    std::vector<float> left = Numbers(s.m * s.k, 30, 3);
    for (float& v : left) v *= 0.37f;
    std::vector<float> b = Numbers(s.k * s.n, 100, 4);
    for (float& v : b) v *= 0.11f;
    const Memory scratch = Allocate(SkipZerosScratch());
    const Memory packed = Allocate(PackedFactorBytes(s.n, s.k));
    PackFactor(b.data(), s.n, s.k, static_cast<float*>(packed.get()));
    for (const bool transposed : {false, true}) {
      const auto a = LeftFactor::Of(left.data(), s.m, s.k, transposed);
      std::vector<float> want(static_cast<size_t>(s.m * s.n)), got = want;
      MultiplySkippingZeros(a, b.data(), want.data(), s.m, s.n, s.k,
                            scratch.get());
      MultiplyPackedSkippingZeros(a, static_cast<float*>(packed.get()),
                                  got.data(), s.m, s.n, s.k, scratch.get());
      EXPECT_EQ(got, want) << s.m << " " << transposed;
    }
  }
}

TEST(SkipZerosTest, NotANumberIsNoZero) {
  const Memory scratch = Allocate(SkipZerosScratch());
  const std::vector<float> left = {0, kNaN, -0.0f, 2};  // [2, 2]
  constexpr int64_t n = kMinColumns;
  std::vector<float> b(2 * n, 3), c(2 * n);
  MultiplySkippingZeros(LeftFactor::Of(left.data(), 2, 2, false), b.data(),
                        c.data(), 2, n, 2, scratch.get());
  for (size_t j = 0; j < n; ++j) {
    EXPECT_TRUE(std::isnan(c[j]));
    EXPECT_EQ(c[n + j], 6);
  }
}

bool Pays(const std::vector<float>& left, const std::vector<float>& b,
          const Sizes& s, bool transposed) {
  return SkippingZerosPays(LeftFactor::Of(left.data(), s.m, s.k, transposed),
                           b.data(), s.m, s.n, s.k);
}

TEST(SkipZerosTest, PaysWhereMostAreZerosAndAllElseIsFinite) {
  const Sizes s{100, 300, 784};
  EXPECT_TRUE(MaySkipZeros(s.m, s.n, s.k));
  EXPECT_FALSE(MaySkipZeros(s.m, 10, s.k));  // columns that fill no vectors
  EXPECT_FALSE(MaySkipZeros(10, s.n, 20));
  auto b = Numbers(s.k * s.n, 100, 2);
  for (const bool transposed : {false, true}) {
    EXPECT_TRUE(Pays(Numbers(s.m * s.k, 20, 1), b, s, transposed));
    EXPECT_FALSE(Pays(Numbers(s.m * s.k, 60, 1), b, s, transposed));
    EXPECT_FALSE(Pays(Numbers(s.m * s.k, 100, 1), b, s, transposed));
  }
  const auto zeros = Numbers(s.m * s.k, 0, 1);
  for (const float odd : {kInfinity, -kInfinity, kNaN, -kNaN}) {
    for (const size_t at : {size_t{0}, b.size() / 2, b.size() - 1}) {
      const float before = std::exchange(b[at], odd);
      EXPECT_FALSE(Pays(zeros, b, s, false)) << odd << " at " << at;
      b[at] = before;
    }
  }
  EXPECT_TRUE(Pays(zeros, b, s, false));
}

TEST(SkippingMatMulTest, IsTheSameProductOnAnyNumberOfThreads) {
  // In halves of the inner dimension, and of rows alone.
  for (const auto& [m, n, k] : {Sizes{37, 131, 777}, Sizes{450, 300, 64}}) {
    for (const bool transposed : {false, true}) {
      const MatMulDims d{.m = m, .n = n, .k = k, .transpose_a = transposed};
      ASSERT_TRUE(SkippingMatMul::May(d));
      const auto a = Numbers(m * k, 25, 1), b = Numbers(k * n, 100, 2);
      const auto bias = Numbers(n, 100, 3);
      std::vector<float> want =
          ByLoops(LeftFactor::Of(a.data(), m, k, transposed), b, {m, n, k});
      for (size_t i = 0; i < want.size(); ++i) {
        want[i] = std::max(want[i] + bias[i % bias.size()], 0.0f);
      }
      for (const int threads : {1, 2, 3, 8}) {
        const ThreadsScope scope(threads);
        SkippingMatMul product;
        EXPECT_FALSE(product.Pays(a.data(), b.data()));  // not prepared
        product.Prepare(d, {.bias = true, .relu = true});
        ASSERT_TRUE(product.Pays(a.data(), b.data()));
        const Memory scratch = Allocate(product.scratch_bytes());
        std::vector<float> c(want.size(), kNaN);
        product.Run(a.data(), b.data(), bias.data(), c.data(), scratch.get());
        EXPECT_EQ(c, want) << threads << " threads, " << m << " " << transposed;
      }
    }
  }
}

TEST(SkippingMatMulTest, DoesWithoutBiasAndRelu) {
  for (const auto& [m, n, k] : {Sizes{37, 131, 777}, Sizes{450, 300, 64}}) {
    const auto a = Numbers(m * k, 25, 1), b = Numbers(k * n, 100, 2);
    SkippingMatMul product;
    product.Prepare({.m = m, .n = n, .k = k}, {});
    const Memory scratch = Allocate(product.scratch_bytes());
    std::vector<float> c(static_cast<size_t>(m * n), kNaN);
    product.Run(a.data(), b.data(), nullptr, c.data(), scratch.get());
    EXPECT_EQ(c, ByLoops(LeftFactor::Of(a.data(), m, k, false), b, {m, n, k}));
  }
}

// The op: 0 times infinity stays what it is, whatever is beside it.
TEST(SkippingMatMulTest, ZeroTimesInfinityIsNotANumber) {
  const int64_t m = 64, n = 128, k = 512;
  Graph graph;
  const Scope root = Scope(&graph).WithDevice("/cpu:0");
  const Output a = ops::Placeholder(root.WithName("a"), kFloat, {m, k});
  const Output b = ops::Placeholder(root.WithName("b"), kFloat, {k, n});
  ops::MatMul(root.WithName("c"), a, b);
  auto session = Session::Create(graph, {});
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  Tensor left(kFloat, Shape{m, k}), right(kFloat, Shape{k, n});
  std::ranges::fill(left.flat<float>(), 0.0f);
  left.flat<float>()[3] = 1;
  std::ranges::fill(right.flat<float>(), 2.0f);
  const auto run = [&] {
    auto out = (*session)->RunOne({{"a:0", left}, {"b:0", right}}, "c:0");
    EXPECT_TRUE(out.ok()) << out.status().ToString();
    return std::vector<float>(out->flat<float>().begin(),
                              out->flat<float>().end());
  };
  std::vector<float> c_of_zeros = run();
  EXPECT_EQ(c_of_zeros[0], 2);
  EXPECT_EQ(c_of_zeros[static_cast<size_t>(n)], 0);
  right.flat<float>()[7] = kInfinity;  // row 0, which only zeros meet
  c_of_zeros = run();
  for (int64_t i = 0; i < m; ++i) {
    EXPECT_TRUE(std::isnan(c_of_zeros[static_cast<size_t>(i * n + 7)])) << i;
    EXPECT_EQ(c_of_zeros[static_cast<size_t>(i * n)], i == 0 ? 2 : 0) << i;
  }
}

}  // namespace
}  // namespace lockstep::detail
