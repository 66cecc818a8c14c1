// SPDX-License-Identifier: Apache-2.0
// Products that leave out the zeros of a factor.
#include "ops/linalg/skip_zeros.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <span>
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

std::vector<float> ByLoops(const Factor& a, const Factor& b, const Sizes& s) {
  std::vector<float> c(static_cast<size_t>(s.m * s.n));
  for (int64_t i = 0; i < s.m; ++i) {
    for (int64_t l = 0; l < s.k; ++l) {
      for (int64_t j = 0; j < s.n; ++j) {
        c[static_cast<size_t>(i * s.n + j)] +=
            a.data[i * a.row + l * a.step] * b.data[l * b.row + j * b.step];
      }
    }
  }
  return c;
}

// c by both factors' lists; what was there before is not added to.
std::vector<float> SkippingLeft(const Factor& a, const Factor& b,
                                const Sizes& s) {
  const Memory scratch = Allocate(SkipLeftScratch());
  std::vector<float> c(static_cast<size_t>(s.m * s.n), kNaN);
  MultiplySkippingLeft(a, b, s.m, s.n, s.k, c.data(), s.n, scratch.get());
  return c;
}
std::vector<float> SkippingRight(const Factor& a, const Factor& b,
                                 const Sizes& s) {
  const Memory memory = Allocate(ColumnLists::Bytes(s.n, s.k));
  const Memory scratch = Allocate(SkipRightScratch(s.k));
  std::vector<float> c(static_cast<size_t>(s.m * s.n), kNaN);
  ColumnLists made(memory.get(), s.n, s.k);
  EXPECT_TRUE(made.List(b));
  const ColumnLists lists(memory.get(), s.n, s.k);  // as another rank sees it
  MultiplySkippingRight(a, b, lists, s.m, c.data(), scratch.get());
  return c;
}

// Calls check(a, b, sizes) with factors of many sizes, transposed or not.
template <class F>
void ForFactors(uint32_t percent_a, uint32_t percent_b, const F& check) {
  for (const Sizes& s :
       {Sizes{1, 48, 1}, Sizes{3, 49, 17}, Sizes{64, 96, 128},
        Sizes{65, 97, 129}, Sizes{63, 111, 127}, Sizes{2, 192, 300},
        Sizes{130, 300, 31}, Sizes{5, 63, 257}, Sizes{7, 95, 64},
        Sizes{9, 80, 5}, Sizes{4, 65, 9}, Sizes{6, 64, 20},
        Sizes{97, 50, 1024}}) {
    const auto left = Numbers(s.m * s.k, percent_a, 5);
    const auto right = Numbers(s.k * s.n, percent_b, 9);
    for (const bool ta : {false, true}) {
      for (const bool tb : {false, true}) {
        SCOPED_TRACE(testing::Message() << s.m << " " << s.n << " " << s.k
                                        << " " << ta << " " << tb);
        check(Factor::Of(left.data(), s.m, s.k, ta),
              Factor::Of(right.data(), s.k, s.n, tb), s);
      }
    }
  }
}

TEST(SkipZerosTest, MultipliesAsLoopsDo) {
  for (const uint32_t percent : {0u, 7u, 40u, 100u}) {
    ForFactors(percent, 100,
               [](const Factor& a, const Factor& b, const Sizes& s) {
                 EXPECT_EQ(SkippingLeft(a, b, s), ByLoops(a, b, s));
               });
  }
}

TEST(SkipZerosTest, MultipliesAsLoopsDoByTheRightFactor) {
  for (const uint32_t percent : {0u, 7u, 30u}) {
    ForFactors(100, percent,
               [](const Factor& a, const Factor& b, const Sizes& s) {
                 // So few elements may all be other than 0.
                 if (DensityOf(b, s.k, s.n) > 0.4) return;
                 EXPECT_EQ(SkippingRight(a, b, s), ByLoops(a, b, s));
               });
  }
}

std::vector<float> Scaled(std::vector<float> x, float by) {
  for (float& v : x) v *= by;
  return x;
}

// Sums of what is no multiple of powers of two.
struct Uneven {
  Sizes s;
  std::vector<float> left, right;
  Factor a, b;
  Uneven(const Sizes& sizes, uint32_t percent_a, uint32_t percent_b)
      : s(sizes),
        left(Scaled(Numbers(s.m * s.k, percent_a, 3), 0.37f)),
        right(Scaled(Numbers(s.k * s.n, percent_b, 4), 0.11f)),
        a(Factor::Of(left.data(), s.m, s.k, true)),
        b(Factor::Of(right.data(), s.k, s.n, false)) {}
};

