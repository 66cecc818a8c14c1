// SPDX-License-Identifier: Apache-2.0
#pragma once

// Activations and their gradients on one element: functors with
// Apply(x) or Apply(a, b), for kernels of the CPU (see elementwise.h) and of
// GPUs. Local to each file, so that its loops are its own.

#include "ops/math/elementwise.h"
#include "ops/math/scalar_math.h"
#include "runtime/core/host_device.h"

namespace lockstep {
namespace {

// Selu's constants: Klambauer et al., "Self-normalizing neural networks".
constexpr double kSeluScale = 1.0507009873554804934193349852946;
constexpr double kSeluScaleAlpha = 1.7580993408473768599402175208123;

struct ReluFn {  // NaN stays NaN
  template <class T>
  LS_HOST_DEVICE static T Apply(T x) {
    const ValueType<T> v = x;
    return v <= 0 ? T(0) : x;
  }
};

struct ReluGradFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T dy, T y) {
    const ValueType<T> v = y;
    return v > 0 ? dy : T(0);
  }
};

struct Relu6Fn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T x) {
    const ValueType<T> v = x;
    return v <= 0 ? T(0) : v > 6 ? T(6) : x;
  }
};

struct Relu6GradFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T dy, T y) {
    const ValueType<T> v = y;
    return v > 0 && v < 6 ? dy : T(0);
  }
};

struct EluFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T x) {
    const T e = vm::Expm1(x < 0 ? x : T(0));
    return x < 0 ? e : x;
  }
};

struct EluGradFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T dy, T y) {
    const ValueType<T> v = y, d = dy;
    return T(v < 0 ? (v + 1) * d : d);
  }
};

struct SeluFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T x) {
    const T e = vm::Expm1(x < 0 ? x : T(0));
    return x < 0 ? T(kSeluScaleAlpha) * e : T(kSeluScale) * x;
  }
};

struct SeluGradFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T dy, T y) {
    using V = ValueType<T>;
    const V v = y, d = dy;
    return T(v < 0 ? d * (v + V(kSeluScaleAlpha)) : d * V(kSeluScale));
  }
};

struct SoftplusFn {  // max(x, 0) + log(1 + exp(-|x|)): no overflow
  template <class T>
  LS_HOST_DEVICE static T Apply(T x) {
    const T tail = vm::Log1p(vm::Exp(x < 0 ? x : -x));
    return (x > 0 ? x : T(0)) + tail;
  }
};

struct SoftplusGradFn {  // dy / (1 + exp(-x))
  static constexpr bool kByPlace = true;
  template <class T>
  LS_HOST_DEVICE static T Apply(T dy, T x) {
    using V = ValueType<T>;
    return T(V(dy) / (V(1) + vm::Exp(-V(x))));
  }
};

struct SoftsignFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T x) {
    const ValueType<T> v = x;
    return T(v / (1 + (v < 0 ? -v : v)));
  }
};

struct SoftsignGradFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T dy, T x) {
    const ValueType<T> v = x, d = dy, s = 1 + (v < 0 ? -v : v);
    return T(d / (s * s));
  }
};

}  // namespace
}  // namespace lockstep
