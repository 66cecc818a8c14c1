// SPDX-License-Identifier: Apache-2.0

// BiasAdd: adds a vector to the channels.    value: [..., C] or, NCHW,
// [N,C,...]
//                                            bias: [C]
// BiasAddGrad: sums over all but the channels -> [C], in an order that does
// not depend on the number of threads.

#include "ops/math/elementwise.h"
#include "ops/math/functors.h"
#include "ops/nn/channels.h"
#include "ops/nn/nn.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/rank_words.h"

namespace lockstep {
namespace {

Status BiasAddShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(
      const Shape value,
      WithRankAtLeast(c, 0, 2, "Input tensor must be at least 2D: "));
  LS_ASSIGN_OR_RETURN(const Shape bias,
                      WithRank(c, 1, 1, "Biases must be 1D: "));
  if (!value.HasRank()) return c.SetOutput(0, value);
  const int at = ChannelDim(c.attrs(), value.rank());
  const int64_t channels = value.dim(at);
  if (channels >= 0 && bias.dim(0) >= 0 && channels != bias.dim(0)) {
    return InvalidArgument("Must provide as many biases as the ",
                           at + 1 == value.rank() ? "last" : "channel",
                           " dimension of the input tensor: ", bias, " vs. ",
                           value);
  }
  Shape out = value;
  if (channels < 0) out.set_dim(at, bias.dim(0));
  return c.SetOutput(0, out);
}

Status BiasAddGradShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape dy, c.WithRankAtLeast(0, 2));
  if (!dy.HasRank()) return c.SetOutput(0, Shape{kUnknownDim});
  return c.SetOutput(0, Shape{dy.dim(ChannelDim(c.attrs(), dy.rank()))});
}

Status BiasAddPrepare(PrepareContext& p) {
  p.MakeState<ChannelView>(ViewOf(p.attrs(), p.input_shape(0)));
  return Ok();
}

template <class T>
LS_SIMD_CLONES void AddRows(T* y, const T* x, const T* bias, int64_t rows,
                            int64_t channels) {
  using A = ArithmeticType<T>;
  for (int64_t r = 0; r < rows; ++r) {
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c) {
      y[r * channels + c] = static_cast<T>(static_cast<A>(x[r * channels + c]) +
                                           static_cast<A>(bias[c]));
    }
  }
}

template <class T>
LS_SIMD_CLONES void AddScalar(T* y, const T* x, T bias, int64_t n) {
  using A = ArithmeticType<T>;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    y[i] = static_cast<T>(static_cast<A>(x[i]) + static_cast<A>(bias));
  }
}

template <class T>
Status BiasAddRun(KernelContext& k) {
  const ChannelView& v = k.state<ChannelView>();
  const T* x = k.in<T>(0);
  const T* bias = k.in<T>(1);
  T* y = k.out<T>(0);
  if (v.inner == 1) {
    const int64_t c = v.channels;
    ParallelFor(
        v.outer, std::max<int64_t>(1, kCheapGrain / std::max<int64_t>(c, 1)),
        [&](int64_t begin, int64_t end) {
          AddRows<T>(y + begin * c, x + begin * c, bias, end - begin, c);
        });
    return Ok();
  }
  const int64_t grain =
      std::max<int64_t>(1, kCheapGrain / std::max<int64_t>(v.inner, 1));
  ParallelFor(v.outer * v.channels, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      AddScalar<T>(y + i * v.inner, x + i * v.inner, bias[i % v.channels],
                   v.inner);
    }
  });
  return Ok();
}

// With the channels last it is an addition that broadcasts.
bool ChannelsLast(const AttrMap& attrs, std::span<const Shape> inputs) {
  return ChannelDim(attrs, inputs[0].rank()) == inputs[0].rank() - 1;
}
template <class T>
KernelDef BiasAddKernel() {
  AddElementRule(BiasAddRun<T>, {.run = detail::BinaryElements<AddFn, T, T>,
                                 .fits = ChannelsLast});
  return {BiasAddRun<T>, BiasAddPrepare};
}

Status BiasAddGradient(GradContext& g) {
  LS_RETURN_IF_ERROR(g.SetDx(0, g.dy(0)));
  return g.SetDx(
      1, g.scope()
             .Op("BiasAddGrad")
             .In(g.dy(0))
             .Attr("data_format",
                   GetOr<std::string>(g.node()->attrs(), "data_format", "NHWC"))
             .Out());
}

// How BiasAddGrad cuts its work: `blocks` partial sums of [channels], then
// their sum in order.
struct ColumnSums {
  ChannelView view;
  int64_t rows_per_block = 1;
  int64_t blocks = 1;
};
constexpr int64_t kBlockElements = 32768;
// Rows are summed several at a time, side by side, so that narrow ones fill
// vector registers too.
constexpr int64_t kLanes = 64;

template <class T>
Status BiasAddGradPrepare(PrepareContext& p) {
  auto& s = p.MakeState<ColumnSums>();
  s.view = ViewOf(p.attrs(), p.input_shape(0));
  const ChannelView& v = s.view;
  const int64_t row = std::max<int64_t>(1, v.channels * v.inner);
  s.rows_per_block = std::max<int64_t>(1, kBlockElements / row);
  s.blocks = (v.outer + s.rows_per_block - 1) / s.rows_per_block;
  const int64_t width = std::max(v.channels, kLanes);
  p.RequestScratch(static_cast<size_t>(s.blocks * width) *
                   sizeof(ArithmeticType<T>));
  return Ok();
}

