// SPDX-License-Identifier: Apache-2.0

// Internal ops that keep what MaxPoolGrad would compute again, and the rules
// that bring them in when a graph has both MaxPool and its gradient.
//
// _MaxPoolIndex: input -> output as MaxPool's, index: uint8, the number of the
//   first largest value in each window.
// _MaxPoolIndexGrad: index, grad -> the input's gradient, of attribute "shape".

#include "ops/conv/max_pool_index.h"

#include "ops/conv/blocked.h"
#include "ops/conv/max_pool_rows.h"
#include "runtime/graph/passes/rewrite.h"
#include "runtime/op/kernel.h"

namespace lockstep {
namespace {

Status IndexShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(PoolShape(c));
  return c.SetOutput(1, c.outputs()[0]);
}

Status IndexPrepare(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(p.MakeState<PoolDims>(),
                      PoolDims::From(p.attrs(), p.input_shape(0)));
  return Ok();
}
Status IndexGradPrepare(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(p.MakeState<PoolDims>(),
                      PoolDims::From(p.attrs(), p.output_shape(0)));
  return Ok();
}

// A block of 16 channels at once. Written as vectors, since compilers unroll
// loops of 16 before they think of vectors.
typedef float Floats __attribute__((vector_size(64)));
typedef float FloatsAt __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t Ints __attribute__((vector_size(64)));
typedef uint8_t BytesAt __attribute__((vector_size(16), aligned(1), may_alias));

// Windows of 2 by 2 side by side: `row` floats from one row to the next.
LS_SIMD_CLONES void IndexBlocks(const float* x, int64_t row, int64_t windows,
                                float* y, uint8_t* index) {
  constexpr int64_t n = detail::kChannelBlock;
  for (int64_t i = 0; i < windows; ++i, x += 2 * n, y += n, index += n) {
    const Floats a = *reinterpret_cast<const FloatsAt*>(x);
    const Floats b = *reinterpret_cast<const FloatsAt*>(x + n);
    const Floats c = *reinterpret_cast<const FloatsAt*>(x + row);
    const Floats d = *reinterpret_cast<const FloatsAt*>(x + row + n);
    const Ints right = b > a, low_right = d > c;  // -1 where it is so
    const Floats top = right ? b : a, low = low_right ? d : c;
    const Ints lower = low > top;
    *reinterpret_cast<FloatsAt*>(y) = lower ? low : top;
    const Ints at = lower ? 2 - low_right : -right;
    *reinterpret_cast<BytesAt*>(index) = __builtin_convertvector(at, BytesAt);
  }
}

// The gradient goes to the window's value of that number, the others get none.
LS_SIMD_CLONES void SpreadBlocks(const float* dy, const uint8_t* index,
                                 int64_t row, int64_t windows, float* dx) {
  constexpr int64_t n = detail::kChannelBlock;
  const Floats none = {};
  for (int64_t i = 0; i < windows; ++i, dx += 2 * n, dy += n, index += n) {
    const Ints at =
        __builtin_convertvector(*reinterpret_cast<const BytesAt*>(index), Ints);
    const Floats g = *reinterpret_cast<const FloatsAt*>(dy);
    *reinterpret_cast<FloatsAt*>(dx) = at == 0 ? g : none;
    *reinterpret_cast<FloatsAt*>(dx + n) = at == 1 ? g : none;
    *reinterpret_cast<FloatsAt*>(dx + row) = at == 2 ? g : none;
    *reinterpret_cast<FloatsAt*>(dx + row + n) = at == 3 ? g : none;
  }
}

// Windows of 2 by 2, the usual ones: no stores between the four reads.
inline void IndexOfFour(const float* a, const float* b, const float* c,
                        const float* d, int64_t n, float* y, uint8_t* index) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float top = b[i] > a[i] ? b[i] : a[i];
    const float low = d[i] > c[i] ? d[i] : c[i];
    const int32_t at_top = b[i] > a[i] ? 1 : 0;
    const int32_t at_low = d[i] > c[i] ? 3 : 2;
    y[i] = low > top ? low : top;
    index[i] = static_cast<uint8_t>(low > top ? at_low : at_top);
  }
}

