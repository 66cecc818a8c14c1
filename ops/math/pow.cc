// SPDX-License-Identifier: Apache-2.0

// Pow: z = x ^ y; Atan2: the angle of (x, y). With NumPy broadcasting.
//   x, y: float, double, half, bfloat16 (Pow: also signed
//   integers and complex)
// An integer to a negative power is INVALID_ARGUMENT; integers wrap around.
// Gradient of Pow: dx = dz * y * x^(y-1), dy = dz * log(x) * z (0 where x <=
// 0).

#include "ops/array/array.h"
#include "ops/math/binary_gradient.h"
#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "ops/math/quotients.h"
#include "ops/math/vector_math.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status PowGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output x = Conjugate(s, g.x(0)), y = Conjugate(s, g.x(1)),
               z = Conjugate(s, g.y(0)), dz = g.dy(0);
  const Output dx =
      ops::Mul(s, ops::Mul(s, dz, y),
               ops::Pow(s, x, ops::Sub(s, y, ops::OnesLike(s, y))));
  // Complex logarithms are finite but for that of 0.
  const Output zero = ops::ZerosLike(s, x);
  const Output usable = IsComplex(BaseOf(x.dtype())) ? ops::NotEqual(s, x, zero)
                                                     : ops::Greater(s, x, zero);
  const Output safe = ops::Select(s, usable, x, ops::OnesLike(s, x));
  const Output log = ops::Select(s, usable, ops::Log(s, safe), zero);
  const Output dy = ops::Mul(s, ops::Mul(s, dz, z), log);
  return SetBroadcastGradients(g, dx, dy);
}

// z = atan2(y, x): dy = dz * x / (x^2 + y^2), dx = -dz * y / (x^2 + y^2).
Status Atan2Gradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output y = g.x(0), x = g.x(1);
  const Output scaled = ops::RealDiv(
      s, g.dy(0), ops::Add(s, ops::Square(s, x), ops::Square(s, y)));
  return SetBroadcastGradients(g, ops::Mul(s, scaled, x),
                               ops::Neg(s, ops::Mul(s, scaled, y)));
}

const OpRegistrar kPow =
    BinaryOp("Pow",
             "{bfloat16, float, half, double, int8, int16, int32, int64, "
             "complex64, complex128}",
             PowGradient)
        .Kernels<LS_FLOAT_TYPES, LS_SIGNED_TYPES, LS_COMPLEX_TYPES>(
            kCpu,
            []<class T>() { return Binary<PowFn, T, T, kCostlyGrain>(); });
LOCKSTEP_OP("Atan2")
    .Input("y: T")
    .Input("x: T")
    .Output("z: T")
    .Attr("T: floattype")
    .Shape(BroadcastShape)
    .Gradient(Atan2Gradient)
    .InPlace(0, 0)
    .InPlace(0, 1)
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return Binary<Atan2Fn, T, T, kCostlyGrain>();
    });

}  // namespace

namespace ops {

Output Pow(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("Pow").InPair(x, y).Out();
}
Output Atan2(const Scope& scope, const Input& y, const Input& x) {
  return scope.Op("Atan2").InPair(y, x).Out();
}

}  // namespace ops
}  // namespace lockstep
