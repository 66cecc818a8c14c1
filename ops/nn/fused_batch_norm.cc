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
// Gradient: FusedBatchNormGrad (fused_batch_norm_grad.cc).

#include <limits>

#include "ops/array/array.h"
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

Status NormPrepare(PrepareContext& p) {
  NormState& s = p.MakeState<NormState>(NormState::Of(p, p.input_shape(0)));
  p.RequestScratch(s.scratch_bytes());
  return Ok();
}

// The moments of x in vectors 0 and 1, and the outputs made of them.
template <class T, class U>
void Train(KernelContext& k, const NormState& s) {
  const int64_t n = s.samples(), channels = s.view.channels;
  float* mean = s.Vector(k, 0);
  float* variance = s.Vector(k, 1);
  U* batch_mean = k.out<U>(1);
  U* batch_variance = k.out<U>(2);
  if (n == 0) {
    std::fill_n(mean, 2 * channels, 0.0f);
    const U nan(std::numeric_limits<float>::quiet_NaN());
    std::fill_n(batch_mean, channels, nan);
    std::fill_n(batch_variance, channels, nan);
    return;
  }
  const T* x = k.in<T>(0);
  const float share = 1.0f / static_cast<float>(n);
  SumChannels(
      k, s, share, [x](int64_t i, int64_t) { return float(x[i]); }, mean);
  SumChannels(
      k, s, share,
      [x, mean](int64_t i, int64_t c) {
        const float d = float(x[i]) - mean[c];
        return d * d;
      },
      variance);
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

// The given moments in vectors 0 and 1, and the outputs made of them.
template <class U>
void Infer(KernelContext& k, const NormState& s) {
  for (int64_t c = 0; c < s.view.channels; ++c) {
    s.Vector(k, 0)[c] = k.in<U>(3)[c];
    s.Vector(k, 1)[c] = k.in<U>(4)[c];
    k.out<U>(1)[c] = k.in<U>(3)[c];
    k.out<U>(2)[c] = k.in<U>(4)[c];
  }
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
  const float* mean = s.Vector(k, 0);
  const float* variance = s.Vector(k, 1);
  CopyVector(mean, k.out<U>(3), channels);
  CopyVector(variance, k.out<U>(4), channels);
  float* factor = s.Vector(k, 2);
  float* offset = s.Vector(k, 3);
  for (int64_t c = 0; c < channels; ++c) {
    factor[c] = float(k.in<U>(1)[c]) / std::sqrt(variance[c] + s.epsilon);
    offset[c] = float(k.in<U>(2)[c]);
  }
  const T* x = k.in<T>(0);
  MapChannels<T>(
      s,
      [=](int64_t i, int64_t c) {
        return (float(x[i]) - mean[c]) * factor[c] + offset[c];
      },
      k.out<T>(0));
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
