// SPDX-License-Identifier: Apache-2.0

// ResizeNearestNeighbor, ResizeBilinear: images at another size.
//   images: [N,H,W,C]   size: int32 [2]   resized_images: [N,height,width,C];
//   of the second always float
// ResizeNearestNeighborGrad: grads, size: int32 [2] = the images' height, width
// ResizeBilinearGrad: grads: float, original_image -> as original_image
// Positions are computed in float, as TensorFlow does, so that pixels between
// two sources fall to the same side.

#include <algorithm>
#include <array>
#include <cmath>

#include "ops/array/array.h"
#include "ops/image/image.h"
#include "ops/image/resize_common.h"
#include "ops/math/elementwise.h"
#include "runtime/core/per_thread.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

// From which sources of one dimension each target takes its value.
struct Source {
  int64_t lower = 0, upper = 0;
  float weight = 0;  // of upper
};

Source Nearest(const Scaling& s, int64_t target, int64_t in) {
  const float at = static_cast<float>(target) + (s.half_pixel ? 0.5f : 0.0f);
  const float scaled = at * s.scale;
  const auto source = static_cast<int64_t>(
      s.align_corners ? std::round(scaled) : std::floor(scaled));
  return {std::clamp<int64_t>(source, 0, in - 1)};
}

Source Between(const Scaling& s, int64_t target, int64_t in) {
  const auto t = static_cast<float>(target);
  const float at = s.half_pixel ? (t + 0.5f) * s.scale - 0.5f : t * s.scale;
  const float floor = std::floor(at);
  return {std::clamp<int64_t>(static_cast<int64_t>(floor), 0, in - 1),
          std::min(static_cast<int64_t>(std::ceil(at)), in - 1), at - floor};
}

// Images, their heights and widths before and after.
struct ResizeDims {
  int64_t images = 0, channels = 0;
  int64_t in_height = 0, in_width = 0;
  std::vector<Source> rows, columns;  // one for each target

  int64_t in_size() const { return in_height * in_width * channels; }
  int64_t out_size() const {
    return static_cast<int64_t>(rows.size() * columns.size()) * channels;
  }
};

template <bool kNearest>
ResizeDims DimsOf(const AttrMap& attrs, const Shape& in, const Shape& out) {
  ResizeDims d{in.dim(0), in.dim(3), in.dim(1), in.dim(2), {}, {}};
  const auto fill = [&](int dim, std::vector<Source>* sources) {
    const Scaling s(attrs, in.dim(dim), out.dim(dim));
    for (int64_t i = 0; i < out.dim(dim); ++i) {
      sources->push_back(kNearest ? Nearest(s, i, in.dim(dim))
                                  : Between(s, i, in.dim(dim)));
    }
  };
  fill(1, &d.rows);
  fill(2, &d.columns);
  return d;
}

// f(first element of an image, of its resized form), on several threads.
template <class F>
void ForImages(const ResizeDims& d, const F& f) {
  const int64_t work = std::max<int64_t>(1, d.in_size() + d.out_size());
  ParallelFor(d.images, std::max<int64_t>(1, kCheapGrain / work),
              [&](int64_t begin, int64_t end) {
                for (int64_t n = begin; n < end; ++n) {
                  f(n * d.in_size(), n * d.out_size());
                }
              });
}

// Elements of a line of the resized image: where they come from.
struct Line {
  std::vector<int32_t> left, right;  // elements of the image's line
  std::vector<float> weight;         // of right

  explicit Line(const ResizeDims& d) {
    for (const Source& column : d.columns) {
      for (int64_t c = 0; c < d.channels; ++c) {
        left.push_back(static_cast<int32_t>(column.lower * d.channels + c));
        right.push_back(static_cast<int32_t>(column.upper * d.channels + c));
        weight.push_back(column.weight);
      }
    }
  }
  int64_t size() const { return static_cast<int64_t>(left.size()); }
};

struct ResizeState {
  ResizeDims dims;
  Line line;
  explicit ResizeState(ResizeDims d) : dims(std::move(d)), line(dims) {}
};

template <class T>
LS_SIMD_CLONES void PickLine(const T* x, const int32_t* from, int64_t n, T* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[from[i]];
}
template <class T>
LS_SIMD_CLONES void MixAlong(const T* x, const int32_t* left,
                             const int32_t* right, const float* weight,
                             int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) {
    const auto a = static_cast<float>(x[left[i]]);
    const auto b = static_cast<float>(x[right[i]]);
    y[i] = a + (b - a) * weight[i];
  }
}
LS_SIMD_CLONES void MixLines(const float* top, const float* bottom,
                             float weight, int64_t n, float* y) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    y[i] = top[i] + (bottom[i] - top[i]) * weight;
  }
}

