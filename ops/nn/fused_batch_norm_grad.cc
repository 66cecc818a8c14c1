// SPDX-License-Identifier: Apache-2.0

// FusedBatchNormGrad, -V2, -V3: the gradients of FusedBatchNorm.
//   y_backprop, x: T   scale: float [C]   reserve_space_1, _2: U [C], the mean
//   and variance used   -> x_backprop: T, scale_backprop, offset_backprop: U
//   [C], and two unused outputs
// With inv = 1 / sqrt(variance + epsilon), xn = (x - mean) inv:
//   offset: sum(dy)   scale: sum(dy xn)   x: scale inv dy when not is_training,
//   else scale inv (dy - mean(dy) - xn mean(dy xn))

#include "ops/array/array.h"
#include "ops/math/math.h"
#include "ops/nn/batch_norm.h"
#include "ops/reduce/reduce.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

Status GradShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape dy, NormImage(c, 0));
  LS_ASSIGN_OR_RETURN(const Shape given, NormImage(c, 1));
  auto x = Shape::Merge(dy, given);
  if (!x.ok()) {
    return InvalidArgument("x and y_backprop must have the same shape, got ",
                           given, " and ", dy);
  }
  LS_RETURN_IF_ERROR(CheckVectors(c, 2, 4, &*x));
  const Shape channels{x->HasRank() ? x->dim(ChannelDim(c.attrs(), x->rank()))
                                    : kUnknownDim};
  LS_RETURN_IF_ERROR(c.SetOutput(0, *x));
  LS_RETURN_IF_ERROR(c.SetOutput(1, channels));
  LS_RETURN_IF_ERROR(c.SetOutput(2, channels));
  LS_RETURN_IF_ERROR(c.SetOutput(3, Shape{}));
  return c.SetOutput(4, Shape{});
}

Status GradPrepare(PrepareContext& p) {
  NormState& s = p.MakeState<NormState>(NormState::Of(p, p.input_shape(1)));
  p.RequestScratch(s.scratch_bytes());
  return Ok();
}

template <class T, class U>
Status GradRun(KernelContext& k) {
  const NormState& s = k.state<NormState>();
  const int64_t channels = s.view.channels;
  const T* dy = k.in<T>(0);
  const T* x = k.in<T>(1);
  float* mean = s.Vector(k, 0);
  float* inv = s.Vector(k, 1);
  float* sum = s.Vector(k, 2);      // of dy
  float* product = s.Vector(k, 3);  // of dy xn
  float* factor = s.Vector(k, 4);
  for (int64_t c = 0; c < channels; ++c) {
    mean[c] = float(k.in<U>(3)[c]);
    inv[c] = 1.0f / std::sqrt(float(k.in<U>(4)[c]) + s.epsilon);
    factor[c] = k.in<float>(2)[c] * inv[c];
  }
  SumChannels(
      k, s, 1.0f, [dy](int64_t i, int64_t) { return float(dy[i]); }, sum);
  SumChannels(
      k, s, 1.0f,
      [=](int64_t i, int64_t c) {
        return float(dy[i]) * ((float(x[i]) - mean[c]) * inv[c]);
      },
      product);
  CopyVector(product, k.out<U>(1), channels);
  CopyVector(sum, k.out<U>(2), channels);
  *k.out<U>(3) = U(0);
  *k.out<U>(4) = U(0);
  // In inference the moments do not depend on x.
  const float share = !s.training || s.samples() == 0
                          ? 0.0f
                          : 1.0f / static_cast<float>(s.samples());
  for (int64_t c = 0; c < channels; ++c) {
    sum[c] *= share;
    product[c] *= share;
  }
  MapChannels<T>(
      s,
      [=](int64_t i, int64_t c) {
        const float xn = (float(x[i]) - mean[c]) * inv[c];
        return factor[c] * (float(dy[i]) - sum[c] - xn * product[c]);
      },
      k.out<T>(0));
  return Ok();
}

