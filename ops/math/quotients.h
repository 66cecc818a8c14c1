// SPDX-License-Identifier: Apache-2.0
#pragma once

// The arithmetic of quotients, remainders, powers and guarded products on one
// element: functors with Apply(x) or Apply(a, b), for kernels of the CPU (see
// elementwise.h) and of GPUs. Local to each file, so that its loops are its
// own.

#include <cmath>

#include "ops/math/elementwise.h"
#include "ops/math/scalar_math.h"
#include "runtime/core/host_device.h"
#include "runtime/core/status.h"

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
  LS_HOST_DEVICE static T Quotient(T a, T b) {
    if constexpr (std::is_signed_v<T>) {
      if (b == T{-1}) {
        using C = ArithmeticType<T>;
        return static_cast<T>(C{0} - static_cast<C>(a));
      }
    }
    return static_cast<T>(a / b);
  }
  template <class T>
  LS_HOST_DEVICE static T Remainder(T a, T b) {
    if constexpr (std::is_signed_v<T>) {
      if (b == T{-1}) return T{0};
    }
    return static_cast<T>(a % b);
  }
};

struct DivFn : IntegerDivisor {
  template <class T>
  LS_HOST_DEVICE static T Apply(T a, T b) {
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
  LS_HOST_DEVICE static T Apply(T a, T b) {
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
  LS_HOST_DEVICE static T Apply(T a, T b) {
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
  LS_HOST_DEVICE static T Apply(T a, T b) {
    using C = ValueType<T>;
    const C divisor = static_cast<C>(b);
    return divisor == C{0} ? T(C{0}) : T(static_cast<C>(a) / divisor);
  }
};

struct ModFn : IntegerDivisor {
  template <class T>
  LS_HOST_DEVICE static T Apply(T a, T b) {
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
  LS_HOST_DEVICE static T Apply(T a, T b) {
    return ModFn::Apply(a, b);
  }
};

// The remainder has the divisor's sign.
struct FloorModFn : IntegerDivisor {
  template <class T>
  LS_HOST_DEVICE static T Apply(T a, T b) {
    using C = ValueType<T>;
    const C r = static_cast<C>(ModFn::Apply<T>(a, b));
    const C divisor = static_cast<C>(b);
    const bool other_sign = r != C{0} && ((r < C{0}) != (divisor < C{0}));
    return static_cast<T>(other_sign ? static_cast<C>(r + divisor) : r);
  }
};

// Apply(a, b) = a == 0 ? 0 : F(a, b), in the type that T computes in.
template <class F>
struct GuardedFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T a, T b) {
    using V = ValueType<T>;
    const V x = a;
    return x == V(0) ? T(V(0)) : T(F::Of(x, static_cast<V>(b)));
  }
};

struct Xlogy {
  template <class V>
  LS_HOST_DEVICE static V Of(V x, V y) {
    return x * std::log(y);
  }
};

struct Xlog1py {
  template <class V>
  LS_HOST_DEVICE static V Of(V x, V y) {
    if constexpr (kIsComplex<V>) {
      return x * std::log(V(1) + y);
    } else {
      return x * std::log1p(y);
    }
  }
};

struct Xdivy {
  template <class V>
  LS_HOST_DEVICE static V Of(V x, V y) {
    return x / y;
  }
};

struct MulNoNanFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T a, T b) {
    using V = ValueType<T>;
    const V y = b;
    return y == V(0) ? T(V(0)) : T(static_cast<V>(a) * y);
  }
};

struct PowFn {
  static constexpr bool kByPlace = true;
  template <class T>
  static Status Check(const T* b, int64_t n) {
    if constexpr (std::is_integral_v<T>) {
      bool negative = false;
      for (int64_t i = 0; i < n; ++i) negative |= b[i] < 0;
      if (negative) {
        return InvalidArgument(
            "Integers to negative integer powers are not allowed");
      }
    }
    return Ok();
  }
  template <class T>
  LS_HOST_DEVICE static T Apply(T a, T b) {
    if constexpr (kIsFloat16<T>) {
      return T(std::pow(static_cast<float>(a), static_cast<float>(b)));
    } else if constexpr (kIsFloat<T>) {
      return vm::Pow(a, b);
    } else if constexpr (kIsComplex<T>) {
      return std::pow(a, b);
    } else {
      using C = ArithmeticType<T>;
      C result = 1, base = static_cast<C>(a);
      for (T e = b; e > 0; e = static_cast<T>(e >> 1)) {
        if (e & 1) result *= base;
        base *= base;
      }
      return static_cast<T>(result);
    }
  }
};

struct Atan2Fn {
  static constexpr bool kByPlace = true;
  template <class T>
  LS_HOST_DEVICE static T Apply(T a, T b) {
    if constexpr (kIsFloat16<T>) {
      return T(std::atan2(static_cast<float>(a), static_cast<float>(b)));
    } else {
      return vm::Atan2(a, b);
    }
  }
};

}  // namespace
}  // namespace lockstep