template <class T>
Status NearestRun(KernelContext& k) {
  const ResizeState& s = k.state<ResizeState>();
  const ResizeDims& d = s.dims;
  const int64_t n = s.line.size();
  ForImages(d, [&](int64_t from, int64_t to) {
    T* y = k.out<T>(0) + to;
    int64_t last = -1;  // row of the image that the line above is from
    for (const Source& row : d.rows) {
      if (row.lower == last) {
        std::copy_n(y - n, n, y);
      } else {
        PickLine(k.in<T>(0) + from + row.lower * d.in_width * d.channels,
                 s.line.left.data(), n, y);
      }
      last = row.lower;
      y += n;
    }
  });
  return Ok();
}

template <class T>
Status NearestGradRun(KernelContext& k) {
  using A = ArithmeticType<T>;
  const ResizeDims& d = k.state<ResizeState>().dims;
  ForImages(d, [&](int64_t to, int64_t from) {
    const T* dy = k.in<T>(0) + from;
    std::fill_n(k.out<T>(0) + to, d.in_size(), T(0));
    for (const Source& row : d.rows) {
      for (const Source& column : d.columns) {
        T* dx = k.out<T>(0) + to +
                (row.lower * d.in_width + column.lower) * d.channels;
        for (int64_t c = 0; c < d.channels; ++c) dx[c] = T(A(dx[c]) + A(*dy++));
      }
    }
  });
  return Ok();
}

// The image's rows as wide as the resized one's: the last two that were needed,
// since rows that follow each other lie between the same two or the next.
class WideRows {
 public:
  explicit WideRows(int64_t n) : n_(n), values_(static_cast<size_t>(2 * n)) {}
  void Forget() { rows_ = {-1, -1}; }
  // Row `row`, which make(row, to) makes; stays when `keep` is asked for next.
  template <class F>
  const float* Get(int64_t row, int64_t keep, const F& make) {
    for (size_t i = 0; i < 2; ++i) {
      if (rows_[i] == row) return at(i);
    }
    const size_t i = rows_[0] == keep ? 1 : 0;
    rows_[i] = row;
    make(row, at(i));
    return at(i);
  }

 private:
  float* at(size_t i) { return values_.data() + static_cast<int64_t>(i) * n_; }

  int64_t n_;
  std::vector<float> values_;
  std::array<int64_t, 2> rows_{-1, -1};
};

template <class T>
Status BilinearRun(KernelContext& k) {
  const ResizeState& s = k.state<ResizeState>();
  const ResizeDims& d = s.dims;
  const Line& line = s.line;
  PerThread<WideRows> wide{WideRows(line.size())};
  ForImages(d, [&](int64_t from, int64_t to) {
    WideRows& rows = wide.mine();
    rows.Forget();
    const auto make = [&](int64_t row, float* y) {
      MixAlong(k.in<T>(0) + from + row * d.in_width * d.channels,
               line.left.data(), line.right.data(), line.weight.data(),
               line.size(), y);
    };
    float* y = k.out<float>(0) + to;
    for (const Source& row : d.rows) {
      const float* top = rows.Get(row.lower, row.upper, make);
      const float* bottom = rows.Get(row.upper, row.lower, make);
      MixLines(top, bottom, row.weight, line.size(), y);
      y += line.size();
    }
  });
  return Ok();
}

template <class T>
Status BilinearGradRun(KernelContext& k) {
  using A = ArithmeticType<T>;
  const ResizeDims& d = k.state<ResizeState>().dims;
  ForImages(d, [&](int64_t to, int64_t from) {
    const float* dy = k.in<float>(0) + from;
    T* dx = k.out<T>(0) + to;
    std::fill_n(dx, d.in_size(), T(0));
    for (const Source& row : d.rows) {
      for (const Source& column : d.columns) {
        const auto add = [&](int64_t h, int64_t w, float weight) {
          T* pixel = dx + (h * d.in_width + w) * d.channels;
          for (int64_t c = 0; c < d.channels; ++c) {
            pixel[c] = T(A(pixel[c]) + A(dy[c] * weight));
          }
        };
        const float down = row.weight, right = column.weight;
        add(row.lower, column.lower, (1 - down) * (1 - right));
        add(row.lower, column.upper, (1 - down) * right);
        add(row.upper, column.lower, down * (1 - right));
        add(row.upper, column.upper, down * right);
        dy += d.channels;
      }
    }
  });
  return Ok();
}