LS_SIMD_CLONES void IndexRow(const PoolDims& d, const float* x, int64_t oh,
                             float* y, uint8_t* index) {
  const int64_t channels = d.channels, row = d.w.in * channels;
  float best[kPoolBlock];
  int32_t at[kPoolBlock];
  for (int64_t ow = 0; ow < d.w.out; ++ow) {
    const PoolRange r(d, oh, ow);
    float* to = y + ow * channels;
    uint8_t* number = index + ow * channels;
    if (d.h.size == 2 && d.w.size == 2 && r.count() == 4) {
      const float* from = x + r.h0 * row + r.w0 * channels;
      IndexOfFour(from, from + channels, from + row, from + row + channels,
                  channels, to, number);
      continue;
    }
    for (int64_t c = 0; c < channels; c += kPoolBlock) {
      const int64_t width = std::min(kPoolBlock, channels - c);
      ArgMax<float>(d, r, x + c, width, best, at);
      for (int64_t i = 0; i < width; ++i) {
        to[c + i] = best[i];
        number[c + i] = static_cast<uint8_t>(at[i]);
      }
    }
  }
}

LS_SIMD_CLONES void IndexGradRow(const PoolDims& d, const uint8_t* index,
                                 const float* dy, int64_t oh, float* dx) {
  int32_t at[kPoolBlock];
  ClearBefore(d, oh, dx);
  for (int64_t ow = 0; ow < d.w.out; ++ow) {
    const PoolRange r(d, oh, ow);
    for (int64_t c = 0; c < d.channels; c += kPoolBlock) {
      const int64_t width = std::min(kPoolBlock, d.channels - c);
      const uint8_t* number = index + ow * d.channels + c;
      for (int64_t i = 0; i < width; ++i) at[i] = number[i];
      Scatter<float>(d, r, dy + ow * d.channels + c, at, width, d.Disjoint(),
                     dx + c);
    }
  }
}

}  // namespace

namespace detail {

bool HalvesBlocks(const PoolDims& d) {
  const auto halves = [](const Window& w) {
    return w.size == 2 && w.stride == 2 && w.pad_before == 0 &&
           w.in == 2 * w.out;
  };
  return d.channels == kChannelBlock && halves(d.h) && halves(d.w);
}

void PoolIndex(const PoolDims& d, const float* x, float* y, uint8_t* index) {
  const bool blocks = HalvesBlocks(d);
  const int64_t row = d.w.in * d.channels;
  ForPoolRows(d, false, [&](int64_t n, int64_t oh) {
    const int64_t at = (n * d.h.out + oh) * d.w.out * d.channels;
    const float* from = x + n * d.image_size();
    if (blocks) {
      IndexBlocks(from + 2 * oh * row, row, d.w.out, y + at, index + at);
    } else {
      IndexRow(d, from, oh, y + at, index + at);
    }
  });
}

void SpreadPooled(const PoolDims& d, const uint8_t* index, const float* dy,
                  float* dx) {
  const bool blocks = HalvesBlocks(d);
  const int64_t row = d.w.in * d.channels;
  ForPoolRows(d, true, [&](int64_t n, int64_t oh) {
    const int64_t at = (n * d.h.out + oh) * d.w.out * d.channels;
    float* to = dx + n * d.image_size();
    if (blocks) {
      SpreadBlocks(dy + at, index + at, row, d.w.out, to + 2 * oh * row);
    } else {
      IndexGradRow(d, index + at, dy + at, oh, to);
    }
  });
}

}  // namespace detail

