// SPDX-License-Identifier: Apache-2.0

// RGBToHSV, HSVToRGB: colours in the last dimension, of three; red, green and
// blue in [0, 1] <-> hue, saturation and value in [0, 1].
//   images: floats [..., 3]   output: same shape
// AdjustHue: hue turned by `delta` of a full turn; AdjustSaturation: saturation
// times `scale`, at most 1.   images: half, float [..., H, W, 3]
// AdjustContrastv2: (x - mean) * contrast_factor + mean, with the mean of each
// channel of each image.   images: half, float [..., H, W, C]
// Gradient of RGBToHSV: its derivative, at ties the first colour is the largest
// and the last the smallest, as in TensorFlow. No others have one there.

#include <cmath>

#include "ops/array/array.h"
#include "ops/array/axes.h"
#include "ops/image/image.h"
#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

template <class V>
struct Color {
  V a, b, c;  // red, green, blue or hue, saturation, value
};

template <class V>
Color<V> ToHsv(Color<V> rgb) {
  const auto [r, g, b] = rgb;
  const V value = std::max(r, std::max(g, b));
  const V range = value - std::min(r, std::min(g, b));
  const V norm = V(1) / (V(6) * range);
  V hue = 0;
  if (range > 0) {
    hue = r == value   ? norm * (g - b)
          : g == value ? norm * (b - r) + V(2) / V(6)
                       : norm * (r - g) + V(4) / V(6);
    if (hue < 0) hue += V(1);
  }
  return {hue, value > 0 ? range / value : V(0), value};
}

template <class V>
Color<V> ToRgb(Color<V> hsv) {
  const auto [h, s, v] = hsv;
  const V at = h * V(6);
  const auto clip = [](V x) { return std::min(std::max(x, V(0)), V(1)); };
  const auto mix = [&](V strength) { return (V(1) - s + s * strength) * v; };
  return {mix(clip(std::abs(at - V(3)) - V(1))),
          mix(clip(V(2) - std::abs(at - V(2)))),
          mix(clip(V(2) - std::abs(at - V(4))))};
}

// y = f(x), colour by colour.
template <class T, class F>
Status MapColors(KernelContext& k, const F& f) {
  using V = ValueType<T>;
  const T* x = k.in<T>(0);
  T* y = k.out<T>(0);
  ParallelFor(k.output(0).NumElements() / 3, kCostlyGrain,
              [&](int64_t begin, int64_t end) {
                for (int64_t i = 3 * begin; i < 3 * end; i += 3) {
                  const Color<V> color =
                      f(Color<V>{static_cast<V>(x[i]), static_cast<V>(x[i + 1]),
                                 static_cast<V>(x[i + 2])});
                  y[i] = T(color.a);
                  y[i + 1] = T(color.b);
                  y[i + 2] = T(color.c);
                }
              });
  return Ok();
}

template <class T>
Status RgbToHsvCpu(KernelContext& k) {
  return MapColors<T>(k, ToHsv<ValueType<T>>);
}
template <class T>
Status HsvToRgbCpu(KernelContext& k) {
  return MapColors<T>(k, ToRgb<ValueType<T>>);
}

template <class T>
Status HueCpu(KernelContext& k) {
  const float delta = k.in<float>(1)[0];
  return MapColors<T>(k, [delta](Color<float> rgb) {
    Color<float> hsv = ToHsv(rgb);
    hsv.a += delta;
    hsv.a -= std::floor(hsv.a);
    return ToRgb(hsv);
  });
}
template <class T>
Status SaturationCpu(KernelContext& k) {
  const float scale = k.in<float>(1)[0];
  return MapColors<T>(k, [scale](Color<float> rgb) {
    Color<float> hsv = ToHsv(rgb);
    hsv.b = std::min(1.0f, std::max(0.0f, hsv.b * scale));
    return ToRgb(hsv);
  });
}

template <class T>
Status ContrastCpu(KernelContext& k) {
  const Shape& shape = k.input(0).shape();
  const int64_t channels = shape.dim(shape.rank() - 1);
  const int64_t pixels = DimProduct(shape, shape.rank() - 3, shape.rank() - 1);
  const float factor = k.in<float>(1)[0];
  ParallelFor(DimProduct(shape, 0, shape.rank() - 3), 1,
              [&](int64_t begin, int64_t end) {
                for (int64_t i = begin * channels; i < end * channels; ++i) {
                  const int64_t first =
                      i / channels * pixels * channels + i % channels;
                  const T* x = k.in<T>(0) + first;
                  T* y = k.out<T>(0) + first;
                  double sum = 0;
                  for (int64_t p = 0; p < pixels; ++p) {
                    sum += static_cast<float>(x[p * channels]);
                  }
                  const auto mean =
                      static_cast<float>(sum / static_cast<double>(pixels));
                  for (int64_t p = 0; p < pixels; ++p) {
                    const float v = static_cast<float>(x[p * channels]);
                    y[p * channels] = T((v - mean) * factor + mean);
                  }
                }
              });
  return Ok();
}

