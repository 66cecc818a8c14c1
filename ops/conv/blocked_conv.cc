// SPDX-License-Identifier: Apache-2.0

// _ToBlocked, _FromBlocked: between images [N,H,W,C] and the same in blocks of
// 16 channels (blocked.h); float, and uint8 for positions of maxima.
// _BlockedBiasAddGrad: BiasAddGrad of an image in blocks.
// _BlockedConv2D: a convolution, or one of its gradients, of such images.
//   operands: of kind FORWARD image, filter and perhaps bias and (`residual`)
//   what is added to the output, blocked; of INPUT filter, output's gradient;
//   of FILTER image, output's gradient. The output and its gradient are
//   blocked, the image where image_blocked says so, the filter is TensorFlow's
//   [h,w,C,K]. FILTER may have the bias's gradient as well.
// Brought in by the rules of blocked_layout.cc.

#include "ops/conv/blocked.h"
#include "ops/conv/conv_attrs.h"
#include "ops/conv/conv_flops.h"
#include "ops/conv/conv_kernel.h"
#include "ops/math/elementwise.h"
#include "runtime/core/simd.h"
#include "runtime/core/threads.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

using detail::kChannelBlock;

Status ToBlockedShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape image, c.WithRank(0, 4));
  if (!detail::CanBeBlocked(image)) {
    return InvalidArgument("an image of known sizes and a multiple of ",
                           kChannelBlock, " channels is wanted, not ", image);
  }
  return c.SetOutput(0, detail::BlockedShape(image));
}

Status FromBlockedShape(ShapeContext& c) {
  const Shape& image = c.Attr<Shape>("shape");
  if (!detail::CanBeBlocked(image) ||
      !c.Input(0).IsCompatibleWith(detail::BlockedShape(image))) {
    return InvalidArgument(c.Input(0), " is not ", image, " in blocks of ",
                           kChannelBlock, " channels");
  }
  return c.SetOutput(0, image);
}

// f(i) for each of the images of 16 channels that `image` becomes.
template <class F>
void ForBlocks(const Shape& image, const F& f) {
  const int64_t plane = image.dim(1) * image.dim(2) * kChannelBlock;
  ParallelFor(image.dim(0) * image.dim(3) / kChannelBlock,
              std::max<int64_t>(kCheapGrain / std::max<int64_t>(plane, 1), 1),
              [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i) f(i);
              });
}

// f(from, to) for each run of 16 channels: `from` counts elements of
// [N,H,W,C], `to` those of the blocks.
template <class F>
void ForRuns(const Shape& image, const F& f) {
  const int64_t pixels = image.dim(1) * image.dim(2), channels = image.dim(3);
  const int64_t blocks = channels / kChannelBlock;
  ForBlocks(image, [&](int64_t i) {
    const int64_t first =
        i / blocks * pixels * channels + i % blocks * kChannelBlock;
    for (int64_t p = 0; p < pixels; ++p) {
      f(first + p * channels, (i * pixels + p) * kChannelBlock);
    }
  });
}

template <class T>
Status ToBlockedRun(KernelContext& k) {
  const T* from = k.in<T>(0);
  T* to = k.out<T>(0);
  ForRuns(k.input(0).shape(), [&](int64_t image, int64_t blocked) {
    std::copy_n(from + image, kChannelBlock, to + blocked);
  });
  return Ok();
}
template <class T>
Status FromBlockedRun(KernelContext& k) {
  const T* from = k.in<T>(0);
  T* to = k.out<T>(0);
  ForRuns(k.output(0).shape(), [&](int64_t image, int64_t blocked) {
    std::copy_n(from + blocked, kChannelBlock, to + image);
  });
  return Ok();
}

LOCKSTEP_OP("_ToBlocked")
    .Input("image: T")
    .Output("blocked: T")
    .Attr("T: {float, uint8}")
    .Shape(ToBlockedShape)
    .Kernels<float, uint8_t>(kCpu, []<class T>() {
      return KernelDef{ToBlockedRun<T>};
    });

