// SPDX-License-Identifier: Apache-2.0

// FusedBatchNorm, -V2, -V3: y = (x - mean) / sqrt(variance + epsilon) * scale +
// offset for each channel.
//   x: T [N,H,W,C] or by data_format   scale, offset, mean, variance: U [C]
// is_training: mean and (biased) variance are those of x; batch_mean and
//   batch_variance (unbiased) are x's, moved into the given ones by
//   exponential_avg_factor unless that is 1.
// Else they are the given ones, and handed on.
// reserve_space_1, _2: what the gradient needs: the mean and variance used.
// reserve_space_3 is empty.
// _BatchNorm: these on a CPU, of floats, perhaps with an activation at the end;
// x and y may be in blocks of channels (ops/conv/blocked.h), of the image of
// attribute `shape`.
// Gradient: FusedBatchNormGrad (fused_batch_norm_grad.cc).

#include <limits>

#include "ops/array/array.h"
#include "ops/nn/activation_functors.h"
#include "ops/nn/batch_norm.h"
#include "ops/nn/nn.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

Status NormShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(Shape x, NormImage(c, 0));
  LS_RETURN_IF_ERROR(CheckVectors(c, 1, 2, &x));
  // In training they may be empty when nothing of them is kept.
  const bool used = !c.Attr<bool>("is_training") ||
                    GetOr(c.attrs(), "exponential_avg_factor", 1.0f) != 1.0f;
  if (used) LS_RETURN_IF_ERROR(CheckVectors(c, 3, 4, &x));
  const Shape channels{x.HasRank() ? x.dim(ChannelDim(c.attrs(), x.rank()))
                                   : kUnknownDim};
  LS_RETURN_IF_ERROR(c.SetOutput(0, x));
  for (int i = 1; i < 5; ++i) LS_RETURN_IF_ERROR(c.SetOutput(i, channels));
  return c.num_outputs() > 5 ? c.SetOutput(5, Shape{0}) : Ok();
}

// Vectors of scratch.
constexpr int kMean = 0, kVariance = 1, kFactor = 2, kOffset = 3;

Status NormPrepare(PrepareContext& p) {
  NormState& s = p.MakeState<NormState>(NormState::Of(p, 0));
  p.RequestScratch(s.scratch_bytes());
  return Ok();
}

// Of channels [begin, end): those of the parts put together as Chan, Golub and
// LeVeque do.
LS_SIMD_CLONES void JoinMoments(KernelContext& k, const NormState& s,
                                int64_t begin, int64_t end, float* mean,
                                float* variance) {
  double middle[kNormRun] = {}, squares[kNormRun] = {};
  const int64_t n = end - begin;
  double count = 0;
  for (int64_t b = 0; b < s.all_parts(); ++b) {
    const auto pixels = static_cast<double>(s.PixelsOf(b));
    const double share = pixels / (count + pixels), weight = count * share;
    const float *means = s.Sum(k, b, 0) + begin, *more = s.Sum(k, b, 1) + begin;
#pragma omp simd
    for (int64_t c = 0; c < n; ++c) {
      const double delta = means[c] - middle[c];
      middle[c] += delta * share;
      squares[c] += more[c] + delta * delta * weight;
    }
    count += pixels;
  }
  for (int64_t c = 0; c < n; ++c) {
    mean[begin + c] = static_cast<float>(middle[c]);
    variance[begin + c] = static_cast<float>(squares[c] / count);
  }
}

// Each tile's mean, and its squares about that while it is in the cache.
template <class T>
void MakeMoments(KernelContext& k, const NormState& s, const T* x, float* mean,
                 float* variance) {
  ForTiles(s, [&](const NormTile& t) {
    float sums[kNormSums][kNormRun];
    SumTile(t, sums, [x](int64_t i, int64_t) { return float(x[i]); });
    for (float& m : sums[0]) m /= static_cast<float>(t.pixels);
    KeepSums(k, s, t, sums, 1);
    const NormWide m = Spread(t, s.Sum(k, t.part, 0));
    SumTile(t, sums + 1, [x, &m](int64_t i, int64_t j) {
      const float d = float(x[i]) - m[static_cast<size_t>(j)];
      return d * d;
    });
    KeepSums(k, s, t, sums, kNormSums);
  });
  for (int64_t c = 0; c < s.view.channels; c += kNormRun) {
    JoinMoments(k, s, c, std::min(c + kNormRun, s.view.channels), mean,
                variance);
  }
}

