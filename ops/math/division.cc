// SPDX-License-Identifier: Apache-2.0

// Div, RealDiv, TruncateDiv, FloorDiv, DivNoNan, FloorMod, Mod, TruncateMod:
// with NumPy broadcasting.
//   x, y: numbers of one dtype   z: their broadcast shape
// Div divides floats and truncates integers. An integer divided by zero is
// INVALID_ARGUMENT (TruncateDiv, TruncateMod: INTERNAL); the least integer
// divided by -1 wraps around. Gradients: Div, RealDiv: dx = dz / y, dy = dz *
// -x / y / y. FloorMod and Mod: dx = dz, dy = -dz * the integral quotient. The
// other quotients are steps.

#include "ops/math/binary_gradient.h"
#include "ops/math/elementwise.h"
#include "ops/math/math.h"
#include "runtime/op/shape_context.h"

namespace lockstep {
namespace {

// The base of functors that integers cannot divide by zero.
struct IntegerDivisor {
  template <class T>
  static Status Check(const T* b, int64_t n) {
    if constexpr (std::is_integral_v<T>) {
      bool zero = false;
      for (int64_t i = 0; i < n; ++i) zero |= b[i] == 0;
      if (zero) return InvalidArgument("Integer division by zero");
    }
    return Ok();
  }
  // a / b and a % b without the overflow of least / -1.
  template <class T>
  static T Quotient(T a, T b) {
    if constexpr (std::is_signed_v<T>) {
      if (b == T{-1}) {
        using C = ArithmeticType<T>;
        return static_cast<T>(C{0} - static_cast<C>(a));
      }
    }
    return static_cast<T>(a / b);
  }
  template <class T>
  static T Remainder(T a, T b) {
    if constexpr (std::is_signed_v<T>) {
      if (b == T{-1}) return T{0};
    }
    return static_cast<T>(a % b);
  }
};

struct DivFn : IntegerDivisor {
  template <class T>
  static T Apply(T a, T b) {
    if constexpr (!std::is_integral_v<T>) {
      return static_cast<T>(static_cast<ValueType<T>>(a) /
                            static_cast<ValueType<T>>(b));
    } else {
      return Quotient(a, b);
    }
  }
};

// TensorFlow takes the same mistake in these two ops for one of its own.
struct TruncatingDivisor {
  template <class T>
  static Status Check(const T* b, int64_t n) {
    if (IntegerDivisor::Check(b, n).ok()) return Ok();
    return Internal("Integer division by zero");
  }
};

struct TruncateDivFn : TruncatingDivisor {
  template <class T>
  static T Apply(T a, T b) {
    if constexpr (kIsFloat<T>) {
      return static_cast<T>(std::trunc(static_cast<ValueType<T>>(a) /
                                       static_cast<ValueType<T>>(b)));
    } else {
      return IntegerDivisor::Quotient(a, b);
    }
  }
};

struct FloorDivFn : IntegerDivisor {
  template <class T>
  static T Apply(T a, T b) {
    if constexpr (kIsFloat<T>) {
      return static_cast<T>(std::floor(static_cast<ValueType<T>>(a) /
                                       static_cast<ValueType<T>>(b)));
    } else {
      const T q = Quotient(a, b);
      const bool down = Remainder(a, b) != 0 && ((a < 0) != (b < 0));
      return static_cast<T>(q - (down ? 1 : 0));
    }
  }
};

struct DivNoNanFn {
  template <class T>
  static T Apply(T a, T b) {
    using C = ValueType<T>;
    const C divisor = static_cast<C>(b);
    return divisor == C{0} ? T(C{0}) : T(static_cast<C>(a) / divisor);
  }
};

struct ModFn : IntegerDivisor {
  template <class T>
  static T Apply(T a, T b) {
    if constexpr (kIsFloat<T>) {
      return static_cast<T>(std::fmod(static_cast<ValueType<T>>(a),
                                      static_cast<ValueType<T>>(b)));
    } else {
      return Remainder(a, b);
    }
  }
};

struct TruncateModFn : TruncatingDivisor {
  template <class T>
  static T Apply(T a, T b) {
    return ModFn::Apply(a, b);
  }
};

// The remainder has the divisor's sign.
struct FloorModFn : IntegerDivisor {
  template <class T>
  static T Apply(T a, T b) {
    using C = ValueType<T>;
    const C r = static_cast<C>(ModFn::Apply<T>(a, b));
    const C divisor = static_cast<C>(b);
    const bool other_sign = r != C{0} && ((r < C{0}) != (divisor < C{0}));
    return static_cast<T>(other_sign ? static_cast<C>(r + divisor) : r);
  }
};

Status DivGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output x = Conjugate(s, g.x(0)), y = Conjugate(s, g.x(1));
  const Output slope = ops::Div(s, ops::Div(s, ops::Neg(s, x), y), y);
  return SetBroadcastGradients(g, ops::Div(s, g.dy(0), y),
                               ops::Mul(s, g.dy(0), slope));
}

Status RealDivGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output x = Conjugate(s, g.x(0)), y = Conjugate(s, g.x(1));
  const Output slope = ops::RealDiv(s, ops::RealDiv(s, ops::Neg(s, x), y), y);
  return SetBroadcastGradients(g, ops::RealDiv(s, g.dy(0), y),
                               ops::Mul(s, g.dy(0), slope));
}

