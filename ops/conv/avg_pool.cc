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

template <class T>
LS_SIMD_CLONES void MeanRow(const PoolDims& d, const T* x, int64_t oh, T* y) {
  using A = ArithmeticType<T>;
  A sum[kPoolBlock];
  for (int64_t ow = 0; ow < d.w.out; ++ow) {
    const PoolRange r(d, oh, ow);
    const A count = static_cast<A>(std::max<int64_t>(1, r.count()));
    for (int64_t c = 0; c < d.channels; c += kPoolBlock) {
      const int64_t width = std::min(kPoolBlock, d.channels - c);
      for (int64_t i = 0; i < width; ++i) sum[i] = 0;
      for (int64_t h = r.h0; h < r.h1; ++h) {
        for (int64_t w = r.w0; w < r.w1; ++w) {
          const T* from = x + (h * d.w.in + w) * d.channels + c;
          for (int64_t i = 0; i < width; ++i) sum[i] += A(from[i]);
        }
      }
      T* to = y + ow * d.channels + c;
      for (int64_t i = 0; i < width; ++i) to[i] = T(sum[i] / count);
    }
  }
}

template <class T>
LS_SIMD_CLONES void SpreadRow(const PoolDims& d, const T* dy, int64_t oh,
                              T* dx) {
  using A = ArithmeticType<T>;
  for (int64_t ow = 0; ow < d.w.out; ++ow) {
    const PoolRange r(d, oh, ow);
    const A share = A(1) / static_cast<A>(std::max<int64_t>(1, r.count()));
    const T* from = dy + ow * d.channels;
    for (int64_t h = r.h0; h < r.h1; ++h) {
      for (int64_t w = r.w0; w < r.w1; ++w) {
        T* to = dx + (h * d.w.in + w) * d.channels;
        for (int64_t c = 0; c < d.channels; ++c) {
          to[c] = T(A(to[c]) + A(from[c]) * share);
        }
      }
    }
  }
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
