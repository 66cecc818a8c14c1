// SPDX-License-Identifier: Apache-2.0

// Normalisations, losses and activations that TensorFlow too composes of
// simpler ops, with its formulas.

#include <cmath>
#include <numbers>

#include "ops/array/array.h"
#include "ops/math/math.h"
#include "ops/nn/nn.h"
#include "ops/reduce/reduce.h"

namespace lockstep::ops {
namespace {

// log(1 + exp(-|x|)), |x| written so that its gradient at 0 is that of x >= 0.
Output Log1pExpNegAbs(const Scope& s, const Output& x) {
  const Output positive = GreaterEqual(s, x, ZerosLike(s, x));
  const Output negative_abs = SelectV2(s, positive, Neg(s, x), x);
  return Log1p(s, Exp(s, negative_abs));
}

Output PositivePart(const Scope& s, const Output& x) {
  const Output zeros = ZerosLike(s, x);
  return SelectV2(s, GreaterEqual(s, x, zeros), x, zeros);
}

}  // namespace

Output L2Normalize(const Scope& scope, const Input& x,
                   const std::vector<int32_t>& axes, float epsilon) {
  const Scope s = scope.SubScope("l2_normalize");
  const Output value = x.Resolve(s);
  const Output squares = Sum(s, Square(s, value), Tensor::Vector(axes), true);
  return Mul(s, value, Rsqrt(s, Maximum(s, squares, epsilon)));
}

MomentsOutputs Moments(const Scope& scope, const Input& x,
                       const std::vector<int32_t>& axes, bool keep_dims) {
  const Scope s = scope.SubScope("moments");
  const Output value = x.Resolve(s);
  if (!value.defined()) return {};
  // 16-bit floats are summed in float.
  const DType dtype = BaseOf(value.dtype());
  const bool narrow = dtype == kHalf || dtype == kBfloat16;
  const Output y = narrow ? Cast(s, value, kFloat) : value;
  const Tensor over = Tensor::Vector(axes);
  Output mean = Mean(s.WithName("mean"), y, over, true);
  Output variance =
      Mean(s.WithName("variance"),
           SquaredDifference(s, y, StopGradient(s, mean)), over, true);
  if (!keep_dims) {
    std::vector<int64_t> dims(axes.begin(), axes.end());
    mean = Squeeze(s, mean, dims);
    variance = Squeeze(s, variance, dims);
  }
  if (!narrow) return {mean, variance};
  return {Cast(s, mean, dtype), Cast(s, variance, dtype)};
}

Output BatchNormalization(const Scope& scope, const Input& x, const Input& mean,
                          const Input& variance, const Output& offset,
                          const Output& scale, float epsilon) {
  const Scope s = scope.SubScope("batchnorm");
  const Output value = x.Resolve(s);
  if (!value.defined()) return {};
  const DType dtype = BaseOf(value.dtype());
  const Output shift = mean.Resolve(s, dtype);
  Output inv = Rsqrt(s, Add(s, variance.Resolve(s, dtype), epsilon));
  if (scale.defined()) inv = Mul(s, inv, scale);
  const Output moved = Mul(s, shift, inv);
  const Output rest = offset.defined() ? Sub(s, offset, moved) : Neg(s, moved);
  return Add(s, Mul(s, value, inv), rest);
}

Output LayerNorm(const Scope& scope, const Input& x, const Output& scale,
                 const Output& offset, float epsilon) {
  const Scope s = scope.SubScope("layer_norm");
  const Output value = x.Resolve(s);
  const MomentsOutputs m = Moments(s, value, {-1}, true);
  return BatchNormalization(s, value, m.mean, m.variance, offset, scale,
                            epsilon);
}

Output Gelu(const Scope& scope, const Input& x, bool approximate) {
  const Scope s = scope.SubScope("gelu");
  const Output value = x.Resolve(s);
  const Output half = Mul(s, value, 0.5f);
  Output inner;
  if (approximate) {
    const Output cube = Mul(s, Mul(s, Square(s, value), value), 0.044715f);
    const double factor = std::sqrt(2 * std::numbers::inv_pi);
    inner = Tanh(s, Mul(s, Add(s, value, cube), factor));
  } else {
    inner = Erf(s, RealDiv(s, value, std::numbers::sqrt2));
  }
  return Mul(s, half, Add(s, inner, 1.0f));
}

Output SigmoidCrossEntropyWithLogits(const Scope& scope, const Input& labels,
                                     const Input& logits) {
  const Scope s = scope.SubScope("logistic_loss");
  const Output x = logits.Resolve(s);
  if (!x.defined()) return {};
  const Output z = labels.Resolve(s, BaseOf(x.dtype()));
  return Add(s, Sub(s, PositivePart(s, x), Mul(s, x, z)), Log1pExpNegAbs(s, x));
}

Output WeightedCrossEntropyWithLogits(const Scope& scope, const Input& labels,
                                      const Input& logits,
                                      const Input& pos_weight) {
  const Scope s = scope.SubScope("weighted_logistic_loss");
  const Output x = logits.Resolve(s);
  if (!x.defined()) return {};
  const DType dtype = BaseOf(x.dtype());
  const Output z = labels.Resolve(s, dtype);
  const Output weight = pos_weight.Resolve(s, dtype);
  const Output log_weight = Add(s, Mul(s, Sub(s, weight, 1.0f), z), 1.0f);
  const Output softplus =
      Add(s, Log1p(s, Exp(s, Neg(s, Abs(s, x)))), Relu(s, Neg(s, x)));
  return Add(s, Mul(s, Sub(s, 1.0f, z), x), Mul(s, log_weight, softplus));
}

Output LogLoss(const Scope& scope, const Input& labels,
               const Input& predictions, float epsilon) {
  const Scope s = scope.SubScope("log_loss");
  const Output p = predictions.Resolve(s);
  if (!p.defined()) return {};
  const Output z = labels.Resolve(s, BaseOf(p.dtype()));
  const Output is = Mul(s, z, Log(s, Add(s, p, epsilon)));
  const Output is_not =
      Mul(s, Sub(s, 1.0f, z), Log(s, Add(s, Sub(s, 1.0f, p), epsilon)));
  return Sub(s, Neg(s, is), is_not);
}

}  // namespace lockstep::ops
