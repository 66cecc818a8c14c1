// SPDX-License-Identifier: Apache-2.0
#pragma once

// Element-wise math: builder functions with TensorFlow's names and meanings.
// Two operands broadcast as in NumPy. Adds one node each; a mistake shows in
// scope.status(). Not for reductions (ops/reduce) or products (ops/linalg).
//
//   Output y = ops::Mul(s, 0.5f, ops::Square(s, ops::Sub(s, a, b)));
//   Output hit = ops::Cast(s, ops::Equal(s, label, guess), kFloat);
//   Output z = ops::Select(s, ops::Greater(s, x, 0.0f), x, y);

#include <vector>

#include "runtime/graph/builder.h"

namespace lockstep::ops {

// Add makes an AddV2 node.
Output Add(const Scope& scope, const Input& x, const Input& y);
Output AddN(const Scope& scope, const std::vector<Output>& inputs);
Output Sub(const Scope& scope, const Input& x, const Input& y);
Output Mul(const Scope& scope, const Input& x, const Input& y);
// Integers: Div truncates, FloorDiv rounds down; RealDiv is for floats. An
// integer divided by zero is INVALID_ARGUMENT when it runs.
Output Div(const Scope& scope, const Input& x, const Input& y);
Output RealDiv(const Scope& scope, const Input& x, const Input& y);
Output FloorDiv(const Scope& scope, const Input& x, const Input& y);
Output TruncateDiv(const Scope& scope, const Input& x, const Input& y);
// x / y, 0 where y is 0.
Output DivNoNan(const Scope& scope, const Input& x, const Input& y);
Output FloorMod(const Scope& scope, const Input& x, const Input& y);
Output Mod(const Scope& scope, const Input& x, const Input& y);
Output TruncateMod(const Scope& scope, const Input& x, const Input& y);
Output Maximum(const Scope& scope, const Input& x, const Input& y);
Output Minimum(const Scope& scope, const Input& x, const Input& y);
Output Pow(const Scope& scope, const Input& x, const Input& y);
Output SquaredDifference(const Scope& scope, const Input& x, const Input& y);
Output Atan2(const Scope& scope, const Input& y, const Input& x);

// 0 where x (MulNoNan: y) is 0: x log y, x log(1 + y), x / y, x y.
Output Xlogy(const Scope& scope, const Input& x, const Input& y);
Output Xlog1py(const Scope& scope, const Input& x, const Input& y);
Output Xdivy(const Scope& scope, const Input& x, const Input& y);
Output MulNoNan(const Scope& scope, const Input& x, const Input& y);
// x's neighbour towards y.
Output NextAfter(const Scope& scope, const Input& x, const Input& y);
// t brought into [low, high]; the bounds are scalars or of t's shape.
Output ClipByValue(const Scope& scope, const Input& t, const Input& low,
                   const Input& high);

Output Neg(const Scope& scope, const Input& x);
Output Abs(const Scope& scope, const Input& x);
Output Sign(const Scope& scope, const Input& x);
Output Square(const Scope& scope, const Input& x);
Output Sqrt(const Scope& scope, const Input& x);
Output Rsqrt(const Scope& scope, const Input& x);
Output Reciprocal(const Scope& scope, const Input& x);
Output Floor(const Scope& scope, const Input& x);
Output Ceil(const Scope& scope, const Input& x);
// Halves go to the even neighbour.
Output Round(const Scope& scope, const Input& x);
Output Rint(const Scope& scope, const Input& x);
Output Exp(const Scope& scope, const Input& x);
Output Expm1(const Scope& scope, const Input& x);
Output Log(const Scope& scope, const Input& x);
Output Log1p(const Scope& scope, const Input& x);
Output Sin(const Scope& scope, const Input& x);
Output Cos(const Scope& scope, const Input& x);
Output Tan(const Scope& scope, const Input& x);
Output Asin(const Scope& scope, const Input& x);
Output Acos(const Scope& scope, const Input& x);
Output Atan(const Scope& scope, const Input& x);
Output Sinh(const Scope& scope, const Input& x);
Output Cosh(const Scope& scope, const Input& x);
Output Tanh(const Scope& scope, const Input& x);
Output Asinh(const Scope& scope, const Input& x);
Output Acosh(const Scope& scope, const Input& x);
Output Atanh(const Scope& scope, const Input& x);
Output Sigmoid(const Scope& scope, const Input& x);
Output Erf(const Scope& scope, const Input& x);
Output Erfc(const Scope& scope, const Input& x);
Output Erfinv(const Scope& scope, const Input& x);
// The quantile of the standard normal distribution.
Output Ndtri(const Scope& scope, const Input& x);
// log|gamma(x)|, its derivative, and that one's a-th derivative.
Output Lgamma(const Scope& scope, const Input& x);
Output Digamma(const Scope& scope, const Input& x);
Output Polygamma(const Scope& scope, const Input& a, const Input& x);
// The sum of 1 / (q + i)^x.
Output Zeta(const Scope& scope, const Input& x, const Input& q);
// The regularised incomplete gamma function P(a, x), and 1 - P.
Output Igamma(const Scope& scope, const Input& a, const Input& x);
Output Igammac(const Scope& scope, const Input& a, const Input& x);
// exp(-|x|) times the modified Bessel functions.
Output BesselI0e(const Scope& scope, const Input& x);
Output BesselI1e(const Scope& scope, const Input& x);
Output IsNan(const Scope& scope, const Input& x);
Output IsInf(const Scope& scope, const Input& x);
Output IsFinite(const Scope& scope, const Input& x);

Output Equal(const Scope& scope, const Input& x, const Input& y);
Output NotEqual(const Scope& scope, const Input& x, const Input& y);
Output Less(const Scope& scope, const Input& x, const Input& y);
Output LessEqual(const Scope& scope, const Input& x, const Input& y);
Output Greater(const Scope& scope, const Input& x, const Input& y);
Output GreaterEqual(const Scope& scope, const Input& x, const Input& y);
Output ApproximateEqual(const Scope& scope, const Input& x, const Input& y,
                        float tolerance = 1e-5f);
Output LogicalAnd(const Scope& scope, const Input& x, const Input& y);
Output LogicalOr(const Scope& scope, const Input& x, const Input& y);
Output LogicalNot(const Scope& scope, const Input& x);

// Of integers. Shifts beyond the width act as one by width - 1.
Output BitwiseAnd(const Scope& scope, const Input& x, const Input& y);
Output BitwiseOr(const Scope& scope, const Input& x, const Input& y);
Output BitwiseXor(const Scope& scope, const Input& x, const Input& y);
Output LeftShift(const Scope& scope, const Input& x, const Input& y);
Output RightShift(const Scope& scope, const Input& x, const Input& y);
Output Invert(const Scope& scope, const Input& x);
Output PopulationCount(const Scope& scope, const Input& x);

// Complex numbers and their parts; Conj of real numbers is the numbers.
Output Complex(const Scope& scope, const Input& real, const Input& imag);
Output Real(const Scope& scope, const Input& x);
Output Imag(const Scope& scope, const Input& x);
Output ComplexAbs(const Scope& scope, const Input& x);
Output Angle(const Scope& scope, const Input& x);
Output Conj(const Scope& scope, const Input& x);

// x where the condition holds, y elsewhere. Select (TensorFlow 1): x and y of
// one shape, the condition of that shape, a scalar or one value a row.
// SelectV2 broadcasts all three.
Output Select(const Scope& scope, const Input& condition, const Input& x,
              const Input& y);
Output SelectV2(const Scope& scope, const Input& condition, const Input& x,
                const Input& y);

// To another dtype: floats to integers truncate; out of range or NaN as an x86
// processor converts (the least integer for int32 and int64).
Output Cast(const Scope& scope, const Input& x, DType to);

}  // namespace lockstep::ops
