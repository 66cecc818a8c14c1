// SPDX-License-Identifier: Apache-2.0
#pragma once

// Transcendental functions of one element: functors with Apply(x), for kernels
// of the CPU (VectorUnary of vector_math.h) and of GPUs. Local to each file, so
// that its loops are its own. 16-bit floats are computed in float.

#include "ops/math/elementwise.h"
#include "ops/math/scalar_math.h"
#include "runtime/core/host_device.h"

namespace lockstep {
namespace {

#define LS_FUNCTOR(Name)                                \
  struct Name##Fn {                                     \
    template <class T>                                  \
    LS_HOST_DEVICE static T Apply(T x) {                \
      return T(vm::Name(static_cast<ValueType<T>>(x))); \
    }                                                   \
  }
LS_FUNCTOR(Exp);
LS_FUNCTOR(Expm1);
LS_FUNCTOR(Log);
LS_FUNCTOR(Log1p);
LS_FUNCTOR(Sin);
LS_FUNCTOR(Cos);
LS_FUNCTOR(Tan);
LS_FUNCTOR(Asin);
LS_FUNCTOR(Acos);
LS_FUNCTOR(Atan);
LS_FUNCTOR(Sinh);
LS_FUNCTOR(Cosh);
LS_FUNCTOR(Tanh);
LS_FUNCTOR(Asinh);
LS_FUNCTOR(Acosh);
LS_FUNCTOR(Atanh);
LS_FUNCTOR(Erf);
LS_FUNCTOR(Erfc);
#undef LS_FUNCTOR
// F of 16-bit floats, for functors that compute in their operand's type.
template <class F>
struct InValueType {
  template <class T>
  LS_HOST_DEVICE static T Apply(T x) {
    using V = ValueType<T>;
    return T(F::template Apply<V>(static_cast<V>(x)));
  }
};

struct SigmoidFn {
  template <class T>
  LS_HOST_DEVICE static T Apply(T x) {
    using V = ValueType<T>;
    return T(V(1) / (V(1) + vm::Exp(-static_cast<V>(x))));
  }
};

}  // namespace
}  // namespace lockstep
