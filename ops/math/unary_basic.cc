// SPDX-License-Identifier: Apache-2.0

// Neg, Abs, Sign, Square, Floor, Ceil, Round, Rint, IsNan, IsInf, IsFinite.
//   x: signed numbers (Floor, Ceil, Rint, Is*: floats)   y: same shape
// Integers wrap around. Sign of NaN is NaN, of a complex
// x it is x / |x|. Round and Rint go to the even
// neighbour from a half. Gradients: Neg: -dy; Abs: dy * sign(x); Sign: 0;
// Square: dy * 2x; the others are steps and have none.

#include "ops/array/array.h"
#include "ops/math/binary_gradient.h"
#include "ops/math/elementwise.h"
#include "ops/math/functors.h"
#include "ops/math/math.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

Status NegGradient(GradContext& g) {
  return g.SetDx(0, ops::Neg(g.scope(), g.dy(0)));
}
Status AbsGradient(GradContext& g) {
  const Scope& s = g.scope();
  return g.SetDx(0, ops::Mul(s, g.dy(0), ops::Sign(s, g.x(0))));
}
Status SignGradient(GradContext& g) {
  return g.SetDx(0, ops::ZerosLike(g.scope(), g.x(0)));
}
Status SquareGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output x = Conjugate(s, g.x(0));
  return g.SetDx(0, ops::Mul(s, g.dy(0), ops::Add(s, x, x)));
}

constexpr const char* kSignedReals =
    "{bfloat16, half, float, double, int8, int16, int32, int64}";
constexpr const char* kSignedNumbers =
    "{bfloat16, half, float, double, int8, int16, int32, int64, complex64, "
    "complex128}";

const OpRegistrar kNeg =
    UnaryOp("Neg", kSignedNumbers, NegGradient)
        .Kernels<LS_FLOAT_TYPES, LS_SIGNED_TYPES, LS_COMPLEX_TYPES>(
            kCpu, []<class T>() { return Unary<NegFn, T>(); });
const OpRegistrar kAbs =
    UnaryOp("Abs", kSignedReals, AbsGradient)
        .Kernels<LS_FLOAT_TYPES, LS_SIGNED_TYPES>(
            kCpu, []<class T>() { return Unary<AbsFn, T>(); });
const OpRegistrar kSign =
    UnaryOp("Sign", kSignedNumbers, SignGradient)
        .Kernels<LS_FLOAT_TYPES, LS_SIGNED_TYPES, LS_COMPLEX_TYPES>(
            kCpu, []<class T>() { return Unary<SignFn, T>(); });
const OpRegistrar kSquare = UnaryOp("Square", "numbertype", SquareGradient)
                                .Kernels<LS_NUMBER_TYPES>(kCpu, []<class T>() {
                                  return Unary<SquareFn, T>();
                                });
const OpRegistrar kFloor = UnaryOp("Floor", "floattype", nullptr)
                               .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
                                 return Unary<FloorFn, T>();
                               });
const OpRegistrar kCeil = UnaryOp("Ceil", "floattype", nullptr)
                              .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
                                return Unary<CeilFn, T>();
                              });
const OpRegistrar kRint = UnaryOp("Rint", "floattype", nullptr)
                              .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
                                return Unary<RintFn, T>();
                              });
const OpRegistrar kRound =
    UnaryOp("Round", kSignedNumbers, nullptr)
        .Kernels<LS_FLOAT_TYPES, LS_SIGNED_TYPES>(
            kCpu, []<class T>() { return Unary<RintFn, T>(); });
const OpRegistrar kIsNan = UnaryOp("IsNan", "floattype", nullptr, "bool")
                               .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
                                 return Unary<IsNanFn, T, bool>();
                               });
const OpRegistrar kIsInf = UnaryOp("IsInf", "floattype", nullptr, "bool")
                               .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
                                 return Unary<IsInfFn, T, bool>();
                               });
const OpRegistrar kIsFinite = UnaryOp("IsFinite", "floattype", nullptr, "bool")
                                  .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
                                    return Unary<IsFiniteFn, T, bool>();
                                  });

}  // namespace

namespace ops {

#define LS_UNARY_BUILDER(Name)                      \
  Output Name(const Scope& scope, const Input& x) { \
    return scope.Op(#Name).In(x).Out();             \
  }
LS_UNARY_BUILDER(Neg)
LS_UNARY_BUILDER(Abs)
LS_UNARY_BUILDER(Sign)
LS_UNARY_BUILDER(Square)
LS_UNARY_BUILDER(Floor)
LS_UNARY_BUILDER(Ceil)
LS_UNARY_BUILDER(Rint)
LS_UNARY_BUILDER(Round)
LS_UNARY_BUILDER(IsNan)
LS_UNARY_BUILDER(IsInf)
LS_UNARY_BUILDER(IsFinite)
#undef LS_UNARY_BUILDER

}  // namespace ops
}  // namespace lockstep
