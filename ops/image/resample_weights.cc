// SPDX-License-Identifier: Apache-2.0
#include "ops/image/resample_weights.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>

#include "ops/image/resize_common.h"

namespace lockstep {
namespace {

// By their sum, unless that is as good as 0.
void Normalize(std::span<float> weights) {
  float sum = 0;
  for (const float w : weights) sum += w;
  if (std::abs(sum) < 1000 * std::numeric_limits<float>::min()) return;
  for (float& w : weights) w *= 1 / sum;
}

// Keys' kernel with parameter a, at x >= 0.
float Cubic(float a, float x) {
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

float Lanczos(float radius, float x) {
  constexpr float kPi = 3.14159265359f;
  if (x > radius) return 0;
  if (x <= 1e-3f) return 1;
  return radius * std::sin(kPi * x) * std::sin(kPi * x / radius) /
         (kPi * kPi * x * x);
}
float Lanczos1(float x) { return Lanczos(1, x); }
float Lanczos3(float x) { return Lanczos(3, x); }
float Lanczos5(float x) { return Lanczos(5, x); }
float Gaussian(float x) { return x >= 1.5f ? 0 : std::exp(x * x * -2.0f); }
float Box(float x) { return x < 0.5f ? 1 : x == 0.5f ? 0.5f : 0; }
float Triangle(float x) { return x < 1 ? 1 - x : 0; }
float KeysCubic(float x) { return Cubic(-0.5f, x); }
float MitchellCubic(float x) {
  if (x >= 2) return 0;
  if (x < 1) return ((7.0f / 6 * x - 2) * x) * x + 8.0f / 9;
  return ((-7.0f / 18 * x + 2) * x - 10.0f / 3) * x + 16.0f / 9;
}

constexpr ResampleKernel kKernels[] = {{"lanczos1", 1, Lanczos1},
                                       {"lanczos3", 3, Lanczos3},
                                       {"lanczos5", 5, Lanczos5},
                                       {"gaussian", 1.5f, Gaussian},
                                       {"box", 1, Box},
                                       {"triangle", 1, Triangle},
                                       {"keyscubic", 2, KeysCubic},
                                       {"mitchellcubic", 2, MitchellCubic}};

}  // namespace

Sums CubicSums(const AttrMap& attrs, int64_t in, int64_t out) {
  constexpr float kSteps = 1024;  // positions that TensorFlow distinguishes
  const Scaling s(attrs, in, out);
  Sums sums;
  for (int64_t target = 0; target < out; ++target) {
    const auto t = static_cast<float>(target);
    const float at = s.half_pixel ? (t + 0.5f) * s.scale - 0.5f : t * s.scale;
    const float floor = std::floor(at);
    const float x = std::nearbyint((at - floor) * kSteps) / kSteps;
    const float a = s.half_pixel ? -0.5f : -0.75f;
    const float four[] = {Cubic(a, 1 + x), Cubic(a, x), Cubic(a, 1 - x),
                          Cubic(a, 2 - x)};
    const int64_t from = static_cast<int64_t>(floor) - 1;
    const int64_t low = std::clamp<int64_t>(from, 0, in - 1);
    const int64_t high = std::clamp<int64_t>(from + 3, 0, in - 1);
    const size_t begin = sums.weights.size();
    sums.weights.resize(begin + static_cast<size_t>(high - low + 1));
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t source = std::clamp(from + i, low, high);
      if (s.half_pixel && source != from + i) continue;
      sums.weights[begin + static_cast<size_t>(source - low)] += four[i];
    }
    if (s.half_pixel) Normalize(std::span(sums.weights).subspan(begin));
    sums.End(low);
  }
  return sums;
}

Sums AreaSums(const AttrMap& attrs, int64_t in, int64_t out) {
  const float scale = Scaling(attrs, in, out).scale;
  Sums sums;
  for (int64_t target = 0; target < out; ++target) {
    const float low = static_cast<float>(target) * scale;
    const float high = static_cast<float>(target + 1) * scale;
    const auto from = static_cast<int64_t>(std::floor(low));
    const auto to = static_cast<int64_t>(std::ceil(high));
    const int64_t first = std::min(from, in - 1);
    const size_t begin = sums.weights.size();
    for (int64_t i = from; i < to; ++i) {
      const auto x = static_cast<float>(i);
      const float part = std::min(x + 1, high) - std::max(x, low);
      const size_t at =
          begin + static_cast<size_t>(std::min(i, in - 1) - first);
      if (at >= sums.weights.size()) sums.weights.resize(at + 1);
      sums.weights[at] += (low > x && x + 1 > high ? scale : part) / scale;
    }
    sums.End(first);
  }
  return sums;
}

Result<const ResampleKernel*> ResampleKernelOf(const AttrMap& attrs) {
  const auto& name = *GetIf<std::string>(attrs, "kernel_type");
  const auto* it = std::ranges::find(kKernels, name, &ResampleKernel::name);
  if (it != std::end(kKernels)) return it;
  return InvalidArgument("Unrecognized kernel type: ", name);
}

Sums KernelSums(const ResampleKernel& kernel, bool antialias, float scale,
                float translation, int64_t in, int64_t out) {
  const float inverse = 1 / scale;
  const float wider = antialias ? std::max(inverse, 1.0f) : 1.0f;
  const float reach = kernel.radius * wider;
  const auto inside = [in](float x) {
    return static_cast<int64_t>(
        std::clamp(x, 0.0f, static_cast<float>(in - 1)));
  };
  Sums sums;
  for (int64_t target = 0; target < out; ++target) {
    const float at =
        (static_cast<float>(target) + 0.5f) * inverse - inverse * translation;
    if (!(at >= 0 && at <= static_cast<float>(in))) {
      sums.End(0);
      continue;
    }
    const int64_t low = inside(std::ceil(at - reach - 0.5f));
    const int64_t high = inside(std::floor(at + reach - 0.5f));
    const size_t begin = sums.weights.size();
    for (int64_t i = low; i <= high; ++i) {
      const float x = std::abs(static_cast<float>(i) + 0.5f - at);
      sums.weights.push_back(kernel.at(x * (1 / wider)));
    }
    Normalize(std::span(sums.weights).subspan(begin));
    sums.End(low);
  }
  return sums;
}

}  // namespace lockstep