TEST(SkipZerosTest, ARowsBitsDoNotDependOnTheOthers) {
  const Uneven u({70, 130, 200}, 30, 30);
  const auto left = SkippingLeft(u.a, u.b, u.s);
  const auto right = SkippingRight(u.a, u.b, u.s);
  for (int64_t i = 0; i < u.s.m; ++i) {
    const Sizes one{1, u.s.n, u.s.k};
    const auto row_left = SkippingLeft(u.a.From(i, 0), u.b, one);
    const auto row_right = SkippingRight(u.a.From(i, 0), u.b, one);
    ASSERT_TRUE(std::ranges::equal(
        row_left, std::span(left).subspan(static_cast<size_t>(i * u.s.n),
                                          static_cast<size_t>(u.s.n))))
        << i;
    ASSERT_TRUE(std::ranges::equal(
        row_right, std::span(right).subspan(static_cast<size_t>(i * u.s.n),
                                            static_cast<size_t>(u.s.n))))
        << i;
  }
}

TEST(SkipZerosTest, WhicheverZerosAreLeftOutTheBitsAreTheSame) {
  const Uneven u({70, 130, 200}, 30, 30);
  EXPECT_EQ(SkippingLeft(u.a, u.b, u.s), SkippingRight(u.a, u.b, u.s));
}

TEST(SkipZerosTest, APackedFactorGivesTheSameBits) {
  for (const Sizes& s : {Sizes{33, 131, 300}, Sizes{5, 300, 100}}) {
    const Uneven u(s, 30, 100);
    const Memory scratch = Allocate(SkipLeftScratch());
    const Memory memory = Allocate(PackedFactor::Bytes(s.n, s.k));
    for (const bool transposed : {false, true}) {
      const Factor b = Factor::Of(u.right.data(), s.k, s.n, transposed);
      PackedFactor(memory.get(), s.n, s.k).Pack(b);
      std::vector<float> c(static_cast<size_t>(s.m * s.n), kNaN);
      MultiplySkippingLeft(u.a, PackedFactor(memory.get(), s.n, s.k), s.m, s.n,
                           s.k, c.data(), s.n, scratch.get());
      EXPECT_EQ(c, SkippingLeft(u.a, b, s)) << s.m << " " << transposed;
    }
  }
}

TEST(SkipZerosTest, MoreThanPayAreNotListed) {
  const Sizes s{64, 64, 128};
  const Memory memory = Allocate(ColumnLists::Bytes(s.n, s.k));
  const auto list = [&](int64_t nonzero) {
    std::vector<float> b(static_cast<size_t>(s.n * s.k));
    std::fill_n(b.begin(), nonzero, 1.0f);
    return ColumnLists(memory.get(), s.n, s.k)
        .List(Factor::Of(b.data(), s.k, s.n, false));
  };
  EXPECT_TRUE(list(s.n * s.k * 55 / 100));
  EXPECT_FALSE(list(s.n * s.k * 55 / 100 + 1));
  EXPECT_FALSE(list(s.n * s.k));
}

TEST(SkipZerosTest, NotANumberIsNoZero) {
  const std::vector<float> left = {0, kNaN, -0.0f, 2};  // [2, 2]
  constexpr int64_t n = kMinColumns;
  const std::vector<float> b(2 * n, 3);
  const auto c = SkippingLeft(Factor::Of(left.data(), 2, 2, false),
                              Factor::Of(b.data(), 2, n, false), {2, n, 2});
  for (size_t j = 0; j < n; ++j) {
    EXPECT_TRUE(std::isnan(c[j]));
    EXPECT_EQ(c[n + j], 6);
  }
}

// Infinity and what is no number, in the factor whose zeros stay: each element
// of c is as by loops.
TEST(SkipZerosTest, ZeroTimesInfinityIsNotANumber) {
  const Sizes s{150, 130, 200};
  const auto expect_same = [](const std::vector<float>& c,
                              const std::vector<float>& want) {
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_EQ(std::isnan(c[i]), std::isnan(want[i])) << i;
      ASSERT_TRUE(std::isnan(want[i]) || c[i] == want[i]) << i;
    }
  };
  for (const float odd : {kInfinity, -kInfinity, kNaN, -kNaN}) {
    for (const bool transposed : {false, true}) {
      for (const size_t at : {size_t{0}, size_t{9999}, size_t{25999}}) {
        SCOPED_TRACE(testing::Message() << odd << " " << transposed << at);
        const auto sparse = Numbers(s.m * s.k, 30, 1);
        auto dense = Numbers(s.k * s.n, 100, 2);
        dense[at] = odd;
        const Factor a = Factor::Of(sparse.data(), s.m, s.k, true);
        const Factor b = Factor::Of(dense.data(), s.k, s.n, transposed);
        const auto want = ByLoops(a, b, s);
        EXPECT_EQ(
            std::ranges::count_if(
                want, [](float v) { return std::isnan(v) || std::isinf(v); }),
            s.m);
        expect_same(SkippingLeft(a, b, s), want);
        const Sizes turned{s.n, s.m, s.k};
        expect_same(SkippingRight(b.Transposed(), a.Transposed(), turned),
                    ByLoops(b.Transposed(), a.Transposed(), turned));
      }
    }
  }
}

Zeros LeftOut(uint32_t percent_a, uint32_t percent_b, const Sizes& s,
              bool transposed) {
  const auto a = Numbers(s.m * s.k, percent_a, 1);
  const auto b = Numbers(s.k * s.n, percent_b, 2);
  return ZerosToLeaveOut(Factor::Of(a.data(), s.m, s.k, transposed),
                         Factor::Of(b.data(), s.k, s.n, false), s.m, s.n, s.k,
                         MaySkipZeros(s.m, s.n, s.k, transposed));
}