// The moments of x in their vectors, and the outputs made of them.
template <class T, class U>
void Train(KernelContext& k, const NormState& s) {
  const int64_t n = s.samples(), channels = s.view.channels;
  float* mean = s.Vector(k, kMean);
  float* variance = s.Vector(k, kVariance);
  U* batch_mean = k.out<U>(1);
  U* batch_variance = k.out<U>(2);
  if (n == 0) {
    std::fill_n(mean, 2 * channels, 0.0f);
    const U nan(std::numeric_limits<float>::quiet_NaN());
    std::fill_n(batch_mean, channels, nan);
    std::fill_n(batch_variance, channels, nan);
    return;
  }
  MakeMoments(k, s, k.in<T>(0), mean, variance);
  const float unbiased =
      static_cast<float>(n) / static_cast<float>(std::max<int64_t>(1, n - 1));
  const bool moving = s.factor != 1.0f;
  const auto moved = [&](int input, int64_t c, float batch) {
    if (!moving) return batch;
    return (1.0f - s.factor) * float(k.in<U>(input)[c]) + s.factor * batch;
  };
  for (int64_t c = 0; c < channels; ++c) {
    batch_mean[c] = U(moved(3, c, mean[c]));
    batch_variance[c] = U(moved(4, c, variance[c] * unbiased));
  }
}

// The given moments in their vectors, and the outputs made of them.
template <class U>
void Infer(KernelContext& k, const NormState& s) {
  for (int64_t c = 0; c < s.view.channels; ++c) {
    s.Vector(k, kMean)[c] = k.in<U>(3)[c];
    s.Vector(k, kVariance)[c] = k.in<U>(4)[c];
    k.out<U>(1)[c] = k.in<U>(3)[c];
    k.out<U>(2)[c] = k.in<U>(4)[c];
  }
}

struct IdentityFn {
  static float Apply(float x) { return x; }
};

template <class T, class Activation>
void Apply(KernelContext& k, const NormState& s) {
  const T* x = k.in<T>(0);
  T* y = k.out<T>(0);
  ForTiles(s, [&](const NormTile& t) {
    const NormWide mean = Spread(t, s.Vector(k, kMean)),
                   factor = Spread(t, s.Vector(k, kFactor)),
                   offset = Spread(t, s.Vector(k, kOffset));
    MapTile(
        t,
        [=, &mean, &factor, &offset](int64_t i, int64_t lane) {
          const auto j = static_cast<size_t>(lane);
          return Activation::Apply((float(x[i]) - mean[j]) * factor[j] +
                                   offset[j]);
        },
        y);
  });
}

template <class T, class U>
Status NormRun(KernelContext& k) {
  const NormState& s = k.state<NormState>();
  const int64_t channels = s.view.channels;
  if (s.training) {
    Train<T, U>(k, s);
  } else {
    Infer<U>(k, s);
  }
  const float* mean = s.Vector(k, kMean);
  const float* variance = s.Vector(k, kVariance);
  CopyVector(mean, k.out<U>(3), channels);
  CopyVector(variance, k.out<U>(4), channels);
  float* factor = s.Vector(k, kFactor);
  float* offset = s.Vector(k, kOffset);
  for (int64_t c = 0; c < channels; ++c) {
    factor[c] = float(k.in<U>(1)[c]) / std::sqrt(variance[c] + s.epsilon);
    offset[c] = float(k.in<U>(2)[c]);
  }
  switch (s.activation) {
    case NormActivation::kNone: Apply<T, IdentityFn>(k, s); break;
    case NormActivation::kRelu: Apply<T, ReluFn>(k, s); break;
    case NormActivation::kRelu6: Apply<T, Relu6Fn>(k, s); break;
  }
  return Ok();
}

Status NormGradient(GradContext& g) {
  const Scope& s = g.scope();
  const bool training = g.Attr<bool>("is_training");
  NodeBuilder node =
      s.Op(g.node()->op() == "FusedBatchNormV3"   ? "FusedBatchNormGradV3"
           : g.node()->op() == "FusedBatchNormV2" ? "FusedBatchNormGradV2"
                                                  : "FusedBatchNormGrad");
  node.In(g.dy(0)).In(g.x(0)).In(g.x(1));
  // In inference the moments are constants.
  node.In(training ? g.y(3) : g.x(3)).In(training ? g.y(4) : g.x(4));
  if (g.num_outputs() > 5) node.In(g.y(5));
  for (const char* name : {"epsilon", "data_format", "is_training"}) {
    node.Attr(name, g.node()->attrs().find(name)->second);
  }
  const std::vector<Output> d = node.Outs();
  if (!s.ok()) return s.status();
  for (int i = 0; i < 3; ++i) {
    LS_RETURN_IF_ERROR(g.SetDx(i, d[static_cast<size_t>(i)]));
  }
  return Ok();
}