namespace {

Status IndexRun(KernelContext& k) {
  detail::PoolIndex(k.state<PoolDims>(), k.in<float>(0), k.out<float>(0),
                    k.out<uint8_t>(1));
  return Ok();
}

Status IndexGradRun(KernelContext& k) {
  const PoolDims& d = k.state<PoolDims>();
  float* dx = k.out<float>(0);
  if (d.pooled_size() == 0) {
    std::fill_n(dx, k.output(0).NumElements(), 0.0f);
    return Ok();
  }
  detail::SpreadPooled(d, k.in<uint8_t>(0), k.in<float>(1), dx);
  return Ok();
}

#define LS_POOL_INDEX_ATTRS                           \
  .Attr("ksize: list(int) >= 4")                      \
      .Attr("strides: list(int) >= 4")                \
      .Attr("padding: {'SAME', 'VALID', 'EXPLICIT'}") \
      .Attr("explicit_paddings: list(int) = []")      \
      .Attr("data_format: {'NHWC', 'NCHW'} = 'NHWC'")

LOCKSTEP_OP("_MaxPoolIndex")
    .Input("input: float")
    .Output("output: float")
    .Output("index: uint8") LS_POOL_INDEX_ATTRS.Shape(IndexShape)
    .Kernel(kCpu, {IndexRun, IndexPrepare});

LOCKSTEP_OP("_MaxPoolIndexGrad")
    .Input("index: uint8")
    .Input("grad: float")
    .Output("output: float")
    .Attr("shape: shape") LS_POOL_INDEX_ATTRS.Shape(ShapeFromAttr)
    .Kernel(kCpu, {IndexGradRun, IndexGradPrepare});

AttrMap PoolAttrs(const Node* node) {
  AttrMap attrs;
  for (const char* name :
       {"ksize", "strides", "padding", "explicit_paddings", "data_format"}) {
    attrs[name] = node->attrs().find(name)->second;
  }
  return attrs;
}

bool SamePool(const Node* a, const Node* b) {
  const AttrMap x = PoolAttrs(a), y = PoolAttrs(b);
  return std::ranges::all_of(x, [&](const auto& entry) {
    return entry.second.Equals(y.find(entry.first)->second);
  });
}

// MaxPoolGrad(x, MaxPool(x), dy) -> _MaxPoolIndexGrad(_MaxPoolIndex(x):1, dy).
Result<bool> KeepIndex(RewriteContext& c) {
  Node* grad = c.node();
  Node* pool = c.Producer(grad->input(1), "MaxPool");
  if (!pool || pool->input(0) != grad->input(0) || !SamePool(pool, grad) ||
      c.IsFed(pool) || c.IsFed(grad) || pool->output_type(0) != kFloat) {
    return false;
  }
  const Shape& image = pool->input(0).shape();
  const auto& ksize = pool->Attr<std::vector<int64_t>>("ksize");
  int64_t window = 1;
  for (const int64_t k : ksize) window *= k;
  if (!image.IsFullyKnown() || window > 255) return false;
  LS_ASSIGN_OR_RETURN(Node * kept,
                      c.Add(pool->name() + "/index", "_MaxPoolIndex",
                            {pool->input(0)}, PoolAttrs(pool)));
  AttrMap attrs = PoolAttrs(grad);
  attrs["shape"] = image;
  LS_ASSIGN_OR_RETURN(
      Node * scatter,
      c.Add(grad->name() + "/index", "_MaxPoolIndexGrad",
            {kept->output(1), grad->input(2)}, std::move(attrs)));
  c.Replace(pool->output(0), kept->output(0));
  c.Replace(grad->output(0), scatter->output(0));
  return true;
}
LOCKSTEP_REWRITE("MaxPoolGrad", KeepIndex);

// ReluGrad(_MaxPoolIndexGrad(index, dy), x), where x is what was pooled: the
// mask at the largest value is that of the pooled output, so mask dy instead,
// which is smaller.
Result<bool> MaskBeforeScatter(RewriteContext& c) {
  Node* mask = c.node();
  Node* scatter = c.Producer(mask->input(0), "_MaxPoolIndexGrad");
  if (!scatter || !c.OnlyUse(mask->input(0)) || c.IsFed(mask)) return false;
  Node* pool = c.Producer(scatter->input(0), "_MaxPoolIndex");
  if (!pool || pool->input(0) != mask->input(1)) return false;
  LS_ASSIGN_OR_RETURN(Node * masked, c.Add(mask->name() + "/pooled", "ReluGrad",
                                           {scatter->input(1), pool->output(0)},
                                           {{"T", kFloat}}));
  AttrMap attrs = PoolAttrs(scatter);
  attrs["shape"] = scatter->Attr<Shape>("shape");
  LS_ASSIGN_OR_RETURN(
      Node * moved,
      c.Add(scatter->name() + "/masked", "_MaxPoolIndexGrad",
            {scatter->input(0), masked->output(0)}, std::move(attrs)));
  c.Replace(mask->output(0), moved->output(0));
  return true;
}
LOCKSTEP_REWRITE("ReluGrad", MaskBeforeScatter);

// BiasAddGrad(_MaxPoolIndexGrad(index, dy)) = BiasAddGrad(dy): scattering
// neither loses nor doubles anything within a channel.
Result<bool> SumBeforeScatter(RewriteContext& c) {
  Node* sum = c.node();
  Node* scatter = c.Producer(sum->input(0), "_MaxPoolIndexGrad");
  if (!scatter || c.IsFed(scatter) || c.IsFed(sum)) return false;
  const auto format = sum->Attr<std::string>("data_format");
  if (format != scatter->Attr<std::string>("data_format")) return false;
  LS_ASSIGN_OR_RETURN(
      Node * moved,
      c.Add(sum->name() + "/pooled", "BiasAddGrad", {scatter->input(1)},
            {{"T", kFloat}, {"data_format", format}}));
  c.Replace(sum->output(0), moved->output(0));
  return true;
}
LOCKSTEP_REWRITE("BiasAddGrad", SumBeforeScatter);

}  // namespace
}  // namespace lockstep
