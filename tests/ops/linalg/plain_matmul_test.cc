// SPDX-License-Identifier: Apache-2.0
#include "ops/linalg/plain_matmul.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>

#include "ops/linalg/split_matmul.h"
#include "runtime/core/threads.h"

namespace lockstep::detail {
namespace {

// Numbers of no pattern, small and exact in every dtype.
template <class T>
std::vector<T> Some(int64_t count, uint32_t seed) {
  std::vector<T> values;
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    values.push_back(T(static_cast<float>((seed >> 24) % 7)));
  }
  return values;
}

template <class T>
struct Operands {
  Operands(const MatMulDims& dims, uint32_t seed)
      : d(dims), a(Some<T>(d.m * d.k, seed)), b(Some<T>(d.k * d.n, seed + 1)) {}
  T A(int64_t i, int64_t l) const {
    return a[static_cast<size_t>(d.transpose_a ? l * d.m + i : i * d.k + l)];
  }
  T B(int64_t l, int64_t j) const {
    return b[static_cast<size_t>(d.transpose_b ? j * d.k + l : l * d.n + j)];
  }
  MatMulDims d;
  std::vector<T> a, b;
};

template <class T>
std::vector<T> Multiply(const Operands<T>& o,
                        const PlainEpilogue<ArithmeticType<T>>& epilogue = {}) {
  std::vector<T> c(static_cast<size_t>(o.d.m * o.d.n), T(99.0f));
  void* scratch =
      std::aligned_alloc(64, (MultiplyPlainScratch<T>(o.d) + 127) / 64 * 64);
  MultiplyPlain<T>(o.d, o.a.data(), o.b.data(), c.data(), scratch, epilogue);
  std::free(scratch);
  return c;
}

// Sums of small whole numbers are exact, so every order gives the same.
template <class T>
void ExpectProduct(const Operands<T>& o) {
  const std::vector<T> c = Multiply(o);
  using A = ArithmeticType<T>;
  for (int64_t i = 0; i < o.d.m; ++i) {
    for (int64_t j = 0; j < o.d.n; ++j) {
      A sum(0);
      for (int64_t l = 0; l < o.d.k; ++l) sum += A(o.A(i, l)) * A(o.B(l, j));
      ASSERT_EQ(A(c[static_cast<size_t>(i * o.d.n + j)]), A(T(sum)))
          << "m " << o.d.m << " n " << o.d.n << " k " << o.d.k << " at " << i
          << ", " << j;
    }
  }
}

template <class T>
void ExpectAllForms() {
  for (const int64_t m : {1, 2, 3, 4, 5, 8, 9, 13, 17}) {
    for (const int64_t n : {1, 2, 7, 8, 15, 16, 17, 31, 33, 48, 65}) {
      for (const int64_t k : {0, 1, 3, 10}) {
        for (const int form : {0, 1, 2, 3}) {
          ExpectProduct(Operands<T>({.m = m,
                                     .n = n,
                                     .k = k,
                                     .transpose_a = (form & 1) != 0,
                                     .transpose_b = (form & 2) != 0},
                                    static_cast<uint32_t>(m * 131 + n + k)));
        }
      }
    }
  }
}

TEST(PlainMatMulTest, FloatOfEverySize) { ExpectAllForms<float>(); }
TEST(PlainMatMulTest, DoubleOfEverySize) { ExpectAllForms<double>(); }
TEST(PlainMatMulTest, HalfOfEverySize) { ExpectAllForms<Half>(); }
TEST(PlainMatMulTest, BytesOfEverySize) { ExpectAllForms<uint8_t>(); }
TEST(PlainMatMulTest, LongOfEverySize) { ExpectAllForms<int64_t>(); }
TEST(PlainMatMulTest, ComplexOfEverySize) {
  ExpectAllForms<std::complex<float>>();
}

TEST(PlainMatMulTest, BiasAndReluAreOfEachColumn) {
  for (const int64_t n : {1, 16, 19, 40}) {
    const Operands<float> o({.m = 6, .n = n, .k = 3}, 5);
    std::vector<float> bias;
    for (int64_t j = 0; j < n; ++j) {
      bias.push_back(-20 - static_cast<float>(j));
    }
    const std::vector<float> plain = Multiply(o);
    const std::vector<float> with =
        Multiply(o, {.bias = bias.data(), .relu = true});
    int zeros = 0;
    for (size_t i = 0; i < with.size(); ++i) {
      const float sum = plain[i] + bias[i % static_cast<size_t>(n)];
      EXPECT_EQ(with[i], sum < 0 ? 0 : sum);
      zeros += with[i] == 0;
    }
    EXPECT_GT(zeros, 0);
  }
}

TEST(PlainMatMulTest, ReluKeepsWhatIsNoNumber) {
  Operands<float> o({.m = 1, .n = 2, .k = 1}, 1);
  o.a = {1};
  o.b = {NAN, -1};
  const std::vector<float> c = Multiply(o, {.relu = true});
  EXPECT_TRUE(std::isnan(c[0]));
  EXPECT_EQ(c[1], 0);
}

TEST(SplitMatMulTest, IsTheSameProductOnOneThreadAndOnTwo) {
  const MatMulDims dims{.m = 37, .n = 131, .k = 777};
  SetThreads(3);
  EXPECT_FALSE(SplitMatMul::Pays(dims));
  SetThreads(2);
  ASSERT_TRUE(SplitMatMul::Pays(dims));
  for (const bool transposed : {false, true}) {
    MatMulDims d = dims;
    d.transpose_a = transposed;
    Operands<float> o(d, 3);
    for (float& v : o.a) v = v * 0.37f - 1;
    for (float& v : o.b) v = v * 0.11f - 0.3f;
    const std::vector<float> bias = Some<float>(d.n, 8);
    const std::vector<float> want =
        Multiply(o, {.bias = bias.data(), .relu = true});
    std::vector<float> first;
    for (const int threads : {1, 2}) {
      SetThreads(threads);
      SplitMatMul split;
      const Status prepared = split.Prepare(d, {.bias = true, .relu = true});
      ASSERT_TRUE(prepared.ok()) << prepared.ToString();
      std::vector<float> c(static_cast<size_t>(d.m * d.n));
      void* scratch =
          std::aligned_alloc(64, (split.scratch_bytes() + 63) / 64 * 64);
      const Status ran =
          split.Run(o.a.data(), o.b.data(), bias.data(), c.data(), scratch);
      std::free(scratch);
      ASSERT_TRUE(ran.ok()) << ran.ToString();
      if (first.empty()) first = c;
      EXPECT_EQ(c, first) << threads << " threads";
      for (size_t i = 0; i < c.size(); ++i) {
        ASSERT_NEAR(c[i], want[i], 1e-3) << threads << " threads, at " << i;
      }
    }
    SetThreads(0);
  }
}

}  // namespace
}  // namespace lockstep::detail
