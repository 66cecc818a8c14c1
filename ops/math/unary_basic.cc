// SPDX-License-Identifier: Apache-2.0

// Neg, Abs, Sign, Square, Floor, Ceil, Round, Rint, IsNan, IsInf, IsFinite.
//   x: signed numbers (Floor, Ceil, Rint, Is*: floats)   y: same shape
// Integers wrap around. Sign of NaN is 0. Round and Rint go to the even
// neighbour from a half. Gradients: Neg: -dy; Abs: dy * sign(x); Sign: 0;
// Square: dy * 2x; the others are steps and have none.

#include "ops/array/array.h"
#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

struct NegFn {
  template <class T>
  static T Apply(T x) {
    if constexpr (kIsFloat<T>) {
      return T(-static_cast<ValueType<T>>(x));
    } else {
      using C = ArithmeticType<T>;
      return static_cast<T>(C{0} - static_cast<C>(x));
    }
  }
};
struct AbsFn {
  template <class T>
  static T Apply(T x) {
    if constexpr (kIsFloat<T>) {
      return T(std::abs(static_cast<ValueType<T>>(x)));
    } else {
      return x < 0 ? NegFn::Apply<T>(x) : x;
    }
  }
};
struct SignFn {
  template <class T>
  static T Apply(T x) {
    const ValueType<T> v = x;
    return static_cast<T>(
        static_cast<float>(static_cast<int>(v > 0) - static_cast<int>(v < 0)));
  }
};
struct SquareFn {
  template <class T>
  static T Apply(T x) {
    const auto v = static_cast<ArithmeticType<T>>(x);
    return static_cast<T>(v * v);
  }
};
struct FloorFn {
  template <class T>
  static T Apply(T x) {
    return T(std::floor(static_cast<ValueType<T>>(x)));
  }
};
struct CeilFn {
  template <class T>
  static T Apply(T x) {
    return T(std::ceil(static_cast<ValueType<T>>(x)));
  }
};
struct RintFn {
  template <class T>
  static T Apply(T x) {
    if constexpr (kIsFloat<T>) {
      return T(std::rint(static_cast<ValueType<T>>(x)));
    } else {
      return x;
    }
  }
};
struct IsNanFn {
  template <class T>
  static bool Apply(T x) {
    const ValueType<T> v = x;
    return v != v;
  }
};
struct IsInfFn {
  template <class T>
  static bool Apply(T x) {
    using V = ValueType<T>;
    return std::abs(static_cast<V>(x)) == std::numeric_limits<V>::infinity();
  }
};
struct IsFiniteFn {
  template <class T>
  static bool Apply(T x) {
    using V = ValueType<T>;
    return std::abs(static_cast<V>(x)) <= std::numeric_limits<V>::max();
  }
};

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
  return g.SetDx(0, ops::Mul(s, g.dy(0), ops::Mul(s, 2.0f, g.x(0))));
}

constexpr const char* kSignedNumbers =
    "T: {bfloat16, half, float, double, int8, int16, int32, int64}";

LOCKSTEP_OP("Neg")
    .Input("x: T")
    .Output("y: T")
    .Attr(kSignedNumbers)
    .Shape(UnchangedShape)
    .Gradient(NegGradient)
    .InPlace(0, 0)
    .Kernels<LS_FLOAT_TYPES, LS_SIGNED_TYPES>(kCpu, []<class T>() {
      return Unary<NegFn, T>();
    });
LOCKSTEP_OP("Abs")
    .Input("x: T")
    .Output("y: T")
    .Attr(kSignedNumbers)
    .Shape(UnchangedShape)
    .Gradient(AbsGradient)
    .InPlace(0, 0)
    .Kernels<LS_FLOAT_TYPES, LS_SIGNED_TYPES>(kCpu, []<class T>() {
      return Unary<AbsFn, T>();
    });
LOCKSTEP_OP("Sign")
    .Input("x: T")
    .Output("y: T")
    .Attr(kSignedNumbers)
    .Shape(UnchangedShape)
    .Gradient(SignGradient)
    .InPlace(0, 0)
    .Kernels<LS_FLOAT_TYPES, LS_SIGNED_TYPES>(kCpu, []<class T>() {
      return Unary<SignFn, T>();
    });