// FAILED_PRECONDITION for other numbers of channels, INVALID_ARGUMENT when
// colours are adjusted, as in TensorFlow.
template <bool kAdjust>
Status ColorShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape x, c.WithRankAtLeast(0, 1));
  if (!x.HasRank()) return c.SetOutput(0, x);
  const int64_t channels = x.dim(x.rank() - 1);
  if (channels != kUnknownDim && channels != 3) {
    const std::string text =
        StrCat("input must have 3 channels but instead has ", channels,
               " channels, shape ", x);
    return kAdjust ? InvalidArgument(text) : FailedPrecondition(text);
  }
  return c.SetOutput(0, x);
}
Status AdjustShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(c.WithRank(1, 0).status());
  LS_ASSIGN_OR_RETURN(const Shape x, c.WithRankAtLeast(0, 3));
  return c.SetOutput(0, x);
}
Status AdjustColorShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(AdjustShape(c));
  return ColorShape<true>(c);
}

// With M and m the largest and the smallest colour, and p - q the difference
// of the other two that hue follows: value = M, saturation = (M - m) / M,
// hue = a constant + (p - q) / (6 (M - m)).
Status RgbToHsvGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output rgb = g.x(0);
  const auto marks = [&](const Output& number) {
    return ops::Cast(s, ops::OneHot(s, number, 3), rgb.dtype());
  };
  const auto over_colors = [&](const Output& x) {
    return ops::Sum(s, x, int32_t{-1}, true);
  };
  const Output largest = marks(ops::ArgMax(s, rgb, -1));
  const Output smallest = marks(
      ops::Sub(s, int64_t{2}, ops::ArgMin(s, ops::Reverse(s, rgb, {-1}), -1)));
  const Output ends =
      ops::Sub(s, ops::Roll(s, largest, 1, -1), ops::Roll(s, largest, -1, -1));
  const Output max = over_colors(ops::Mul(s, rgb, largest));
  const Output min = over_colors(ops::Mul(s, rgb, smallest));
  const Output range = ops::Sub(s, max, min);
  const std::vector<Output> dy = ops::Split(s, int32_t{-1}, g.dy(0), 3);
  if (!s.ok()) return s.status();
  const Output hue = ops::DivNoNan(s, dy[0], ops::Mul(s, range, 6.0f));
  const Output slope = ops::Mul(
      s, hue, ops::DivNoNan(s, over_colors(ops::Mul(s, ends, rgb)), range));
  const Output saturation = ops::DivNoNan(s, dy[1], max);
  const Output of_max = ops::Sub(
      s,
      ops::Add(s, dy[2], ops::Mul(s, saturation, ops::DivNoNan(s, min, max))),
      slope);
  const Output of_min = ops::Sub(s, slope, saturation);
  return g.SetDx(
      0, ops::AddN(s, {ops::Mul(s, largest, of_max),
                       ops::Mul(s, smallest, of_min), ops::Mul(s, ends, hue)}));
}

LOCKSTEP_OP("RGBToHSV")
    .Input("images: T")
    .Output("output: T")
    .Attr("T: {half, bfloat16, float, double} = DT_FLOAT")
    .Shape(ColorShape<false>)
    .Gradient(RgbToHsvGradient)
    .InPlace(0, 0)
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return KernelDef{RgbToHsvCpu<T>};
    });

LOCKSTEP_OP("HSVToRGB")
    .Input("images: T")
    .Output("output: T")
    .Attr("T: {half, bfloat16, float, double} = DT_FLOAT")
    .Shape(ColorShape<false>)
    .NoGradient()
    .InPlace(0, 0)
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return KernelDef{HsvToRgbCpu<T>};
    });

OpBuilder AdjustOp(const char* name, const char* factor, ShapeFn shape) {
  OpBuilder b(name);
  b.Input("images: T")
      .Input(StrCat(factor, ": float"))
      .Output("output: T")
      .Attr("T: {half, float} = DT_FLOAT")
      .Shape(shape)
      .NoGradient()
      .InPlace(0, 0);
  return b;
}

const OpRegistrar kHue = AdjustOp("AdjustHue", "delta", AdjustColorShape)
                             .Kernels<Half, float>(kCpu, []<class T>() {
                               return KernelDef{HueCpu<T>};
                             });
const OpRegistrar kSaturation =
    AdjustOp("AdjustSaturation", "scale", AdjustColorShape)
        .Kernels<Half, float>(
            kCpu, []<class T>() { return KernelDef{SaturationCpu<T>}; });
const OpRegistrar kContrast =
    AdjustOp("AdjustContrastv2", "contrast_factor", AdjustShape)
        .Kernels<Half, float>(
            kCpu, []<class T>() { return KernelDef{ContrastCpu<T>}; });

Output Adjust(const char* op, const Scope& scope, const Input& images,
              const Input& by) {
  return scope.Op(op).In(images).In(by).Out();
}

}  // namespace

namespace ops {

Output RGBToHSV(const Scope& scope, const Input& images) {
  return scope.Op("RGBToHSV").In(images).Out();
}
Output HSVToRGB(const Scope& scope, const Input& images) {
  return scope.Op("HSVToRGB").In(images).Out();
}
Output AdjustHue(const Scope& scope, const Input& images, const Input& delta) {
  return Adjust("AdjustHue", scope, images, delta);
}
Output AdjustSaturation(const Scope& scope, const Input& images,
                        const Input& scale) {
  return Adjust("AdjustSaturation", scope, images, scale);
}
Output AdjustContrast(const Scope& scope, const Input& images,
                      const Input& factor) {
  return Adjust("AdjustContrastv2", scope, images, factor);
}

}  // namespace ops
}  // namespace lockstep