// sums[0 .. channels) = column sums of x: [rows, channels]; `sums` has room
// for max(channels, kLanes).
template <class T, class A>
LS_SIMD_CLONES void SumColumns(A* sums, const T* x, int64_t rows,
                               int64_t channels) {
  const int64_t fold = std::min(rows, std::max<int64_t>(1, kLanes / channels));
  const int64_t width = fold * channels;
  for (int64_t i = 0; i < width; ++i) sums[i] = A(0);
  int64_t r = 0;
  for (; r + fold <= rows; r += fold) {
    const T* from = x + r * channels;
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) sums[i] += static_cast<A>(from[i]);
  }
  const T* rest = x + r * channels;
  for (int64_t i = 0; i < (rows - r) * channels; ++i) {
    sums[i] += static_cast<A>(rest[i]);
  }
  for (int64_t f = 1; f < fold; ++f) {
    for (int64_t c = 0; c < channels; ++c) sums[c] += sums[f * channels + c];
  }
}

// The same for x: [rows, channels, inner].
template <class T, class A>
LS_SIMD_CLONES void SumPlanes(A* sums, const T* x, int64_t rows,
                              int64_t channels, int64_t inner) {
  for (int64_t c = 0; c < channels; ++c) sums[c] = A(0);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < channels; ++c) {
      const T* from = x + (r * channels + c) * inner;
      A sum(0);
#pragma omp simd reduction(+ : sum)
      for (int64_t i = 0; i < inner; ++i) sum += static_cast<A>(from[i]);
      sums[c] += sum;
    }
  }
}

template <class T>
Status BiasAddGradRun(KernelContext& k) {
  using A = ArithmeticType<T>;
  const ColumnSums& s = k.state<ColumnSums>();
  const ChannelView& v = s.view;
  const int64_t width = std::max(v.channels, kLanes);
  A* partial = static_cast<A*>(k.scratch());
  T* out = k.out<T>(0);
  if (v.outer * v.inner * v.channels == 0) {
    for (int64_t c = 0; c < v.channels; ++c) out[c] = T(0);
    return Ok();
  }
  const T* x = k.in<T>(0);
  ParallelFor(s.blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t first = b * s.rows_per_block;
      const int64_t rows = std::min(s.rows_per_block, v.outer - first);
      const T* from = x + first * v.channels * v.inner;
      if (v.inner == 1) {
        SumColumns<T, A>(partial + b * width, from, rows, v.channels);
      } else {
        SumPlanes<T, A>(partial + b * width, from, rows, v.channels, v.inner);
      }
    }
  });
  for (int64_t b = 1; b < s.blocks; ++b) {
    for (int64_t c = 0; c < v.channels; ++c) {
      partial[c] += partial[b * width + c];
    }
  }
  for (int64_t c = 0; c < v.channels; ++c) out[c] = static_cast<T>(partial[c]);
  return Ok();
}

// d(sums)/d(x) spreads a vector over the channels: BiasAdd of zeros.
Status BiasAddGradGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output zeros = s.Op("ZerosLike").In(g.x(0)).Out();
  return g.SetDx(0, ops::BiasAdd(s, zeros, g.dy(0),
                                 g.Attr<std::string>("data_format").c_str()));
}

LOCKSTEP_OP("BiasAdd")
    .Input("value: T")
    .Input("bias: T")
    .Output("output: T")
    .Attr("T: numbertype")
    .Attr("data_format: {'NHWC', 'NCHW'} = 'NHWC'")
    .Shape(BiasAddShape)
    .Gradient(BiasAddGradient)
    .InPlace(0, 0)
    .Kernels<LS_REAL_TYPES>(kCpu, []<class T>() { return BiasAddKernel<T>(); });

// Without data_format: channels are last.
LOCKSTEP_OP("BiasAddV1")
    .Input("value: T")
    .Input("bias: T")
    .Output("output: T")
    .Attr("T: numbertype")
    .Shape(BiasAddShape)
    .Gradient(BiasAddGradient)
    .InPlace(0, 0)
    .Kernels<LS_REAL_TYPES>(kCpu, []<class T>() { return BiasAddKernel<T>(); });

LOCKSTEP_OP("BiasAddGrad")
    .Input("out_backprop: T")
    .Output("output: T")
    .Attr("T: numbertype")
    .Attr("data_format: {'NHWC', 'NCHW'} = 'NHWC'")
    .Shape(BiasAddGradShape)
    .Gradient(BiasAddGradGradient)
    .Kernels<LS_REAL_TYPES>(kCpu, []<class T>() {
      return KernelDef{BiasAddGradRun<T>, BiasAddGradPrepare<T>};
    });

}  // namespace

Output ops::BiasAdd(const Scope& scope, const Input& value, const Input& bias,
                    const char* data_format) {
  return scope.Op("BiasAdd")
      .InPair(value, bias)
      .Attr("data_format", data_format)
      .Out();
}

}  // namespace lockstep