Status DivNoNanGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output x = Conjugate(s, g.x(0)), y = Conjugate(s, g.x(1));
  const Output slope = ops::DivNoNan(s, ops::DivNoNan(s, ops::Neg(s, x), y), y);
  return SetBroadcastGradients(g, ops::DivNoNan(s, g.dy(0), y),
                               ops::Mul(s, g.dy(0), slope));
}

Status FloorModGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output q = ops::Neg(s, ops::FloorDiv(s, g.x(0), g.x(1)));
  return SetBroadcastGradients(g, g.dy(0), ops::Mul(s, g.dy(0), q));
}

Status TruncateModGradient(GradContext& g) {
  const Scope& s = g.scope();
  const Output q = ops::Neg(s, ops::TruncateDiv(s, g.x(0), g.x(1)));
  return SetBroadcastGradients(g, g.dy(0), ops::Mul(s, g.dy(0), q));
}

const OpRegistrar kDiv = BinaryOp("Div", "numbertype", DivGradient)
                             .Kernels<LS_NUMBER_TYPES>(kCpu, []<class T>() {
                               return Binary<DivFn, T>();
                             });
const OpRegistrar kRealDiv = BinaryOp("RealDiv", "numbertype", RealDivGradient)
                                 .Kernels<LS_NUMBER_TYPES>(kCpu, []<class T>() {
                                   return Binary<DivFn, T>();
                                 });
const OpRegistrar kTruncateDiv =
    BinaryOp("TruncateDiv", "numbertype", nullptr)
        .Kernels<LS_REAL_TYPES>(
            kCpu, []<class T>() { return Binary<TruncateDivFn, T>(); });
const OpRegistrar kFloorDiv = BinaryOp("FloorDiv", "numbertype", nullptr)
                                  .Kernels<LS_REAL_TYPES>(kCpu, []<class T>() {
                                    return Binary<FloorDivFn, T>();
                                  });
const OpRegistrar kDivNoNan =
    BinaryOp("DivNoNan",
             "{half, float, bfloat16, double, complex64, complex128}",
             DivNoNanGradient)
        .Kernels<LS_FLOAT_TYPES, LS_COMPLEX_TYPES>(
            kCpu, []<class T>() { return Binary<DivNoNanFn, T>(); });
const OpRegistrar kFloorMod =
    BinaryOp("FloorMod", "realnumbertype", FloorModGradient)
        .Kernels<LS_REAL_TYPES>(
            kCpu, []<class T>() { return Binary<FloorModFn, T>(); });
const OpRegistrar kMod = BinaryOp("Mod", "realnumbertype", TruncateModGradient)
                             .Kernels<LS_REAL_TYPES>(kCpu, []<class T>() {
                               return Binary<ModFn, T>();
                             });
const OpRegistrar kTruncateMod =
    BinaryOp("TruncateMod", "realnumbertype", TruncateModGradient)
        .Kernels<LS_REAL_TYPES>(
            kCpu, []<class T>() { return Binary<TruncateModFn, T>(); });

}  // namespace

namespace ops {

Output Div(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("Div").InPair(x, y).Out();
}
Output RealDiv(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("RealDiv").InPair(x, y).Out();
}
Output FloorDiv(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("FloorDiv").InPair(x, y).Out();
}
Output TruncateDiv(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("TruncateDiv").InPair(x, y).Out();
}
Output DivNoNan(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("DivNoNan").InPair(x, y).Out();
}
Output FloorMod(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("FloorMod").InPair(x, y).Out();
}
Output Mod(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("Mod").InPair(x, y).Out();
}
Output TruncateMod(const Scope& scope, const Input& x, const Input& y) {
  return scope.Op("TruncateMod").InPair(x, y).Out();
}

}  // namespace ops
}  // namespace lockstep
