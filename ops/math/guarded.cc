// SPDX-License-Identifier: Apache-2.0

// Products that are 0 where one factor is, whatever the other: Xlogy(x, y) =
// x log y, Xlog1py = x log(1 + y), Xdivy = x / y (0 where x is 0), MulNoNan =
// x y (0 where y is 0); NextAfter: x's neighbour towards y. With broadcasting.
//   x, y: floats, the first four also complex (NextAfter: float, double)
// Gradients: Xlogy: dz log y (0 where x is 0), dz x / y, and so on; NextAfter:
// dz to x.
// ClipByValue: t brought into [min, max], scalars or of t's shape. Gradient: dz
// to t where it lies inside, elsewhere to the bound that holds it.
// ApproximateEqual: |x - y| < tolerance, for operands of one shape.

#include "ops/array/array.h"
#include "ops/math/binary_gradient.h"
#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "ops/math/quotients.h"

namespace lockstep {
namespace {

struct NextAfterFn {
  template <class T>
  static T Apply(T a, T b) {
    return std::nextafter(a, b);
  }
};

// 1 where x is not 0, else 0.
Output NotZero(const Scope& s, Output x) {
  return ops::Cast(s, ops::NotEqual(s, x, ops::ZerosLike(s, x)),
                   BaseOf(x.dtype()));
}
// dz times the slope to either operand, both conjugated.
Status SetSlopes(GradContext& g, Output slope_x, Output slope_y) {
  const Scope& s = g.scope();
  return SetBroadcastGradients(g, ops::Mul(s, g.dy(0), Conjugate(s, slope_x)),
                               ops::Mul(s, g.dy(0), Conjugate(s, slope_y)));
}

Status XlogyGradient(GradContext& g) {
  const Scope& s = g.scope();
  return SetSlopes(g, ops::Xlogy(s, NotZero(s, g.x(0)), g.x(1)),
                   ops::Xdivy(s, g.x(0), g.x(1)));
}
Status Xlog1pyGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output y1 = ops::Add(s, g.x(1), ops::OnesLike(s, g.x(1)));
  return SetSlopes(g, ops::Xlog1py(s, NotZero(s, g.x(0)), g.x(1)),
                   ops::Xdivy(s, g.x(0), y1));
}
Status XdivyGradient(GradContext& g) {
  const Scope& s = g.scope();
  return SetSlopes(g, ops::Xdivy(s, NotZero(s, g.x(0)), g.x(1)),
                   ops::Xdivy(s, ops::Neg(s, g.x(0)), ops::Square(s, g.x(1))));
}
Status MulNoNanGradient(GradContext& g) {
  const Scope& s = g.scope();
  return SetBroadcastGradients(g, ops::MulNoNan(s, g.dy(0), g.x(1)),
                               ops::MulNoNan(s, g.x(0), g.dy(0)));
}
Status NextAfterGradient(GradContext& g) {
  return SetBroadcastGradients(g, g.dy(0), ops::ZerosLike(g.scope(), g.dy(0)));
}

constexpr const char* kTypes =
    "{half, bfloat16, float, double, complex64, complex128}";

template <class F>
OpBuilder GuardedOp(const char* name, GradientFn gradient) {
  return BinaryOp(name, kTypes, gradient)
      .template Kernels<LS_FLOAT_TYPES, LS_COMPLEX_TYPES>(
          kCpu, []<class T>() { return Binary<F, T, T, kCostlyGrain>(); });
}

const OpRegistrar kXlogy = GuardedOp<GuardedFn<Xlogy>>("Xlogy", XlogyGradient);
const OpRegistrar kXlog1py =
    GuardedOp<GuardedFn<Xlog1py>>("Xlog1py", Xlog1pyGradient);
const OpRegistrar kXdivy = GuardedOp<GuardedFn<Xdivy>>("Xdivy", XdivyGradient);
const OpRegistrar kMulNoNan =
    GuardedOp<MulNoNanFn>("MulNoNan", MulNoNanGradient);
OpBuilder NextAfterOp() {
  OpBuilder b("NextAfter");
  b.Input("x1: T").Input("x2: T").Output("output: T");
  b.Attr("T: {double, float} = DT_FLOAT").Shape(BroadcastShape);
  b.Gradient(NextAfterGradient).InPlace(0, 0).InPlace(0, 1);
  return b.Kernels<float, double>(
      kCpu, []<class T>() { return Binary<NextAfterFn, T>(); });
}
const OpRegistrar kNextAfter = NextAfterOp();

Status ClipShape(ShapeContext& c) {
  for (const int i : {1, 2}) {
    const Shape& bound = c.Input(i);
    if (!bound.HasRank() || bound.NumElements() == 1 ||
        bound.IsCompatibleWith(c.Input(0))) {
      continue;
    }
    return InvalidArgument("clip_value_min and clip_value_max must be either ",
                           "of the same shape as input, or a scalar: ", bound,
                           " for ", c.Input(0));
  }
  return c.SetOutput(0, c.Input(0));
}

template <class T>
Status ClipCpu(KernelContext& k) {
  const T* x = k.in<T>(0);
  const T* low = k.in<T>(1);
  const T* high = k.in<T>(2);
  T* y = k.out<T>(0);
  const int64_t n = k.input(0).NumElements();
  const int64_t step_low = k.input(1).NumElements() == n ? 1 : 0;
  const int64_t step_high = k.input(2).NumElements() == n ? 1 : 0;
  ParallelFor(n, kCheapGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      using V = ValueType<T>;
      const V l = low[i * step_low], h = high[i * step_high];
      const V v = static_cast<V>(x[i]) > h ? h : static_cast<V>(x[i]);
      y[i] = T(v < l ? l : v);
    }
  });
  return Ok();
}

