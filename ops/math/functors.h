// SPDX-License-Identifier: Apache-2.0
#pragma once

// The arithmetic of element-wise ops on one element: functors with
// Apply(x) or Apply(a, b), for kernels of the CPU (see elementwise.h) and of
// GPUs. Local to each file, so that its loops are its own.

#include <cmath>
#include <limits>

#include "ops/math/elementwise.h"
#include "runtime/core/host_device.h"

namespace lockstep {
namespace {

struct AddFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T a, T b) {
    using C = ArithmeticType<T>;
    return static_cast<T>(static_cast<C>(a) + static_cast<C>(b));
  }
};

struct SubFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T a, T b) {
    using C = ArithmeticType<T>;
    return static_cast<T>(static_cast<C>(a) - static_cast<C>(b));
  }
};

struct MulFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T a, T b) {
    using C = ArithmeticType<T>;
    return static_cast<T>(static_cast<C>(a) * static_cast<C>(b));
  }
};

struct SquaredDifferenceFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T a, T b) {
    using C = ArithmeticType<T>;
    const C d = static_cast<C>(static_cast<C>(a) - static_cast<C>(b));
    if constexpr (kIsComplex<T>) {
      return std::conj(d) * d;
    } else {
      return static_cast<T>(d * d);
    }
  }
};

struct NegFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T x) {
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
  LS_HOST_DEVICE static T Apply(T x) {
    if constexpr (kIsFloat<T>) {
      return T(std::abs(static_cast<ValueType<T>>(x)));
    } else {
      return x < 0 ? NegFn::Apply<T>(x) : x;
    }
  }
};

struct SignFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T x) {
    const ValueType<T> v = x;
    if constexpr (kIsComplex<T>) {
      return v == T{} ? T{} : v / std::abs(v);
    } else if constexpr (kIsFloat<T>) {
      return v != v ? x
                    : static_cast<T>(static_cast<float>(
                          static_cast<int>(v > 0) - static_cast<int>(v < 0)));
    } else {
      return static_cast<T>(static_cast<int>(v > 0) - static_cast<int>(v < 0));
    }
  }
};

struct SquareFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T x) {
    const auto v = static_cast<ArithmeticType<T>>(x);
    return static_cast<T>(v * v);
  }
};

struct FloorFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T x) {
    return T(std::floor(static_cast<ValueType<T>>(x)));
  }
};

struct CeilFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T x) {
    return T(std::ceil(static_cast<ValueType<T>>(x)));
  }
};

struct RintFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T x) {
    if constexpr (kIsFloat<T>) {
      return T(std::rint(static_cast<ValueType<T>>(x)));
    } else {
      return x;
    }
  }
};

struct IsNanFn {
  template <class T>
  LS_HOST_DEVICE static bool Apply(T x) {
    const ValueType<T> v = x;
    return v != v;
  }
};

struct IsInfFn {
  template <class T>
  LS_HOST_DEVICE static bool Apply(T x) {
    using V = ValueType<T>;
    return std::abs(static_cast<V>(x)) == std::numeric_limits<V>::infinity();
  }
};

struct IsFiniteFn {
  template <class T>
  LS_HOST_DEVICE static bool Apply(T x) {
    using V = ValueType<T>;
    return std::abs(static_cast<V>(x)) <= std::numeric_limits<V>::max();
  }
};

struct SqrtFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T x) {
    return T(std::sqrt(static_cast<ValueType<T>>(x)));
  }
};

struct RsqrtFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T x) {
    using V = ValueType<T>;
    return T(V{1} / std::sqrt(static_cast<V>(x)));
  }
};

struct ReciprocalFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T x) {
    using V = ValueType<T>;
    if constexpr (std::is_integral_v<T>) {
      return x == 1 || x == -1 ? x : T{0};
    } else {
      return T(V{1} / static_cast<V>(x));
    }
  }
};

// The complex conjugate; of a real v, v itself.
template <class V>
LS_HOST_DEVICE V ConjugateOf(V v) {
  if constexpr (kIsComplex<V>) {
    return std::conj(v);
  } else {
    return v;
  }
}
struct SqrtGradFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T y, T dy) {
    using V = ValueType<T>;
    return T(V(0.5f) * static_cast<V>(dy) / ConjugateOf(static_cast<V>(y)));
  }
};

struct RsqrtGradFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T y, T dy) {
    using V = ValueType<T>;
    const V v = ConjugateOf(static_cast<V>(y));
    return T(V(-0.5f) * static_cast<V>(dy) * v * v * v);
  }
};

struct ReciprocalGradFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T y, T dy) {
    using V = ValueType<T>;
    const V v = ConjugateOf(static_cast<V>(y));
    return T(-static_cast<V>(dy) * v * v);
  }
};

struct MaximumFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T a, T b) {
    const ValueType<T> x = a, y = b;
    if constexpr (kIsFloat<T>) {
      return static_cast<int>(x > y) | static_cast<int>(x != x) ? a : b;
    } else {
      return x > y ? a : b;
    }
  }
};

struct MinimumFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T a, T b) {
    const ValueType<T> x = a, y = b;
    if constexpr (kIsFloat<T>) {
      return static_cast<int>(x < y) | static_cast<int>(x != x) ? a : b;
    } else {
      return x < y ? a : b;
    }
  }
};

struct TanhGradFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T y, T dy) {
    using V = ValueType<T>;
    const V v = y;
    return T(static_cast<V>(dy) * (V(1) - v * v));
  }
};

struct SigmoidGradFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T y, T dy) {
    using V = ValueType<T>;
    const V v = y;
    return T(static_cast<V>(dy) * v * (V(1) - v));
  }
};

struct EqualFn {
  template <class T>
  LS_HOST_DEVICE static bool Apply(const T& a, const T& b) {
    return static_cast<const ValueType<T>&>(a) ==
           static_cast<const ValueType<T>&>(b);
  }
};

struct NotEqualFn {
  template <class T>
  LS_HOST_DEVICE static bool Apply(const T& a, const T& b) {
    return static_cast<const ValueType<T>&>(a) !=
           static_cast<const ValueType<T>&>(b);
  }
};

struct LessFn {
  template <class T>
  LS_HOST_DEVICE static bool Apply(T a, T b) {
    return static_cast<ValueType<T>>(a) < static_cast<ValueType<T>>(b);
  }
};

struct LessEqualFn {
  template <class T>
  LS_HOST_DEVICE static bool Apply(T a, T b) {
    return static_cast<ValueType<T>>(a) <= static_cast<ValueType<T>>(b);
  }
};

struct GreaterFn {
  template <class T>
  LS_HOST_DEVICE static bool Apply(T a, T b) {
    return static_cast<ValueType<T>>(a) > static_cast<ValueType<T>>(b);
  }
};

struct GreaterEqualFn {
  template <class T>
  LS_HOST_DEVICE static bool Apply(T a, T b) {
    return static_cast<ValueType<T>>(a) >= static_cast<ValueType<T>>(b);
  }
};

struct AndFn {
  template <class T>
  LS_HOST_DEVICE static bool Apply(T a, T b) {
    return static_cast<bool>(static_cast<int>(a) & static_cast<int>(b));
  }
};

struct OrFn {
  template <class T>
  LS_HOST_DEVICE static bool Apply(T a, T b) {
    return static_cast<bool>(static_cast<int>(a) | static_cast<int>(b));
  }
};

struct NotFn {
  template <class T>
  LS_HOST_DEVICE static bool Apply(T a) {
    return !a;
  }
};

}  // namespace
}  // namespace lockstep