TEST(SkipZerosTest, AreLeftOutOfTheFactorThatHasMore) {
  const Sizes s{784, 300, 100};
  for (const bool transposed : {false, true}) {
    EXPECT_EQ(LeftOut(20, 100, s, transposed), Zeros::kOfLeft);
    EXPECT_EQ(LeftOut(60, 100, s, transposed), Zeros::kKept);
    EXPECT_EQ(LeftOut(100, 100, s, transposed), Zeros::kKept);
    EXPECT_EQ(LeftOut(20, 40, s, transposed), Zeros::kOfLeft);
  }
  EXPECT_EQ(LeftOut(100, 20, s, true), Zeros::kOfRight);
  EXPECT_EQ(LeftOut(30, 20, s, true), Zeros::kOfRight);
  EXPECT_EQ(LeftOut(100, 60, s, true), Zeros::kKept);
  // Weights, as a rule.
  EXPECT_EQ(LeftOut(100, 20, s, false), Zeros::kKept);
}

TEST(SkipZerosTest, AreNotLookedForInSmallProducts) {
  const auto may = [](int64_t m, int64_t n, int64_t k) {
    const MaySkip may = MaySkipZeros(m, n, k, true);
    return std::pair(may.left, may.right);
  };
  EXPECT_EQ(may(784, 300, 100), std::pair(true, true));
  // Columns, or rows, that fill no vectors.
  EXPECT_EQ(may(784, 10, 1000), std::pair(false, true));
  EXPECT_EQ(may(10, 784, 1000), std::pair(true, false));
  EXPECT_EQ(may(100, 300, 20), std::pair(false, false));
  // Lists of much memory.
  EXPECT_EQ(may(784, 300, 100000), std::pair(true, false));
}

void ExpectTheSameOnAnyNumberOfThreads(const MatMulDims& d, uint32_t percent_a,
                                       uint32_t percent_b, bool epilogue) {
  SCOPED_TRACE(testing::Message() << d.m << " " << d.n << " " << d.k << " "
                                  << d.transpose_a << d.transpose_b);
  ASSERT_TRUE(SkippingMatMul::May(d));
  const auto a = Numbers(d.m * d.k, percent_a, 1);
  const auto b = Numbers(d.k * d.n, percent_b, 2);
  const auto bias = Numbers(d.n, 100, 3);
  std::vector<float> want =
      ByLoops(Factor::Of(a.data(), d.m, d.k, d.transpose_a),
              Factor::Of(b.data(), d.k, d.n, d.transpose_b), {d.m, d.n, d.k});
  for (size_t i = 0; epilogue && i < want.size(); ++i) {
    want[i] = std::max(want[i] + bias[i % bias.size()], 0.0f);
  }
  for (const int threads : {1, 2, 3, 8}) {
    const ThreadsScope scope(threads);
    SkippingMatMul product;
    EXPECT_FALSE(product.Run(a.data(), b.data(), nullptr, nullptr, nullptr));
    product.Prepare(d, {.bias = epilogue, .relu = epilogue});
    const Memory scratch = Allocate(product.scratch_bytes());
    std::vector<float> c(want.size(), kNaN);
    ASSERT_TRUE(product.Run(a.data(), b.data(),
                            epilogue ? bias.data() : nullptr, c.data(),
                            scratch.get()));
    EXPECT_EQ(c, want) << threads << " threads";
  }
}

TEST(SkippingMatMulTest, IsTheSameProductOnAnyNumberOfThreads) {
  // In halves of the inner dimension, and of rows or columns alone.
  for (const auto& [m, n, k] : {Sizes{37, 131, 777}, Sizes{450, 300, 64}}) {
    for (const bool ta : {false, true}) {
      for (const bool tb : {false, true}) {
        for (const bool epilogue : {false, true}) {
          ExpectTheSameOnAnyNumberOfThreads(
              {.m = m, .n = n, .k = k, .transpose_a = ta, .transpose_b = tb},
              25, 100, epilogue);
        }
      }
    }
  }
}

TEST(SkippingMatMulTest, SoItIsByTheRightFactor) {
  for (const auto& [m, n, k] : {Sizes{131, 37, 777}, Sizes{450, 300, 64}}) {
    for (const bool epilogue : {false, true}) {
      ExpectTheSameOnAnyNumberOfThreads(
          {.m = m, .n = n, .k = k, .transpose_a = true}, 100, 25, epilogue);
    }
  }
}

TEST(SkippingMatMulTest, DenseFactorsAreLeftToOthers) {
  const MatMulDims d{.m = 450, .n = 300, .k = 64, .transpose_a = true};
  const auto a = Numbers(d.m * d.k, 100, 1), b = Numbers(d.k * d.n, 100, 2);
  SkippingMatMul product;
  product.Prepare(d, {});
  EXPECT_FALSE(product.Run(a.data(), b.data(), nullptr, nullptr, nullptr));
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