template <bool kNearest>
Status Prepare(PrepareContext& p) {
  p.MakeState<ResizeState>(
      DimsOf<kNearest>(p.attrs(), p.input_shape(0), p.output_shape(0)));
  return Ok();
}
template <bool kNearest>
Status PrepareGrad(PrepareContext& p) {
  p.MakeState<ResizeState>(
      DimsOf<kNearest>(p.attrs(), p.output_shape(0), p.input_shape(0)));
  return Ok();
}

Status NearestGradient(GradContext& g) {
  NodeBuilder node = g.scope().Op("ResizeNearestNeighborGrad");
  node.In(g.dy(0)).In(HeightAndWidth(g.scope(), g.x(0)));
  return g.SetDx(0, WithAttrs(node, g).Out());
}
Status NearestGradGradient(GradContext& g) {
  NodeBuilder node = g.scope().Op("ResizeNearestNeighbor");
  node.In(g.dy(0)).In(HeightAndWidth(g.scope(), g.x(0)));
  return g.SetDx(0, WithAttrs(node, g).Out());
}
// Of floats only, as in TensorFlow.
Status BilinearGradient(GradContext& g) {
  if (!IsFloating(g.x(0).dtype())) return Ok();
  NodeBuilder node = g.scope().Op("ResizeBilinearGrad");
  node.In(g.dy(0)).In(g.x(0));
  return g.SetDx(0, WithAttrs(node, g).Out());
}
Status BilinearGradGradient(GradContext& g) {
  NodeBuilder node = g.scope().Op("ResizeBilinear");
  node.In(g.dy(0)).In(HeightAndWidth(g.scope(), g.x(0)));
  return g.SetDx(0, WithAttrs(node, g).Out());
}

LOCKSTEP_OP("ResizeNearestNeighbor")
    .Input("images: T")
    .Input("size: int32")
    .Output("resized_images: T")
    .Attr(kImageTypes) LS_RESIZE_ATTRS.Shape(SizeShape<false>)
    .Gradient(NearestGradient)
    .NeedsValue({1})
    .Kernels<LS_IMAGE_TYPES>(kCpu, []<class T>() {
      return KernelDef{NearestRun<T>, Prepare<true>};
    });

LOCKSTEP_OP("ResizeNearestNeighborGrad")
    .Input("grads: T")
    .Input("size: int32")
    .Output("output: T")
    .Attr("T: {uint8, int8, int32, half, float, double, bfloat16}")
        LS_RESIZE_ATTRS.Shape(SizeShape<true>)
    .Gradient(NearestGradGradient)
    .NeedsValue({1})
    .Kernels<uint8_t, int8_t, int32_t, LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return KernelDef{NearestGradRun<T>, PrepareGrad<true>};
    });

LOCKSTEP_OP("ResizeBilinear")
    .Input("images: T")
    .Input("size: int32")
    .Output("resized_images: float")
    .Attr(kImageTypes) LS_RESIZE_ATTRS.Shape(SizeShape<false>)
    .Gradient(BilinearGradient)
    .NeedsValue({1})
    .Kernels<LS_IMAGE_TYPES>(kCpu, []<class T>() {
      return KernelDef{BilinearRun<T>, Prepare<false>};
    });

LOCKSTEP_OP("ResizeBilinearGrad")
    .Input("grads: float")
    .Input("original_image: T")
    .Output("output: T")
    .Attr("T: {float, bfloat16, half, double}") LS_RESIZE_ATTRS.Shape(GradShape)
    .Gradient(BilinearGradGradient)
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return KernelDef{BilinearGradRun<T>, PrepareGrad<false>};
    });

Output Resize(const char* op, const Scope& scope, const Input& images,
              const Input& size, const ops::ResizeAttrs& attrs) {
  return scope.Op(op)
      .In(images)
      .In(size)
      .Attr("align_corners", attrs.align_corners)
      .Attr("half_pixel_centers", attrs.half_pixel_centers)
      .Out();
}

}  // namespace

Output ops::ResizeNearestNeighbor(const Scope& scope, const Input& images,
                                  const Input& size, const ResizeAttrs& attrs) {
  return Resize("ResizeNearestNeighbor", scope, images, size, attrs);
}

Output ops::ResizeBilinear(const Scope& scope, const Input& images,
                           const Input& size, const ResizeAttrs& attrs) {
  return Resize("ResizeBilinear", scope, images, size, attrs);
}

}  // namespace lockstep