LOCKSTEP_OP("_FromBlocked")
    .Input("blocked: T")
    .Output("image: T")
    .Attr("T: {float, uint8}")
    .Attr("shape: shape")
    .Shape(FromBlockedShape)
    .Kernels<float, uint8_t>(kCpu, []<class T>() {
      return KernelDef{FromBlockedRun<T>};
    });

// --- Sums of each channel ---------------------------------------------------

Status BiasGradShape(ShapeContext& c) {
  LS_RETURN_IF_ERROR(FromBlockedShape(c));
  return c.SetOutput(0, Shape{c.Attr<Shape>("shape").dim(3)});
}

Status BiasGradPrepare(PrepareContext& p) {
  const Shape& image = p.MakeState<Shape>(p.Attr<Shape>("shape"));
  p.RequestScratch(static_cast<size_t>(image.dim(0) * image.dim(3)) *
                   sizeof(float));
  return Ok();
}

// sums: [16], of x: [pixels, 16]; eight rows side by side.
LS_SIMD_CLONES void SumPixels(const float* x, int64_t pixels, float* sums) {
  constexpr int64_t kSide = 8;
  float side[kSide][kChannelBlock] = {};
  int64_t p = 0;
  for (; p + kSide <= pixels; p += kSide) {
#pragma GCC unroll 8
    for (int64_t s = 0; s < kSide; ++s) {
      for (int64_t i = 0; i < kChannelBlock; ++i) {
        side[s][i] += x[(p + s) * kChannelBlock + i];
      }
    }
  }
  for (; p < pixels; ++p) {
    for (int64_t i = 0; i < kChannelBlock; ++i) {
      side[p % kSide][i] += x[p * kChannelBlock + i];
    }
  }
  for (int64_t i = 0; i < kChannelBlock; ++i) {
    float sum = 0;
    for (int64_t s = 0; s < kSide; ++s) sum += side[s][i];
    sums[i] = sum;
  }
}

// Each image's sums, then theirs, in order.
Status BiasGradRun(KernelContext& k) {
  const Shape& image = k.state<Shape>();
  const int64_t images = image.dim(0), channels = image.dim(3);
  const int64_t pixels = image.dim(1) * image.dim(2);
  const float* x = k.in<float>(0);
  float* sums = static_cast<float*>(k.scratch());
  ForBlocks(image, [&](int64_t i) {
    SumPixels(x + i * pixels * kChannelBlock, pixels, sums + i * kChannelBlock);
  });
  float* out = k.out<float>(0);
  std::fill_n(out, channels, 0.0f);
  for (int64_t n = 0; n < images; ++n) {
    for (int64_t c = 0; c < channels; ++c) out[c] += sums[n * channels + c];
  }
  return Ok();
}

LOCKSTEP_OP("_BlockedBiasAddGrad")
    .Input("blocked: T")
    .Output("output: T")
    .Attr("T: {float} = DT_FLOAT")
    .Attr("shape: shape")
    .Shape(BiasGradShape)
    .Kernel(kCpu, {BiasGradRun, BiasGradPrepare});

// --- Convolutions -----------------------------------------------------------

detail::ConvKind KindOf(const std::string& kind) {
  return kind == "FORWARD" ? detail::ConvKind::kForward
         : kind == "INPUT" ? detail::ConvKind::kBackwardInput
                           : detail::ConvKind::kBackwardFilter;
}

