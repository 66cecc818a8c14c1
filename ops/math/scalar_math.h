// SPDX-License-Identifier: Apache-2.0
#pragma once

// vm::Exp and its like of one element: those of vector_math.h, and CUDA's where
// the compiler is CUDA's.

#ifndef __CUDACC__
#include "ops/math/vector_math.h"
#else
#include <cmath>

#include "runtime/core/host_device.h"

namespace lockstep::vm {

#define LS_SCALAR_FUNCTION(Name, function) \
  template <class T>                       \
  LS_HOST_DEVICE T Name(T x) {             \
    return ::function(x);                  \
  }
LS_SCALAR_FUNCTION(Exp, exp)
LS_SCALAR_FUNCTION(Expm1, expm1)
LS_SCALAR_FUNCTION(Log, log)
LS_SCALAR_FUNCTION(Log1p, log1p)
LS_SCALAR_FUNCTION(Sin, sin)
LS_SCALAR_FUNCTION(Cos, cos)
LS_SCALAR_FUNCTION(Tan, tan)
LS_SCALAR_FUNCTION(Asin, asin)
LS_SCALAR_FUNCTION(Acos, acos)
LS_SCALAR_FUNCTION(Atan, atan)
LS_SCALAR_FUNCTION(Sinh, sinh)
LS_SCALAR_FUNCTION(Cosh, cosh)
LS_SCALAR_FUNCTION(Tanh, tanh)
LS_SCALAR_FUNCTION(Asinh, asinh)
LS_SCALAR_FUNCTION(Acosh, acosh)
LS_SCALAR_FUNCTION(Atanh, atanh)
LS_SCALAR_FUNCTION(Erf, erf)
LS_SCALAR_FUNCTION(Erfc, erfc)
#undef LS_SCALAR_FUNCTION
template <class T>
LS_HOST_DEVICE T Pow(T x, T y) {
  return ::pow(x, y);
}
template <class T>
LS_HOST_DEVICE T Atan2(T y, T x) {
  return ::atan2(y, x);
}

}  // namespace lockstep::vm
#endif
