// SPDX-License-Identifier: Apache-2.0

// MaxPool: the largest value of each window and channel.
//   input: [N,H,W,C] (NCHW: [N,C,H,W])   output: [N,H',W',C]
// MaxPoolGrad: each window's gradient goes to its first largest input.
//   orig_input, orig_output, grad -> as orig_input
// MaxPoolGradGrad: its transpose, each window takes the value at its first
// largest input.   orig_input, orig_output, grad (as orig_input) -> as output
// MaxPoolV2, MaxPoolGradV2, MaxPoolGradGradV2: with ksize and strides, int32
// [4], as last inputs.

#include "ops/conv/conv.h"
#include "ops/conv/max_pool_rows.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

// Attributes with the ksize and strides that the second versions have as their
// last two inputs; false when those are not known.
Result<bool> PoolAttrsOf(const ShapeContext& c, AttrMap* attrs) {
  *attrs = c.attrs();
  const int n = c.num_inputs();
  if (attrs->contains("ksize")) return true;
  LS_ASSIGN_OR_RETURN(auto ksize, c.InputInts(n - 2));
  LS_ASSIGN_OR_RETURN(auto strides, c.InputInts(n - 1));
  if (!ksize || !strides) return false;
  (*attrs)["ksize"] = *ksize;
  (*attrs)["strides"] = *strides;
  return true;
}

Status MaxPoolShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape image, c.WithRank(0, 4));
  AttrMap attrs;
  LS_ASSIGN_OR_RETURN(const bool known, PoolAttrsOf(c, &attrs));
  if (!known) return c.SetOutput(0, Shape::UnknownOfRank(4));
  LS_ASSIGN_OR_RETURN(const auto d, PoolDims::From(attrs, image));
  return c.SetOutput(0, d.output);
}

Status MaxPoolGradShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape image, c.WithRank(0, 4));
  LS_ASSIGN_OR_RETURN(const Shape pooled, c.WithRank(1, 4));
  LS_ASSIGN_OR_RETURN(const Shape dy, c.WithRank(2, 4));
  AttrMap attrs;
  LS_ASSIGN_OR_RETURN(const bool known, PoolAttrsOf(c, &attrs));
  if (known) {
    LS_RETURN_IF_ERROR(CheckPooled(attrs, image, pooled));
    LS_RETURN_IF_ERROR(CheckPooled(attrs, image, dy));
  }
  return c.SetOutput(0, image);
}

Status MaxPoolGradGradShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape image, c.WithRank(0, 4));
  LS_ASSIGN_OR_RETURN(const Shape pooled, c.WithRank(1, 4));
  AttrMap attrs;
  LS_ASSIGN_OR_RETURN(const bool known, PoolAttrsOf(c, &attrs));
  if (known) LS_RETURN_IF_ERROR(CheckPooled(attrs, image, pooled));
  auto taken = Shape::Merge(image, c.Input(2));
  if (!taken.ok()) {
    return InvalidArgument("grad has shape ", c.Input(2), ", the input ",
                           image);
  }
  return c.SetOutput(0, pooled);
}

Status MaxPoolPrepare(PrepareContext& p) {
  AttrMap attrs = p.attrs();
  if (!attrs.contains("ksize")) {
    const int n = p.num_inputs();
    LS_ASSIGN_OR_RETURN(attrs["ksize"], ToInt64s(*p.input_value(n - 2)));
    LS_ASSIGN_OR_RETURN(attrs["strides"], ToInt64s(*p.input_value(n - 1)));
  }
  LS_ASSIGN_OR_RETURN(p.MakeState<PoolDims>(),
                      PoolDims::From(attrs, p.input_shape(0)));
  return Ok();
}

template <class T>
LS_SIMD_CLONES void MaxRow(const PoolDims& d, const T* x, int64_t oh, T* y) {
  ValueType<T> best[kPoolBlock];
  int32_t index[kPoolBlock];
  for (int64_t ow = 0; ow < d.w.out; ++ow) {
    const PoolRange r(d, oh, ow);
    for (int64_t c = 0; c < d.channels; c += kPoolBlock) {
      const int64_t width = std::min(kPoolBlock, d.channels - c);
      ArgMax<T>(d, r, x + c, width, best, index);
      T* to = y + ow * d.channels + c;
      for (int64_t i = 0; i < width; ++i) to[i] = T(best[i]);
    }
  }
}

template <class V, class T>
inline __attribute__((always_inline)) void KeepLarger(V* best, const T* x,
                                                      int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const V v = x[i];
    best[i] = v > best[i] ? v : best[i];
  }
}

