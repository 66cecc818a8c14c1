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

#include "ops/image/resample_weights.h"
#include "ops/image/resize_common.h"
#include "ops/math/elementwise.h"
#include "runtime/core/simd.h"

namespace lockstep {
namespace {

struct Plane {
  int64_t width = 0, channels = 0, in_size = 0;
  Sums rows, columns;
  int64_t in_row() const { return width * channels; }
  int64_t out_row() const { return columns.targets() * channels; }
  int64_t out_size() const { return rows.targets() * out_row(); }
  // Results are made some rows at a time, with memory for a source's row each.
  int64_t bands() const { return (rows.targets() + kBand - 1) / kBand; }
  static constexpr int64_t kBand = 16;
};

template <class A, class T>
LS_SIMD_CLONES void AddScaled(A* sums, const T* x, float weight, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    sums[i] += static_cast<A>(weight * static_cast<float>(x[i]));
  }
}

// f(the source, its weight) of one target's sum.
template <class F>
void ForSources(const Sums& sums, int64_t target, const F& f) {
  const auto t = static_cast<size_t>(target);
  int64_t source = sums.first[t];
  for (size_t i = sums.begin[t]; i < sums.begin[t + 1]; ++i) {
    f(source++, sums.weights[i]);
  }
}

// A row of the result from one that has the source's width; of so many
// channels, 0 for any.
template <int64_t kChannels>
void SumColumns(const Plane& p, const float* row, float* y) {
  const int64_t channels = kChannels > 0 ? kChannels : p.channels;
  for (int64_t c = 0; c < p.columns.targets(); ++c, y += channels) {
    if constexpr (kChannels > 0) {
      float sums[kChannels] = {};
      ForSources(p.columns, c, [&](int64_t x, float weight) {
        for (int64_t k = 0; k < kChannels; ++k) {
          sums[k] += weight * row[x * kChannels + k];
        }
      });
      std::copy_n(sums, kChannels, y);
    } else {
      std::fill_n(y, channels, 0.0f);
      ForSources(p.columns, c, [&](int64_t x, float weight) {
        AddScaled(y, row + x * channels, weight, channels);
      });
    }
  }
}
void SumColumns(const Plane& p, const float* row, float* y) {
  switch (p.channels) {
    case 1: return SumColumns<1>(p, row, y);
    case 3: return SumColumns<3>(p, row, y);
    case 4: return SumColumns<4>(p, row, y);
    default: return SumColumns<0>(p, row, y);
  }
}

template <class F>
void ForParts(int64_t images, int64_t parts, const Plane& p, const F& f) {
  const int64_t work = std::max<int64_t>(1, (p.in_size + p.out_size()) / parts);
  ParallelFor(images * parts, std::max<int64_t>(1, kCheapGrain / work),
              [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i) f(i);
              });
}

template <class T>
Status ResampleCpu(KernelContext& k) {
  const Plane& p = k.state<Plane>();
  const int64_t bands = p.bands();
  ForParts(k.input(0).shape().dim(0), bands, p, [&](int64_t part) {
    const T* x = k.in<T>(0) + part / bands * p.in_size;
    float* y = k.out<float>(0) + part / bands * p.out_size();
    float* row = static_cast<float*>(k.scratch()) + part * p.in_row();
    const int64_t first = part % bands * Plane::kBand;
    const int64_t last = std::min(first + Plane::kBand, p.rows.targets());
    for (int64_t r = first; r < last; ++r) {
      std::fill_n(row, p.in_row(), 0.0f);
      ForSources(p.rows, r, [&](int64_t source, float weight) {
        AddScaled(row, x + source * p.in_row(), weight, p.in_row());
      });
      SumColumns(p, row, y + r * p.out_row());
    }
  });
  return Ok();
}

template <class T>
Status ResampleGradCpu(KernelContext& k) {
  const Plane& p = k.state<Plane>();
  ForParts(k.input(0).shape().dim(0), 1, p, [&](int64_t n) {
    const float* dy = k.in<float>(0) + n * p.out_size();
    T* dx = k.out<T>(0) + n * p.in_size;
    float* row = static_cast<float*>(k.scratch()) + n * p.in_row();
    std::fill_n(dx, p.in_size, T(0));
    for (int64_t r = 0; r < p.rows.targets(); ++r) {
      std::fill_n(row, p.in_row(), 0.0f);
      for (int64_t c = 0; c < p.columns.targets(); ++c, dy += p.channels) {
        ForSources(p.columns, c, [&](int64_t x, float weight) {
          AddScaled(row + x * p.channels, dy, weight, p.channels);
        });
      }
      ForSources(p.rows, r, [&](int64_t source, float weight) {
        AddScaled(dx + source * p.in_row(), row, weight, p.in_row());
      });
    }
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
  const int64_t rows = before.dim(0) * plane.bands();
  p.RequestScratch(static_cast<size_t>(rows * plane.in_row()) * sizeof(float));
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
  LS_ASSIGN_OR_RETURN(const ResampleKernel* kernel,
                      ResampleKernelOf(p.attrs()));
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
  LS_RETURN_IF_ERROR(ResampleKernelOf(c.attrs()).status());
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