Status ConvShape(ShapeContext& c) {
  const Shape& image = c.Attr<Shape>("image");
  const Shape& filter = c.Attr<Shape>("filter");
  const bool blocked = c.Attr<bool>("image_blocked");
  if (image.rank() != 4 || filter.rank() != 4 || !filter.IsFullyKnown() ||
      !image.IsFullyKnown() || (blocked && !detail::CanBeBlocked(image))) {
    return InvalidArgument("an image ", image, " and a filter ", filter,
                           " have no blocked convolution");
  }
  LS_ASSIGN_OR_RETURN(const auto d,
                      detail::ConvDims::From(c.attrs(), image, filter));
  if (!detail::CanBeBlocked(d.OutputShape())) {
    return InvalidArgument("an output ", d.OutputShape(),
                           " is not of blocks of channels");
  }
  const Shape x = blocked ? detail::BlockedShape(image) : image;
  const Shape y = detail::BlockedShape(d.OutputShape());
  const Shape bias{d.out_channels};
  const detail::ConvKind kind = KindOf(c.Attr<std::string>("kind"));
  const int most = kind != detail::ConvKind::kForward ? 2
                   : c.Attr<bool>("residual")         ? 4
                                                      : 3;
  if (c.num_inputs() > most ||
      (c.Attr<bool>("residual") && c.num_inputs() < 3)) {
    return InvalidArgument("a convolution does not take ", c.num_inputs(),
                           " operands");
  }
  if (c.num_outputs() > (kind == detail::ConvKind::kBackwardFilter ? 2 : 1)) {
    return InvalidArgument("a gradient of a bias comes with a filter's alone");
  }
  if (c.num_outputs() > 1) LS_RETURN_IF_ERROR(c.SetOutput(1, bias));
  const auto made = [&](const Shape& first, const Shape& second,
                        const Shape& output) -> Status {
    const bool residual = c.Attr<bool>("residual");
    const Shape* wanted[] = {&first, &second, &bias, &output};
    if (residual) wanted[c.num_inputs() - 1] = &output;
    for (int i = 0; i < c.num_inputs(); ++i) {
      if (c.Input(i).IsCompatibleWith(*wanted[i])) continue;
      return InvalidArgument(c.InputText(i), " has shape ", c.Input(i),
                             ", not ", *wanted[i]);
    }
    return c.SetOutput(0, output);
  };
  switch (kind) {
    case detail::ConvKind::kForward: return made(x, filter, y);
    case detail::ConvKind::kBackwardInput: return made(filter, y, x);
    case detail::ConvKind::kBackwardFilter: break;
  }
  return made(x, y, filter);
}

Status ConvPrepare(PrepareContext& p) {
  LS_ASSIGN_OR_RETURN(const auto dims,
                      detail::ConvDims::From(p.attrs(), p.Attr<Shape>("image"),
                                             p.Attr<Shape>("filter")));
  const detail::ConvKind kind = KindOf(p.Attr<std::string>("kind"));
  const bool forward = kind == detail::ConvKind::kForward;
  const bool residual = p.Attr<bool>("residual");
  return detail::PrepareConv<float>(
      p, kind, dims,
      {.bias = forward ? p.num_inputs() - residual > 2 : p.num_outputs() > 1,
       .residual = residual,
       .activation = detail::Activation::Of(p.attrs())},
      {.image_blocked = p.Attr<bool>("image_blocked"),
       .output_blocked = true,
       .winograd = p.Attr<bool>("winograd")});
}
Status ConvRun(KernelContext& k) { return detail::RunConv<float>(k, 0, 1); }

LOCKSTEP_OP("_BlockedConv2D")
    .Input("operands: N * float")
    .Output("output: float")
    .Output("bias: num_bias * float")
    .Attr("N: int >= 2")
    .Attr("num_bias: int >= 0 = 0")
    .Attr("kind: {'FORWARD', 'INPUT', 'FILTER'}")
    .Attr("image: shape")
    .Attr("filter: shape")
    .Attr("image_blocked: bool")
    .Attr("winograd: bool = false")
    .Attr("residual: bool = false")
    .Attr(LS_CONV_ACTIVATION)
    .Attr("alpha: float = 0.2")
    .InPlace(0, 3)  // the residual behind a bias
    LS_CONV_WINDOW_ATTRS.Shape(ConvShape)
    .Kernel(kCpu, {ConvRun, ConvPrepare});

double ConvWork(const Node& n, double unknown) {
  const bool forward = n.Attr<std::string>("kind") == "FORWARD";
  return detail::ConvFlops<false>(
      forward ? n.output_shape(0) : n.input(1).shape(), n.Attr<Shape>("filter"),
      unknown);
}
LOCKSTEP_FLOPS("_BlockedConv2D", ConvWork);

}  // namespace
}  // namespace lockstep