// Few channels make no vector: the largest over the height of windows first,
// where a row of the image is one array.
template <class T>
LS_SIMD_CLONES void MaxRowOfFew(const PoolDims& d, const T* x, int64_t oh,
                                T* y) {
  using V = ValueType<T>;
  V best[kPoolRow];
  ForPoolParts(d, [&](const PoolPart& p, int64_t, int64_t channels) {
    const PoolRange rows(d, oh, p.first);
    const int64_t n = (p.end - p.begin) * channels;
    const auto row = [&](int64_t h) {
      return x + (h * d.w.in + p.begin) * channels;
    };
    if (rows.h0 < rows.h1) std::copy_n(row(rows.h0), n, best);
    for (int64_t h = rows.h0 + 1; h < rows.h1; ++h) KeepLarger(best, row(h), n);
    for (int64_t ow = p.first; ow < p.last; ++ow) {
      const PoolRange r(d, oh, ow);
      T* to = y + ow * channels;
      if (r.count() == 0) {  // a window of padding only
        std::fill_n(to, channels, T(std::numeric_limits<V>::lowest()));
        continue;
      }
      const V* at = best + (r.w0 - p.begin) * channels;
      const int64_t end = (r.w1 - r.w0) * channels;
      for (int64_t c = 0; c < channels; ++c) {
        V largest = at[c];
        for (int64_t i = c + channels; i < end; i += channels) {
          largest = at[i] > largest ? at[i] : largest;
        }
        to[c] = T(largest);
      }
    }
  });
}

template <class T>
LS_SIMD_CLONES void MaxGradRow(const PoolDims& d, const T* x, const T* dy,
                               int64_t oh, T* dx) {
  ValueType<T> best[kPoolBlock];
  int32_t index[kPoolBlock];
  ClearBefore(d, oh, dx);
  for (int64_t ow = 0; ow < d.w.out; ++ow) {
    const PoolRange r(d, oh, ow);
    for (int64_t c = 0; c < d.channels; c += kPoolBlock) {
      const int64_t width = std::min(kPoolBlock, d.channels - c);
      ArgMax<T>(d, r, x + c, width, best, index);
      Scatter<T>(d, r, dy + ow * d.channels + c, index, width, d.Disjoint(),
                 dx + c);
    }
  }
}

template <class T>
LS_SIMD_CLONES void GatherRow(const PoolDims& d, const T* x, const T* from,
                              int64_t oh, T* y) {
  ValueType<T> best[kPoolBlock];
  int32_t index[kPoolBlock];
  for (int64_t ow = 0; ow < d.w.out; ++ow) {
    const PoolRange r(d, oh, ow);
    for (int64_t c = 0; c < d.channels; c += kPoolBlock) {
      const int64_t width = std::min(kPoolBlock, d.channels - c);
      ArgMax<T>(d, r, x + c, width, best, index);
      T* to = y + ow * d.channels + c;
      for (int64_t i = 0; i < width; ++i) {
        const int64_t h = r.top + index[i] / d.w.size;
        const int64_t w = r.left + index[i] % d.w.size;
        to[i] =
            index[i] < 0 ? T(0) : from[(h * d.w.in + w) * d.channels + c + i];
      }
    }
  }
}

template <class T>
Status MaxPoolRun(KernelContext& k) {
  const PoolDims& d = k.state<PoolDims>();
  const T* x = k.in<T>(0);
  T* y = k.out<T>(0);
  const bool few =
      d.channels < kFewChannels && d.channels * d.w.size <= kPoolRow;
  const auto row = few ? MaxRowOfFew<T> : MaxRow<T>;
  ForPoolRows(d, false, [&](int64_t n, int64_t oh) {
    row(d, x + n * d.image_size(), oh,
        y + (n * d.h.out + oh) * d.w.out * d.channels);
  });
  return Ok();
}

template <class T>
Status MaxPoolGradRun(KernelContext& k) {
  const PoolDims& d = k.state<PoolDims>();
  const T* x = k.in<T>(0);
  const T* dy = k.in<T>(2);
  T* dx = k.out<T>(0);
  if (d.pooled_size() == 0) {
    std::fill_n(dx, k.output(0).NumElements(), T(0));
    return Ok();
  }
  ForPoolRows(d, true, [&](int64_t n, int64_t oh) {
    MaxGradRow<T>(d, x + n * d.image_size(),
                  dy + (n * d.h.out + oh) * d.w.out * d.channels, oh,
                  dx + n * d.image_size());
  });
  return Ok();
}

template <class T>
Status MaxPoolGradGradRun(KernelContext& k) {
  const PoolDims& d = k.state<PoolDims>();
  ForPoolRows(d, false, [&](int64_t n, int64_t oh) {
    GatherRow<T>(d, k.in<T>(0) + n * d.image_size(),
                 k.in<T>(2) + n * d.image_size(), oh,
                 k.out<T>(0) + (n * d.h.out + oh) * d.w.out * d.channels);
  });
  return Ok();
}

