// SPDX-License-Identifier: Apache-2.0

// Images of another size whose pixels are weighted sums of several, with the
// weights of rows times those of columns. All give floats.
// ResizeBicubic: cubic convolution by Keys (A = -0.5) with half_pixel_centers,
//   else with A = -0.75 and the pixels at the edge repeated
// ResizeArea: means over the area that a pixel covers
// ScaleAndTranslate: and scale: float [2], translation: float [2]; a kernel of
//   `kernel_type`, as wide as a pixel when `antialias`; 0 outside of the image
// ResizeBicubicGrad, ScaleAndTranslateGrad: grads, original_image, ...

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/image/resize_common.h"
#include "ops/math/elementwise.h"

namespace lockstep {
namespace {

// Sums of neighbouring sources along one dimension, one for each target.
struct Sums {
  std::vector<int64_t> first;       // source of each target
  std::vector<size_t> begin = {0};  // of its weights, and the end of the last
  std::vector<float> weights;
  void End(int64_t source) {
    first.push_back(source);
    begin.push_back(weights.size());
  }
  int64_t targets() const { return static_cast<int64_t>(first.size()); }
};

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

struct Kernel {
  const char* name;
  float radius;
  float (*at)(float x);  // x >= 0
};
constexpr Kernel kKernels[] = {{"lanczos1", 1, Lanczos1},
                               {"lanczos3", 3, Lanczos3},
                               {"lanczos5", 5, Lanczos5},
                               {"gaussian", 1.5f, Gaussian},
                               {"box", 1, Box},
                               {"triangle", 1, Triangle},
                               {"keyscubic", 2, KeysCubic},
                               {"mitchellcubic", 2, MitchellCubic}};

Result<const Kernel*> KernelOf(const AttrMap& attrs) {
  const auto& name = *GetIf<std::string>(attrs, "kernel_type");
  const auto* it = std::ranges::find(kKernels, name, &Kernel::name);
  if (it != std::end(kKernels)) return it;
  return InvalidArgument("Unrecognized kernel type: ", name);
}

Sums KernelSums(const Kernel& kernel, bool antialias, float scale,
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

struct Plane {
  int64_t width = 0, channels = 0, in_size = 0;
  Sums rows, columns;
  int64_t out_size() const {
    return rows.targets() * columns.targets() * channels;
  }
};

// f(source's element, target's element, weight) of a pixel's first channels.
template <class F>
void ForWeights(const Plane& p, const F& f) {
  int64_t to = 0;
  for (size_t r = 0; r < p.rows.first.size(); ++r) {
    for (size_t c = 0; c < p.columns.first.size(); ++c, to += p.channels) {
      for (size_t i = p.rows.begin[r]; i < p.rows.begin[r + 1]; ++i) {
        const int64_t y =
            p.rows.first[r] + static_cast<int64_t>(i - p.rows.begin[r]);
        for (size_t j = p.columns.begin[c]; j < p.columns.begin[c + 1]; ++j) {
          const int64_t x =
              p.columns.first[c] + static_cast<int64_t>(j - p.columns.begin[c]);
          f((y * p.width + x) * p.channels, to,
            p.rows.weights[i] * p.columns.weights[j]);
        }
      }
    }
  }
}

template <class F>
void ForPlanes(int64_t images, const Plane& p, const F& f) {
  const int64_t work = std::max<int64_t>(1, p.in_size + p.out_size());
  ParallelFor(images, std::max<int64_t>(1, kCheapGrain / work),
              [&](int64_t begin, int64_t end) {
                for (int64_t n = begin; n < end; ++n) f(n);
              });
}

template <class T>
Status ResampleCpu(KernelContext& k) {
  const Plane& p = k.state<Plane>();
  ForPlanes(k.input(0).shape().dim(0), p, [&](int64_t n) {
    const T* x = k.in<T>(0) + n * p.in_size;
    float* y = k.out<float>(0) + n * p.out_size();
    std::fill_n(y, p.out_size(), 0.0f);
    ForWeights(p, [&](int64_t from, int64_t to, float weight) {
      for (int64_t c = 0; c < p.channels; ++c) {
        y[to + c] += weight * static_cast<float>(x[from + c]);
      }
    });
  });
  return Ok();
}

template <class T>
Status ResampleGradCpu(KernelContext& k) {
  const Plane& p = k.state<Plane>();
  ForPlanes(k.input(0).shape().dim(0), p, [&](int64_t n) {
    const float* dy = k.in<float>(0) + n * p.out_size();
    T* dx = k.out<T>(0) + n * p.in_size;
    std::fill_n(dx, p.in_size, T(0));
    ForWeights(p, [&](int64_t to, int64_t from, float weight) {
      for (int64_t c = 0; c < p.channels; ++c) {
        dx[to + c] += static_cast<T>(weight * dy[from + c]);
      }
    });
  });
  return Ok();
}

// sums(source size, target size, 0 for rows or 1 for columns).
template <class F>
void MakePlane(PrepareContext& p, const Shape& before, const Shape& after,
               const F& sums) {
  Plane plane{.width = before.dim(2), .channels = before.dim(3)};
  plane.in_size = before.dim(1) * before.dim(2) * before.dim(3);
  plane.rows = sums(before.dim(1), after.dim(1), 0);
  plane.columns = sums(before.dim(2), after.dim(2), 1);
  p.MakeState<Plane>(std::move(plane));
}

template <Sums (*kSums)(const AttrMap&, int64_t, int64_t), bool kGradient>
Status PrepareResize(PrepareContext& p) {
  const Shape& a = p.input_shape(0);
  const Shape& b = p.output_shape(0);
  MakePlane(p, kGradient ? b : a, kGradient ? a : b,
            [&](int64_t in, int64_t out, size_t) {
              return kSums(p.attrs(), in, out);
            });
  return Ok();
}

template <bool kGradient>
Status PrepareScale(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(const Kernel* kernel, KernelOf(p.attrs()));
  const bool antialias = GetOr(p.attrs(), "antialias", true);
  const auto scale = p.input_value(2)->flat<float>();
  const auto translation = p.input_value(3)->flat<float>();
  for (const float v : scale) {
    if (!(v > 0)) return InvalidArgument("scale must be positive, is ", v);
  }
  const Shape& a = p.input_shape(0);
  const Shape& b = p.output_shape(0);
  MakePlane(p, kGradient ? b : a, kGradient ? a : b,
            [&](int64_t in, int64_t out, size_t i) {
              return KernelSums(*kernel, antialias, scale[i], translation[i],
                                in, out);
            });
  return Ok();
}

// And two numbers in each of inputs 2 and 3.
template <Status (*kRule)(ShapeContext&)>
Status ScaleShape(ShapeContext& c) {
  for (int i : {2, 3}) {
    LS_ASSIGN_OR_RETURN(const Shape two, c.WithRank(i, 1));
    if (two.dim(0) != kUnknownDim && two.dim(0) != 2) {
      return InvalidArgument("scale and translation must have 2 elements, ",
                             "one has shape ", two);
    }
  }
  LS_RETURN_IF_ERROR(KernelOf(c.attrs()).status());
  return kRule(c);
}

Status BicubicGradient(GradContext& g) {
  const DType t = g.x(0).dtype();
  if (t != kFloat && t != kDouble) return Ok();
  NodeBuilder node = g.scope().Op("ResizeBicubicGrad");
  node.In(g.dy(0)).In(g.x(0));
  return g.SetDx(0, WithAttrs(node, g).Out());
}

Status ScaleGradient(GradContext& g) {
  if (g.x(0).dtype() != kFloat) return Ok();
  NodeBuilder node = g.scope().Op("ScaleAndTranslateGrad");
  node.In(g.dy(0)).In(g.x(0)).In(g.x(2)).In(g.x(3));
  for (const char* name : {"kernel_type", "antialias"}) {
    node.Attr(name, g.node()->attrs().find(name)->second);
  }
  return g.SetDx(0, node.Out());
}

LOCKSTEP_OP("ResizeBicubic")
    .Input("images: T")
    .Input("size: int32")
    .Output("resized_images: float")
    .Attr(kImageTypes) LS_RESIZE_ATTRS.Shape(SizeShape<false>)
    .Gradient(BicubicGradient)
    .NeedsValue({1})
    .Kernels<LS_IMAGE_TYPES>(kCpu, []<class T>() {
      return KernelDef{ResampleCpu<T>, PrepareResize<CubicSums, false>};
    });

LOCKSTEP_OP("ResizeBicubicGrad")
    .Input("grads: float")
    .Input("original_image: T")
    .Output("output: T")
    .Attr("T: {float, double}") LS_RESIZE_ATTRS.Shape(GradShape)
    .NoGradient()
    .Kernels<float, double>(kCpu, []<class T>() {
      return KernelDef{ResampleGradCpu<T>, PrepareResize<CubicSums, true>};
    });

LOCKSTEP_OP("ResizeArea")
    .Input("images: T")
    .Input("size: int32")
    .Output("resized_images: float")
    .Attr(kImageTypes)
    .Attr("align_corners: bool = false")
    .Shape(SizeShape<false>)
    .NoGradient()
    .NeedsValue({1})
    .Kernels<LS_IMAGE_TYPES>(kCpu, []<class T>() {
      return KernelDef{ResampleCpu<T>, PrepareResize<AreaSums, false>};
    });

LOCKSTEP_OP("ScaleAndTranslate")
    .Input("images: T")
    .Input("size: int32")
    .Input("scale: float")
    .Input("translation: float")
    .Output("resized_images: float")
    .Attr(kImageTypes)
    .Attr("kernel_type: string = 'lanczos3'")
    .Attr("antialias: bool = true")
    .Shape(ScaleShape<SizeShape<false>>)
    .Gradient(ScaleGradient)
    .NeedsValue({1, 2, 3})
    .Kernels<LS_IMAGE_TYPES>(kCpu, []<class T>() {
      return KernelDef{ResampleCpu<T>, PrepareScale<false>};
    });

LOCKSTEP_OP("ScaleAndTranslateGrad")
    .Input("grads: T")
    .Input("original_image: T")
    .Input("scale: float")
    .Input("translation: float")
    .Output("output: T")
    .Attr("T: {float}")
    .Attr("kernel_type: string = 'lanczos3'")
    .Attr("antialias: bool = true")
    .Shape(ScaleShape<GradShape>)
    .NoGradient()
    .NeedsValue({2, 3})
    .Kernels<float>(kCpu, []<class T>() {
      return KernelDef{ResampleGradCpu<T>, PrepareScale<true>};
    });

}  // namespace
}  // namespace lockstep
