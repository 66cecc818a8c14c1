// SPDX-License-Identifier: Apache-2.0

// AvgPool: the mean of each window and channel, over the inputs inside the
// image.       value: [N,H,W,C] (NCHW: [N,C,H,W])   output: [N,H',W',C]
// AvgPoolGrad: spreads each window's gradient evenly.
//   orig_input_shape: [4] int32, grad -> that shape

#include "ops/conv/conv.h"
#include "ops/conv/pool.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

Status AvgPoolGradShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape given, c.InputAsShape(0));
  auto image = Shape::Merge(given, Shape::UnknownOfRank(4));
  if (!image.ok()) {
    return InvalidArgument("orig_input_shape must have 4 numbers, is ", given);
  }
  LS_ASSIGN_OR_RETURN(const Shape dy, c.WithRank(1, 4));
  LS_RETURN_IF_ERROR(CheckPooled(c.attrs(), *image, dy));
  return c.SetOutput(0, *image);
}

Status AvgPoolPrepare(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(p.MakeState<PoolDims>(),
                      PoolDims::From(p.attrs(), p.input_shape(0)));
  return Ok();
}
Status AvgPoolGradPrepare(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(p.MakeState<PoolDims>(),
                      PoolDims::From(p.attrs(), p.output_shape(0)));
  return Ok();
}

template <class T, class A>
inline __attribute__((always_inline)) void AddTo(A* sum, const T* x,
                                                 int64_t n) {
  for (int64_t i = 0; i < n; ++i) sum[i] += A(x[i]);
}
template <class T, class A>
inline __attribute__((always_inline)) void AddFrom(const A* sum, T* x,
                                                   int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] = T(A(x[i]) + sum[i]);
}

template <class T>
LS_SIMD_CLONES void MeanRow(const PoolDims& d, const T* x, int64_t oh, T* y) {
  using A = ArithmeticType<T>;
  A sum[kPoolRow], total[kPoolRow];
  ForPoolParts(d, [&](const PoolPart& p, int64_t c, int64_t channels) {
    const PoolRange rows(d, oh, p.first);
    const bool whole = channels == d.channels;
    const int64_t columns = p.end - p.begin;
    std::fill_n(sum, columns * channels, A(0));
    for (int64_t h = rows.h0; h < rows.h1; ++h) {
      const T* from = x + (h * d.w.in + p.begin) * d.channels + c;
      if (whole) AddTo(sum, from, columns * channels);
      for (int64_t w = 0; !whole && w < columns; ++w) {
        AddTo(sum + w * channels, from + w * d.channels, channels);
      }
    }
    for (int64_t ow = p.first; ow < p.last; ++ow) {
      const PoolRange r(d, oh, ow);
      const A count = static_cast<A>(std::max<int64_t>(1, r.count()));
      const A* at = sum + (r.w0 - p.begin) * channels;
      T* to = y + ow * d.channels + c;
      const int64_t width = r.w1 - r.w0;
      if (channels < kFewChannels) {
        for (int64_t i = 0; i < channels; ++i) {
          A mean = 0;
          for (int64_t w = 0; w < width; ++w) mean += at[w * channels + i];
          to[i] = T(mean / count);
        }
        continue;
      }
      std::fill_n(total, channels, A(0));
      for (int64_t w = 0; w < width; ++w) {
        AddTo(total, at + w * channels, channels);
      }
      for (int64_t i = 0; i < channels; ++i) to[i] = T(total[i] / count);
    }
  });
}

template <class T>
LS_SIMD_CLONES void SpreadRow(const PoolDims& d, const T* dy, int64_t oh,
                              T* dx) {
  using A = ArithmeticType<T>;
  A sum[kPoolRow];
  ForPoolParts(d, [&](const PoolPart& p, int64_t c, int64_t channels) {
    const bool whole = channels == d.channels;
    const int64_t columns = p.end - p.begin;
    std::fill_n(sum, columns * channels, A(0));
    for (int64_t ow = p.first; ow < p.last; ++ow) {
      const PoolRange r(d, oh, ow);
      const A share = A(1) / static_cast<A>(std::max<int64_t>(1, r.count()));
      const T* from = dy + ow * d.channels + c;
      for (int64_t w = r.w0; w < r.w1; ++w) {
        A* to = sum + (w - p.begin) * channels;
        for (int64_t i = 0; i < channels; ++i) to[i] += A(from[i]) * share;
      }
    }
    const PoolRange rows(d, oh, p.first);
    for (int64_t h = rows.h0; h < rows.h1; ++h) {
      T* to = dx + (h * d.w.in + p.begin) * d.channels + c;
      if (whole) AddFrom(sum, to, columns * channels);
      for (int64_t w = 0; !whole && w < columns; ++w) {
        AddFrom(sum + w * channels, to + w * d.channels, channels);
      }
    }
  });
}