// Version 1 has T for U, and is float only; version 3 has a fifth reserve.
OpBuilder NormOp(const char* name, int version) {
  OpBuilder b(name);
  const char* u = version == 1 ? "T" : "U";
  b.Input("x: T");
  for (const char* in : {"scale: ", "offset: ", "mean: ", "variance: "}) {
    b.Input(StrCat(in, u));
  }
  b.Output("y: T");
  for (const char* out : {"batch_mean: ", "batch_variance: ",
                          "reserve_space_1: ", "reserve_space_2: "}) {
    b.Output(StrCat(out, u));
  }
  if (version == 3) b.Output("reserve_space_3: U");
  b.Attr(version == 1 ? "T: {float}" : "T: {half, bfloat16, float}");
  if (version > 1) b.Attr("U: {bfloat16, float}");
  b.Attr("epsilon: float = 0.0001")
      .Attr("exponential_avg_factor: float = 1.0")
      .Attr(version == 3
                ? "data_format: {'NHWC', 'NCHW', 'NDHWC', 'NCDHW'} = 'NHWC'"
                : "data_format: {'NHWC', 'NCHW'} = 'NHWC'")
      .Attr("is_training: bool = true")
      .Shape(NormShape)
      .Gradient(NormGradient);
  if (version == 1) {
    return b.Kernel<float>(kCpu, {NormRun<float, float>, NormPrepare});
  }
  const auto add = [&b]<class T, class U>() {
    b.Kernel(kCpu, {{"T", DTypeOf<T>::value}, {"U", DTypeOf<U>::value}},
             {NormRun<T, U>, NormPrepare});
  };
  add.operator()<float, float>();
  add.operator()<Half, float>();
  add.operator()<BFloat16, float>();
  add.operator()<BFloat16, BFloat16>();
  return b;
}

Status BlockableNormShape(ShapeContext& c) {
  const Shape& image = c.Attr<Shape>("shape");
  if (!detail::CanBeBlocked(image)) return NormShape(c);
  LS_RETURN_IF_ERROR(CheckBlocked(c, 0, image));
  LS_RETURN_IF_ERROR(c.SetOutput(0, detail::BlockedShape(image)));
  for (int i = 1; i < 5; ++i) {
    LS_RETURN_IF_ERROR(c.SetOutput(i, Shape{image.dim(3)}));
  }
  return c.SetOutput(5, Shape{0});
}

// Brought in by the rules of batch_norm_rules.cc, with version 3's outputs.
LOCKSTEP_OP("_BatchNorm")
    .Input("x: float")
    .Input("scale: float")
    .Input("offset: float")
    .Input("mean: float")
    .Input("variance: float")
    .Output("y: float")
    .Output("batch_mean: float")
    .Output("batch_variance: float")
    .Output("reserve_space_1: float")
    .Output("reserve_space_2: float")
    .Output("reserve_space_3: float")
    .Attr("epsilon: float")
    .Attr("exponential_avg_factor: float")
    .Attr("data_format: string")
    .Attr("is_training: bool")
    .Attr("shape: shape = unknown")
    .Attr("activation: {'', 'Relu', 'Relu6'} = ''")
    .Shape(BlockableNormShape)
    .InPlace(0, 0)
    .Kernel(kCpu, {NormRun<float, float>, NormPrepare});

const OpRegistrar kFusedBatchNorm = NormOp("FusedBatchNorm", 1);
const OpRegistrar kFusedBatchNormV2 = NormOp("FusedBatchNormV2", 2);
const OpRegistrar kFusedBatchNormV3 = NormOp("FusedBatchNormV3", 3);

}  // namespace

ops::FusedBatchNormOutputs ops::FusedBatchNorm(
    const Scope& scope, const Input& x, const Input& scale, const Input& offset,
    const Input& mean, const Input& variance,
    const FusedBatchNormOptions& options) {
  const std::vector<Output> y =
      scope.Op("FusedBatchNormV3")
          .In(x)
          .In(scale)
          .In(offset)
          .In(mean)
          .In(variance)
          .Attr("epsilon", options.epsilon)
          .Attr("exponential_avg_factor", options.exponential_avg_factor)
          .Attr("data_format", options.data_format)
          .Attr("is_training", options.is_training)
          .Outs();
  if (!scope.ok()) return {};
  return {y[0], y[1], y[2]};
}

}  // namespace lockstep