// The gradient of the gradient, through the same formulas composed of simple
// ops; means and variances are those of x again.
Status GradGradient(GradContext& g) {
  const Scope& s = g.scope();
  const int rank = NormRank(g.node()->attrs());
  const int at = ChannelDim(g.node()->attrs(), rank);
  std::vector<int32_t> axes;
  std::vector<int32_t> broadcast(static_cast<size_t>(rank), 1);
  for (int d = 0; d < rank; ++d) {
    if (d != at) axes.push_back(d);
  }
  broadcast[static_cast<size_t>(at)] = -1;
  const Tensor rest = Tensor::Vector(axes), wide = Tensor::Vector(broadcast);
  const DType t = BaseOf(g.x(1).dtype());
  const auto widened = [&](Output v) {
    return ops::Reshape(s, ops::Cast(s, v, kFloat), wide);
  };
  const Output dy = ops::Identity(s, ops::Cast(s, g.x(0), kFloat));
  const Output x = ops::Identity(s, ops::Cast(s, g.x(1), kFloat));
  const Output scale = ops::Identity(s, g.x(2));
  const bool training = g.Attr<bool>("is_training");
  const Output mean = training ? ops::Mean(s, x, rest, true) : widened(g.x(3));
  const Output centred = ops::Sub(s, x, mean);
  const Output variance =
      training ? ops::Mean(s, ops::Square(s, centred), rest, true)
               : widened(g.x(4));
  const Output inv =
      ops::Rsqrt(s, ops::Add(s, variance, g.Attr<float>("epsilon")));
  const Output xn = ops::Mul(s, centred, inv);
  const Output product = ops::Mul(s, dy, xn);
  Output inner = dy;
  if (training) {
    inner = ops::Sub(s, ops::Sub(s, dy, ops::Mean(s, dy, rest, true)),
                     ops::Mul(s, xn, ops::Mean(s, product, rest, true)));
  }
  const Output factor = ops::Mul(s, ops::Reshape(s, scale, wide), inv);
  const std::vector<Output> ys = {ops::Mul(s, factor, inner),
                                  ops::Sum(s, product, rest),
                                  ops::Sum(s, dy, rest)};
  std::vector<Output> dys, dxs;
  for (int i = 0; i < 3; ++i) dys.push_back(ops::Cast(s, g.dy(i), kFloat));
  LS_RETURN_IF_ERROR(s.status());
  LS_RETURN_IF_ERROR(AddGradients(s, ys, {dy, x, scale}, &dxs, dys));
  for (int i = 0; i < 3; ++i) {
    const Output d = dxs[static_cast<size_t>(i)];
    if (d.defined()) {
      LS_RETURN_IF_ERROR(g.SetDx(i, i < 2 ? ops::Cast(s, d, t) : d));
    }
  }
  return Ok();
}

OpBuilder GradOp(const char* name, int version) {
  OpBuilder b(name);
  const std::string u = version == 1 ? "T" : "U";
  b.Input("y_backprop: T").Input("x: T");
  b.Input(version == 1 ? "scale: T" : "scale: float");
  b.Input("reserve_space_1: " + u).Input("reserve_space_2: " + u);
  if (version == 3) b.Input("reserve_space_3: U");
  b.Output("x_backprop: T")
      .Output("scale_backprop: " + u)
      .Output("offset_backprop: " + u)
      .Output((version == 3 ? "reserve_space_4: " : "reserve_space_3: ") + u)
      .Output((version == 3 ? "reserve_space_5: " : "reserve_space_4: ") + u);
  b.Attr(version == 1 ? "T: {float}" : "T: {half, bfloat16, float}");
  if (version > 1) b.Attr("U: {bfloat16, float}");
  b.Attr("epsilon: float = 0.0001")
      .Attr(version == 3
                ? "data_format: {'NHWC', 'NCHW', 'NDHWC', 'NCDHW'} = 'NHWC'"
                : "data_format: {'NHWC', 'NCHW'} = 'NHWC'")
      .Attr("is_training: bool = true")
      .Shape(GradShape)
      .Gradient(GradGradient);
  if (version == 1) {
    return b.Kernel<float>(kCpu, {GradRun<float, float>, GradPrepare});
  }
  const auto add = [&b]<class T, class U>() {
    b.Kernel(kCpu, {{"T", DTypeOf<T>::value}, {"U", DTypeOf<U>::value}},
             {GradRun<T, U>, GradPrepare});
  };
  add.operator()<float, float>();
  add.operator()<Half, float>();
  add.operator()<BFloat16, float>();
  add.operator()<BFloat16, BFloat16>();
  return b;
}

const OpRegistrar kFusedBatchNormGrad = GradOp("FusedBatchNormGrad", 1);
const OpRegistrar kFusedBatchNormGradV2 = GradOp("FusedBatchNormGradV2", 2);
const OpRegistrar kFusedBatchNormGradV3 = GradOp("FusedBatchNormGradV3", 3);

}  // namespace
}  // namespace lockstep