template <class T>
Status AvgPoolRun(KernelContext& k) {
  const PoolDims& d = k.state<PoolDims>();
  const T* x = k.in<T>(0);
  T* y = k.out<T>(0);
  ForPoolRows(d, false, [&](int64_t n, int64_t oh) {
    MeanRow<T>(d, x + n * d.image_size(), oh,
               y + (n * d.h.out + oh) * d.w.out * d.channels);
  });
  return Ok();
}

template <class T>
Status AvgPoolGradRun(KernelContext& k) {
  const PoolDims& d = k.state<PoolDims>();
  const T* dy = k.in<T>(1);
  T* dx = k.out<T>(0);
  const int64_t grain =
      std::max<int64_t>(1, kCheapGrain / std::max<int64_t>(1, d.image_size()));
  ParallelFor(d.images, grain, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      T* image = dx + n * d.image_size();
      std::fill_n(image, d.image_size(), T(0));
      for (int64_t oh = 0; oh < d.h.out; ++oh) {
        SpreadRow<T>(d, dy + (n * d.h.out + oh) * d.w.out * d.channels, oh,
                     image);
      }
    }
  });
  return Ok();
}

NodeBuilder& WithPoolAttrs(NodeBuilder& node, const GradContext& g) {
  for (const char* name : {"ksize", "strides", "padding", "data_format"}) {
    node.Attr(name, g.node()->attrs().find(name)->second);
  }
  return node;
}
Status AvgPoolGradient(GradContext& g) {
  const Scope& s = g.scope();
  NodeBuilder node = s.Op("AvgPoolGrad");
  node.In(s.Op("Shape").In(g.x(0)).Out()).In(g.dy(0));
  return g.SetDx(0, WithPoolAttrs(node, g).Out());
}
Status AvgPoolGradGradient(GradContext& g) {
  NodeBuilder node = g.scope().Op("AvgPool");
  node.In(g.dy(0));
  return g.SetDx(1, WithPoolAttrs(node, g).Out());
}

#define LS_AVG_POOL_ATTRS                             \
  .Attr("ksize: list(int) >= 4")                      \
      .Attr("strides: list(int) >= 4")                \
      .Attr("padding: {'SAME', 'VALID'}")             \
      .Attr("data_format: {'NHWC', 'NCHW'} = 'NHWC'") \
      .Attr("T: floattype")

LOCKSTEP_OP("AvgPool")
    .Input("value: T")
    .Output("output: T") LS_AVG_POOL_ATTRS.Shape(PoolShape)
    .Gradient(AvgPoolGradient)
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return KernelDef{AvgPoolRun<T>, AvgPoolPrepare};
    });

LOCKSTEP_OP("AvgPoolGrad")
    .Input("orig_input_shape: int32")
    .Input("grad: T")
    .Output("output: T") LS_AVG_POOL_ATTRS.Shape(AvgPoolGradShape)
    .Gradient(AvgPoolGradGradient)
    .NeedsValue({0})
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return KernelDef{AvgPoolGradRun<T>, AvgPoolGradPrepare};
    });

}  // namespace

Output ops::AvgPool(const Scope& scope, const Input& value,
                    const std::vector<int64_t>& ksize,
                    const std::vector<int64_t>& strides,
                    const std::string& padding,
                    const std::string& data_format) {
  return scope.Op("AvgPool")
      .In(value)
      .Attr("ksize", ksize)
      .Attr("strides", strides)
      .Attr("padding", padding)
      .Attr("data_format", data_format)
      .Out();
}

}  // namespace lockstep
