// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/bench_peaks.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "runtime/core/threads.h"
#include "tools/lockstep/bench_options.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace lockstep {
namespace {

constexpr int kRounds = 8192;  // of one timing
// Of one figure. Beside other work threads wait for each other in most calls:
// one of many is enough.
constexpr double kMicrosTimed = 20e3;
constexpr double kMostMicros = 400e3;
constexpr int kFewestCalls = 60;
constexpr int kSmallestClass = 6;  // powers of four: 4 KiB
constexpr int kLargestClass = 14;  // 256 MiB
constexpr int64_t kGrain = 1 << 13;
// Independent sums, enough to hide the latency of one multiply-add.
constexpr int kSums = 12;

// Sums that nobody reads must be made all the same.
volatile float sink;

// kRounds * kSums multiply-adds of vectors; returns the floats in one.
int MultiplyPlain() {
  constexpr int kFloats = 4;
  float a[kSums * kFloats] = {};
  float x = 0.5f, y = 1.0f;
  asm volatile("" : "+g"(x), "+g"(y));
  for (int r = 0; r < kRounds; ++r) {
    for (float& sum : a) sum = sum * x + y;
  }
  for (const float sum : a) sink = sum;
  return kFloats;
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) int Multiply512() {
  __m512 a[kSums];
  for (__m512& sum : a) sum = _mm512_setzero_ps();
  const __m512 x = _mm512_set1_ps(0.5f), y = _mm512_set1_ps(1.0f);
  for (int r = 0; r < kRounds; ++r) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) a[i] = _mm512_fmadd_ps(a[i], x, y);
  }
  for (const __m512& sum : a) sink = _mm512_cvtss_f32(sum);
  return 16;
}

__attribute__((target("avx2,fma"))) int Multiply256() {
  __m256 a[kSums];
  for (__m256& sum : a) sum = _mm256_setzero_ps();
  const __m256 x = _mm256_set1_ps(0.5f), y = _mm256_set1_ps(1.0f);
  for (int r = 0; r < kRounds; ++r) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) a[i] = _mm256_fmadd_ps(a[i], x, y);
  }
  for (const __m256& sum : a) sink = _mm256_cvtss_f32(sum);
  return 8;
}
#endif

int Multiply() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return Multiply512();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return Multiply256();
  }
#endif
  return MultiplyPlain();
}

// The shortest of many calls.
template <class F>
double LeastMicros(const F& call) {
  double least = 1e30;
  const Stopwatch all;
  for (int calls = 1;; ++calls) {
    const Stopwatch one;
    call();
    least = std::min(least, one.Micros());
    const double spent = all.Micros();
    if (spent > kMostMicros || (spent > kMicrosTimed && calls > kFewestCalls)) {
      return least;
    }
  }
}

int ClassOf(double bytes) {
  const int n =
      static_cast<int>(std::lround(std::log2(std::max(bytes, 1.0)) / 2));
  return std::clamp(n, kSmallestClass, kLargestClass);
}

}  // namespace

double MachinePeaks::FlopsPerMicro() {
  if (flops_ > 0) return flops_;
  int floats = 0;
  const double us = LeastMicros([&] {
    ParallelFor(threads_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int n = Multiply();
        if (i == 0) floats = n;
      }
    });
  });
  // One thread alone, where the others never came.
  const double alone_us = LeastMicros([&] { floats = Multiply(); });
  flops_ =
      2.0 * kRounds * kSums * floats * std::max(threads_ / us, 1 / alone_us);
  return flops_;
}

double MachinePeaks::BytesPerMicro(double bytes) {
  const int size_class = ClassOf(bytes);
  double& peak = by_class_[size_class];
  if (peak > 0) return peak;
  const int64_t n = (int64_t{1} << (2 * size_class)) / 3 / 4;
  std::vector<float> x(static_cast<size_t>(n), 1.0f), y = x, z = x;
  const auto add = [&](int64_t begin, int64_t end) {
    const float* a = x.data();
    const float* b = y.data();
    float* c = z.data();
    for (int64_t i = begin; i < end; ++i) c[i] = a[i] + b[i];
    sink = c[begin];
  };
  // Where starting the threads takes longer than the work, one is the best.
  const double us = std::min(LeastMicros([&] { add(0, n); }),
                             LeastMicros([&] { ParallelFor(n, kGrain, add); }));
  peak = 12.0 * static_cast<double>(n) / us;
  return peak;
}

double MachinePeaks::Micros(const NodeWork& work) {
  return std::max(work.flops / FlopsPerMicro(),
                  work.bytes / BytesPerMicro(work.bytes));
}

}  // namespace lockstep