// A node of `op` on (x, y, third) with the window of the one differentiated.
Output PoolNode(GradContext& g, const char* op, Output x, Output y,
                Output third) {
  const bool v2 = g.node()->op().ends_with("V2");
  NodeBuilder node = g.scope().Op(StrCat(op, v2 ? "V2" : ""));
  node.In(x).In(y).In(third);
  const int n = g.num_inputs();
  if (v2) node.In(g.x(n - 2)).In(g.x(n - 1));
  for (const char* name :
       {"ksize", "strides", "padding", "explicit_paddings", "data_format"}) {
    const AttrMap& attrs = g.node()->attrs();
    if (auto it = attrs.find(name); it != attrs.end()) {
      node.Attr(name, it->second);
    }
  }
  return node.Out();
}

Status MaxPoolGradient(GradContext& g) {
  return g.SetDx(0, PoolNode(g, "MaxPoolGrad", g.x(0), g.y(0), g.dy(0)));
}
Status MaxPoolGradGradient(GradContext& g) {
  return g.SetDx(2, PoolNode(g, "MaxPoolGradGrad", g.x(0), g.x(1), g.dy(0)));
}
Status MaxPoolGradGradGradient(GradContext& g) {
  return g.SetDx(2, PoolNode(g, "MaxPoolGrad", g.x(0), g.x(1), g.dy(0)));
}

// One of the three ops, in both versions.
struct MaxPoolOps {
  MaxPoolOps(const char* name, std::initializer_list<const char*> inputs,
             ShapeFn shape, GradientFn gradient,
             void (*add_kernels)(OpBuilder&),
             const char* default_type = " = DT_FLOAT") {
    for (const bool v2 : {false, true}) {
      OpBuilder b(StrCat(name, v2 ? "V2" : ""));
      for (const char* input : inputs) b.Input(input);
      if (v2) {
        b.Input("ksize: int32").Input("strides: int32").NeedsValue({-2, -1});
      } else {
        b.Attr("ksize: list(int) >= 4").Attr("strides: list(int) >= 4");
        b.Attr("explicit_paddings: list(int) = []");
      }
      b.Output("output: T")
          .Attr(StrCat("T: realnumbertype", default_type))
          .Attr(v2 ? "padding: {'SAME', 'VALID'}"
                   : "padding: {'SAME', 'VALID', 'EXPLICIT'}")
          .Attr("data_format: {'NHWC', 'NCHW'} = 'NHWC'")
          .Shape(shape)
          .Gradient(gradient);
      add_kernels(b);
      OpRegistrar registrar(b);
    }
  }
};

#define LS_POOL_KERNELS(Run)                                          \
  [](OpBuilder& b) {                                                  \
    b.Kernels<LS_REAL_TYPES>(kCpu, []<class T>() {                    \
      return KernelDef{Run<T>, MaxPoolPrepare, {"ksize", "strides"}}; \
    });                                                               \
  }

const MaxPoolOps kMaxPool("MaxPool", {"input: T"}, MaxPoolShape,
                          MaxPoolGradient, LS_POOL_KERNELS(MaxPoolRun));
const MaxPoolOps kMaxPoolGrad("MaxPoolGrad",
                              {"orig_input: T", "orig_output: T", "grad: T"},
                              MaxPoolGradShape, MaxPoolGradGradient,
                              LS_POOL_KERNELS(MaxPoolGradRun));
const MaxPoolOps kMaxPoolGradGrad("MaxPoolGradGrad",
                                  {"orig_input: T", "orig_output: T",
                                   "grad: T"},
                                  MaxPoolGradGradShape, MaxPoolGradGradGradient,
                                  LS_POOL_KERNELS(MaxPoolGradGradRun), "");

}  // namespace

Output ops::MaxPool(const Scope& scope, const Input& input,
                    const std::vector<int64_t>& ksize,
                    const std::vector<int64_t>& strides,
                    const std::string& padding,
                    const std::string& data_format) {
  return scope.Op("MaxPool")
      .In(input)
      .Attr("ksize", ksize)
      .Attr("strides", strides)
      .Attr("padding", padding)
      .Attr("data_format", data_format)
      .Out();
}

Output ops::MaxPoolV2(const Scope& scope, const Input& input,
                      const Input& ksize, const Input& strides,
                      const std::string& padding,
                      const std::string& data_format) {
  return scope.Op("MaxPoolV2")
      .In(input)
      .In(ksize)
      .In(strides)
      .Attr("padding", padding)
      .Attr("data_format", data_format)
      .Out();
}

}  // namespace lockstep