Status ClipGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output x = g.x(0), zero = ops::ZerosLike(s, g.dy(0));
  const Output below = ops::Less(s, x, g.x(1)),
               above = ops::Greater(s, x, g.x(2));
  const Output outside = ops::LogicalOr(s, below, above);
  LS_RETURN_IF_ERROR(g.SetDx(0, ops::SelectV2(s, outside, zero, g.dy(0))));
  LS_RETURN_IF_ERROR(
      g.SetDx(1, SumToShapeOf(s, ops::SelectV2(s, below, g.dy(0), zero), g.x(1),
                              x, false)));
  return g.SetDx(2, SumToShapeOf(s, ops::SelectV2(s, above, g.dy(0), zero),
                                 g.x(2), x, false));
}

LOCKSTEP_OP("ClipByValue")
    .Input("t: T")
    .Input("clip_value_min: T")
    .Input("clip_value_max: T")
    .Output("output: T")
    .Attr("T: numbertype")
    .Shape(ClipShape)
    .Gradient(ClipGradient)
    .InPlace(0, 0)
    .Kernels<LS_REAL_TYPES>(kCpu,
                            []<class T>() { return KernelDef{ClipCpu<T>}; });

template <class T>
Status ApproximateEqualCpu(KernelContext& k) {
  const double tolerance = GetOr<float>(k.attrs(), "tolerance", 1e-5f);
  const T* x = k.in<T>(0);
  const T* y = k.in<T>(1);
  for (int64_t i = 0; i < k.input(0).NumElements(); ++i) {
    if constexpr (kIsComplex<T>) {
      k.out<bool>(0)[i] = std::abs(x[i] - y[i]) < tolerance;
    } else if constexpr (kIsFloat<T>) {
      using V = ValueType<T>;
      const V d = std::abs(static_cast<V>(x[i]) - static_cast<V>(y[i]));
      k.out<bool>(0)[i] = d < static_cast<V>(tolerance);
    } else {
      const T d = static_cast<T>(x[i] > y[i] ? x[i] - y[i] : y[i] - x[i]);
      k.out<bool>(0)[i] = d < static_cast<T>(tolerance);
    }
  }
  return Ok();
}

const OpRegistrar kApproximateEqual =
    BinaryOp("ApproximateEqual", "numbertype", nullptr, "bool")
        .Attr("tolerance: float = 1e-05")
        .Shape(SameShapes)
        .Kernels<LS_NUMBER_TYPES>(
            kCpu, []<class T>() { return KernelDef{ApproximateEqualCpu<T>}; });

}  // namespace

namespace ops {

#define LS_BINARY_BUILDER(Name)                                     \
  Output Name(const Scope& scope, const Input& x, const Input& y) { \
    return scope.Op(#Name).InPair(x, y).Out();                      \
  }
LS_BINARY_BUILDER(Xlogy)
LS_BINARY_BUILDER(Xlog1py)
LS_BINARY_BUILDER(Xdivy)
LS_BINARY_BUILDER(MulNoNan)
LS_BINARY_BUILDER(NextAfter)
#undef LS_BINARY_BUILDER

Output ApproximateEqual(const Scope& scope, const Input& x, const Input& y,
                        float tolerance) {
  return scope.Op("ApproximateEqual")
      .InPair(x, y)
      .Attr("tolerance", tolerance)
      .Out();
}
Output ClipByValue(const Scope& scope, const Input& t, const Input& low,
                   const Input& high) {
  return scope.Op("ClipByValue")
      .In(t)
      .In(low.Resolve(scope, t.dtype()))
      .In(high.Resolve(scope, t.dtype()))
      .Out();
}

}  // namespace ops
}  // namespace lockstep
