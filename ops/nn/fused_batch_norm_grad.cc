// SPDX-License-Identifier: Apache-2.0

// FusedBatchNormGrad, -V2, -V3: the gradients of FusedBatchNorm.
//   y_backprop, x: T   scale: float [C]   reserve_space_1, _2: U [C], the mean
//   and variance used   -> x_backprop: T, scale_backprop, offset_backprop: U
//   [C], and two unused outputs
// With inv = 1 / sqrt(variance + epsilon), xn = (x - mean) inv:
//   offset: sum(dy)   scale: sum(dy xn)   x: scale inv dy when not is_training,
//   else scale inv (dy - mean(dy) - xn mean(dy xn))
// _BatchNormGrad: these on a CPU, of floats, without the unused outputs; y's
// gradient and x may be in blocks of channels, of the image of `shape`.

#include "ops/array/array.h"
#include "ops/math/math.h"
#include "ops/nn/batch_norm.h"
#include "ops/reduce/reduce.h"
#include "runtime/graph/gradients.h"

namespace lockstep {
namespace {

Result<Shape> GradImage(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape dy, NormImage(c, 0));
  LS_ASSIGN_OR_RETURN(const Shape given, NormImage(c, 1));
  auto x = Shape::Merge(dy, given);
  if (!x.ok()) {
    return InvalidArgument("x and y_backprop must have the same shape, got ",
                           given, " and ", dy);
  }
  return x;
}

// The outputs by x, scale and offset; `x`: of NHWC or by data_format.
Status SetGradients(ShapeContext& c, Shape x) {
  LS_RETURN_IF_ERROR(CheckVectors(c, 2, 4, &x));
  const Shape channels{x.HasRank() ? x.dim(ChannelDim(c.attrs(), x.rank()))
                                   : kUnknownDim};
  LS_RETURN_IF_ERROR(c.SetOutput(0, x));
  LS_RETURN_IF_ERROR(c.SetOutput(1, channels));
  return c.SetOutput(2, channels);
}

Status GradShape(ShapeContext& c) {
  LS_ASSIGN_OR_RETURN(const Shape x, GradImage(c));
  LS_RETURN_IF_ERROR(SetGradients(c, x));
  LS_RETURN_IF_ERROR(c.SetOutput(3, Shape{}));
  return c.SetOutput(4, Shape{});
}

Status GradPrepare(PrepareContext& p) {
  NormState& s = p.MakeState<NormState>(NormState::Of(p, 1));
  p.RequestScratch(s.scratch_bytes());
  return Ok();
}

// total[c] = the sum of the parts' numbers of that kind.
void AddParts(KernelContext& k, const NormState& s, int number, float* total) {
  const int64_t channels = s.view.channels;
  for (int64_t begin = 0; begin < channels; begin += kNormRun) {
    const int64_t n = std::min(kNormRun, channels - begin);
    double sums[kNormRun] = {};
    for (int64_t b = 0; b < s.all_parts(); ++b) {
      const float* part = s.Sum(k, b, number) + begin;
      for (int64_t c = 0; c < n; ++c) sums[c] += part[c];
    }
    std::copy_n(sums, n, total + begin);
  }
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
  ForTiles(s, [&](const NormTile& t) {
    const NormWide m = Spread(t, mean), v = Spread(t, inv);
    float sums[kNormSums][kNormRun];
    SumTile(
        t, sums, [dy](int64_t i, int64_t) { return float(dy[i]); },
        [=, &m, &v](int64_t i, int64_t lane) {
          const auto j = static_cast<size_t>(lane);
          return float(dy[i]) * ((float(x[i]) - m[j]) * v[j]);
        });
    KeepSums(k, s, t, sums, kNormSums);
  });
  AddParts(k, s, 0, sum);
  AddParts(k, s, 1, product);
  CopyVector(product, k.out<U>(1), channels);
  CopyVector(sum, k.out<U>(2), channels);
  for (int i = 3; i < k.num_outputs(); ++i) *k.out<U>(i) = U(0);
  // In inference the moments do not depend on x.
  const float share = !s.training || s.samples() == 0
                          ? 0.0f
                          : 1.0f / static_cast<float>(s.samples());
  for (int64_t c = 0; c < channels; ++c) {
    sum[c] *= share;
    product[c] *= share;
  }
  T* dx = k.out<T>(0);
  ForTiles(s, [&](const NormTile& t) {
    const NormWide m = Spread(t, mean), v = Spread(t, inv),
                   f = Spread(t, factor), d = Spread(t, sum),
                   n = Spread(t, product);
    MapTile(
        t,
        [=, &m, &v, &f, &d, &n](int64_t i, int64_t lane) {
          const auto j = static_cast<size_t>(lane);
          const float xn = (float(x[i]) - m[j]) * v[j];
          return f[j] * (float(dy[i]) - d[j] - xn * n[j]);
        },
        dx);
  });
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

Status BlockableGradShape(ShapeContext& c) {
  const Shape& image = c.Attr<Shape>("shape");
  if (!detail::CanBeBlocked(image)) {
    LS_ASSIGN_OR_RETURN(const Shape x, GradImage(c));
    return SetGradients(c, x);
  }
  for (const int in : {0, 1}) LS_RETURN_IF_ERROR(CheckBlocked(c, in, image));
  LS_RETURN_IF_ERROR(SetGradients(c, image));
  return c.SetOutput(0, detail::BlockedShape(image));
}

// Brought in by the rules of batch_norm_rules.cc.
LOCKSTEP_OP("_BatchNormGrad")
    .Input("y_backprop: float")
    .Input("x: float")
    .Input("scale: float")
    .Input("reserve_space_1: float")
    .Input("reserve_space_2: float")
    .Output("x_backprop: float")
    .Output("scale_backprop: float")
    .Output("offset_backprop: float")
    .Attr("epsilon: float")
    .Attr("data_format: string")
    .Attr("is_training: bool")
    .Attr("shape: shape = unknown")
    .Shape(BlockableGradShape)
    .InPlace(0, 0)
    .Kernel(kCpu, {GradRun<float, float>, GradPrepare});

const OpRegistrar kFusedBatchNormGrad = GradOp("FusedBatchNormGrad", 1);
const OpRegistrar kFusedBatchNormGradV2 = GradOp("FusedBatchNormGradV2", 2);
const OpRegistrar kFusedBatchNormGradV3 = GradOp("FusedBatchNormGradV3", 3);

}  // namespace
}  // namespace lockstep
