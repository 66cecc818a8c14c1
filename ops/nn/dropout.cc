// SPDX-License-Identifier: Apache-2.0

// Dropout: a composition, as in TensorFlow: kept where uniform >= rate,
// scaled by 1 / (1 - rate). Its gradient uses the same mask.

#include "ops/array/array.h"
#include "ops/math/math.h"
#include "ops/nn/nn.h"
#include "ops/random/random.h"

namespace lockstep {

Output ops::Dropout(const Scope& scope, const Output& x, const Input& rate) {
  if (!scope.ok() || !x.defined()) return {};
  const Scope s = scope.SubScope("dropout");
  const DType dtype = BaseOf(x.dtype());
  const Output r = rate.Resolve(s.WithName("rate"), dtype);
  const Output keep = ops::Sub(s, 1.0f, r);
  const Output scaled = ops::Mul(s, x, ops::RealDiv(s, 1.0f, keep));
  const Output uniform = ops::RandomUniform(s, ops::Shape(s, x), dtype);
  const Output kept = ops::GreaterEqual(s, uniform, r);
  return ops::Mul(s, scaled, ops::Cast(s, kept, dtype));
}

}  // namespace lockstep