LOCKSTEP_OP("Square")
    .Input("x: T")
    .Output("y: T")
    .Attr("T: realnumbertype")
    .Shape(UnchangedShape)
    .Gradient(SquareGradient)
    .InPlace(0, 0)
    .Kernels<LS_REAL_TYPES>(kCpu,
                            []<class T>() { return Unary<SquareFn, T>(); });
LOCKSTEP_OP("Floor")
    .Input("x: T")
    .Output("y: T")
    .Attr("T: floattype")
    .Shape(UnchangedShape)
    .NoGradient()
    .InPlace(0, 0)
    .Kernels<LS_FLOAT_TYPES>(kCpu,
                             []<class T>() { return Unary<FloorFn, T>(); });
LOCKSTEP_OP("Ceil")
    .Input("x: T")
    .Output("y: T")
    .Attr("T: floattype")
    .Shape(UnchangedShape)
    .NoGradient()
    .InPlace(0, 0)
    .Kernels<LS_FLOAT_TYPES>(kCpu,
                             []<class T>() { return Unary<CeilFn, T>(); });
LOCKSTEP_OP("Rint")
    .Input("x: T")
    .Output("y: T")
    .Attr("T: floattype")
    .Shape(UnchangedShape)
    .NoGradient()
    .InPlace(0, 0)
    .Kernels<LS_FLOAT_TYPES>(kCpu,
                             []<class T>() { return Unary<RintFn, T>(); });
LOCKSTEP_OP("Round")
    .Input("x: T")
    .Output("y: T")
    .Attr(kSignedNumbers)
    .Shape(UnchangedShape)
    .NoGradient()
    .InPlace(0, 0)
    .Kernels<LS_FLOAT_TYPES, LS_SIGNED_TYPES>(kCpu, []<class T>() {
      return Unary<RintFn, T>();
    });
LOCKSTEP_OP("IsNan")
    .Input("x: T")
    .Output("y: bool")
    .Attr("T: floattype")
    .Shape(UnchangedShape)
    .NoGradient()
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return Unary<IsNanFn, T, bool>();
    });
LOCKSTEP_OP("IsInf")
    .Input("x: T")
    .Output("y: bool")
    .Attr("T: floattype")
    .Shape(UnchangedShape)
    .NoGradient()
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return Unary<IsInfFn, T, bool>();
    });
LOCKSTEP_OP("IsFinite")
    .Input("x: T")
    .Output("y: bool")
    .Attr("T: floattype")
    .Shape(UnchangedShape)
    .NoGradient()
    .Kernels<LS_FLOAT_TYPES>(kCpu, []<class T>() {
      return Unary<IsFiniteFn, T, bool>();
    });

}  // namespace

namespace ops {

Output Neg(const Scope& scope, const Input& x) {
  return scope.Op("Neg").In(x).Out();
}
Output Abs(const Scope& scope, const Input& x) {
  return scope.Op("Abs").In(x).Out();
}
Output Sign(const Scope& scope, const Input& x) {
  return scope.Op("Sign").In(x).Out();
}
Output Square(const Scope& scope, const Input& x) {
  return scope.Op("Square").In(x).Out();
}
Output Floor(const Scope& scope, const Input& x) {
  return scope.Op("Floor").In(x).Out();
}
Output Ceil(const Scope& scope, const Input& x) {
  return scope.Op("Ceil").In(x).Out();
}
Output Rint(const Scope& scope, const Input& x) {
  return scope.Op("Rint").In(x).Out();
}
Output Round(const Scope& scope, const Input& x) {
  return scope.Op("Round").In(x).Out();
}
Output IsNan(const Scope& scope, const Input& x) {
  return scope.Op("IsNan").In(x).Out();
}
Output IsInf(const Scope& scope, const Input& x) {
  return scope.Op("IsInf").In(x).Out();
}
Output IsFinite(const Scope& scope, const Input& x) {
  return scope.Op("IsFinite").In(x).Out();
}

}  // namespace ops
}  // namespace lockstep
