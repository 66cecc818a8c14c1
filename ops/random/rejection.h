// SPDX-License-Identifier: Apache-2.0
#pragma once

// Draws by rejection: each sample takes as many numbers as it needs from words
// of its own. For random_rejection.cc.

#include <array>
#include <cmath>

#include "runtime/core/philox.h"

namespace lockstep::detail {

// Sample number `sample` of a stream. Uniforms and normals come two from a
// block, the second first, as in TensorFlow.
class SampleSource {
 public:
  SampleSource(const Philox& rng, uint64_t sample)
      : rng_(rng), block_(sample * kBlocks) {}
  double Uniform() {  // in [0, 1)
    if (uniforms_ == 0) {
      const auto words = rng_.Block(block_++);
      uniform_ = {UniformDouble(words[0], words[1]),
                  UniformDouble(words[2], words[3])};
      uniforms_ = 2;
    }
    return uniform_[--uniforms_];
  }
  double Positive() { return 1.0 - Uniform(); }  // in (0, 1]
  double Normal() {
    if (normals_ == 0) {
      const auto words = rng_.Block(block_++);
      const double first = UniformDouble(words[0], words[1]);
      const double angle =
          6.283185307179586 * UniformDouble(words[2], words[3]);
      const double r = std::sqrt(-2.0 * std::log(std::fmax(first, 1e-7)));
      normal_ = {r * std::sin(angle), r * std::cos(angle)};
      normals_ = 2;
    }
    return normal_[--normals_];
  }

 private:
  static constexpr uint64_t kBlocks = 256;
  const Philox& rng_;
  uint64_t block_;
  std::array<double, 2> uniform_{}, normal_{};
  size_t uniforms_ = 0, normals_ = 0;
};

// Attempts of which the last one is taken, however unlikely that is.
inline constexpr int kAttempts = 400;

// Marsaglia and Tsang, "A simple method for generating gamma variables"; the
// order in which numbers are drawn is TensorFlow's.
inline double Gamma(SampleSource& source, double alpha) {
  if (!(alpha > 0) || !std::isfinite(alpha)) return std::nan("");
  if (alpha == 1) return -std::log1p(-source.Uniform());
  const double d = alpha < 1 ? alpha + 2.0 / 3 : alpha - 1.0 / 3;
  const double c = 1.0 / 3 / std::sqrt(d);
  double v = 1;
  for (int i = 0; i < kAttempts; ++i) {
    const double x = source.Normal();
    const double root = 1 + c * x;
    if (root <= 0) continue;
    v = root * root * root;
    const double u = source.Uniform();
    if (u < 1 - 0.0331 * (x * x) * (x * x) ||
        std::log(u) < 0.5 * x * x + d * (1 - v + std::log(v))) {
      break;
    }
  }
  return d * v * (alpha < 1 ? std::pow(source.Uniform(), 1 / alpha) : 1.0);
}

// How a gamma variable x moves with alpha when its quantile stays: minus the
// derivative of the distribution function by alpha, over the density. The
// function is the sum of t(n) = x^(a+n) exp(-x) / Gamma(a+n+1), n >= 0, whose
// derivatives are t(n) (log x - digamma(a+n+1)).
inline double GammaByAlpha(double alpha, double x) {
  if (!(alpha > 0) || !(x > 0) || !std::isfinite(alpha + x)) {
    return std::nan("");
  }
  // digamma(alpha + 1), by its asymptotic series from 10 on.
  double digamma = 0, z = alpha + 1;
  for (; z < 10; ++z) digamma -= 1 / z;
  const double r = 1 / (z * z);
  digamma += std::log(z) - 0.5 / z -
             r * (1.0 / 12 - r * (1.0 / 120 - r * (1.0 / 252 - r / 240)));
  const double log_x = std::log(x);
  double term = std::exp(alpha * log_x - x - std::lgamma(alpha + 1));
  // t(0) is x / alpha of the density.
  const double density = term * alpha / x;
  double sum = 0;
  for (int n = 1; n < 1000000; ++n) {
    const double part = term * (log_x - digamma);
    sum += part;
    if (alpha + n > x && std::abs(part) < 1e-17 * std::abs(sum)) break;
    digamma += 1 / (alpha + n);
    term *= x / (alpha + n);
  }
  return density > 0 ? -sum / density : std::nan("");
}

// Up to 10 by multiplying uniforms (Knuth); above by transformed rejection:
// Hoermann, "The transformed rejection method for generating Poisson random
// variables", 1993.
inline double Poisson(SampleSource& source, double rate) {
  if (!(rate >= 0) || !std::isfinite(rate)) return std::nan("");
  if (rate < 10) {
    const double least = std::exp(-rate);
    double product = source.Uniform(), k = 0;
    for (; product > least && k < kAttempts; ++k) product *= source.Uniform();
    return k;
  }
  const double b = 0.931 + 2.53 * std::sqrt(rate), a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
  const double sure = 0.9277 - 3.6224 / (b - 2), log_rate = std::log(rate);
  for (int i = 0; i < kAttempts; ++i) {
    const double u = source.Uniform() - 0.5, v = source.Uniform();
    const double us = 0.5 - std::abs(u);
    const double k = std::floor((2 * a / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= sure) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    if (std::log(v * inverse_alpha / (a / (us * us) + b)) <=
        k * log_rate - rate - std::lgamma(k + 1)) {
      return k;
    }
  }
  return std::floor(rate);
}

// A standard normal within [low, high], low < high: Robert, "Simulation of
// truncated normal variables", 1995.
inline double NormalWithin(SampleSource& source, double low, double high) {
  if (high < 0) return -NormalWithin(source, -high, -low);
  double z = std::isfinite(low) ? low : high;
  const double tail = 0.5 * (low + std::sqrt(low * low + 4));
  const bool from_tail = low > 0.5 && high - low > 1 / tail;
  const bool from_normal = !from_tail && low <= 0.5 && high - low > 2.5;
  const double top = low > 0 ? low * low : 0;  // least square in the interval
  for (int i = 0; i < kAttempts; ++i) {
    double log_accept = 0;
    if (from_tail) {
      z = low - std::log(source.Positive()) / tail;
      log_accept = -0.5 * (z - tail) * (z - tail);
    } else if (from_normal) {
      z = source.Normal();
    } else {
      z = low + (high - low) * source.Uniform();
      log_accept = 0.5 * (top - z * z);
    }
    if (z >= low && z <= high && std::log(source.Positive()) <= log_accept) {
      return z;
    }
  }
  return std::fmin(std::fmax(z, low), high);
}

}  // namespace lockstep::detail
