// SPDX-License-Identifier: Apache-2.0
#pragma once

// Transcendental functions that vectorise; for authors of kernels.
//
// Inside a loop marked `omp simd` a call becomes one of the C library's vector
// functions (glibc's libmvec: at most 4 ulp off, NaN, infinities and denormals
// as the scalar functions), outside one it is the scalar function. The two may
// differ in the last bit; MapVector keeps each element's result independent of
// its place in the array by always taking the vector one.
//
//   struct ExpFn {
//     static float Apply(float x) { return vm::Exp(x); }
//     static double Apply(double x) { return vm::Exp(x); }
//   };
//   MapVector<ExpFn>(x, y, n);   // y may be x

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "ops/math/elementwise.h"
#include "runtime/core/simd.h"

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && \
    !defined(__clang__)
#define LS_VECTOR_FUNCTION1(Name, libm)                                       \
  extern "C"                                                                  \
      __attribute__((simd("notinbranch"), const)) float ls_vm_##libm##f(      \
          float) __asm__(#libm "f");                                          \
  extern "C" __attribute__((simd("notinbranch"), const)) double ls_vm_##libm( \
      double) __asm__(#libm);                                                 \
  namespace vm {                                                              \
  inline float Name(float x) { return ls_vm_##libm##f(x); }                   \
  inline double Name(double x) { return ls_vm_##libm(x); }                    \
  }
#define LS_VECTOR_FUNCTION2(Name, libm)                                       \
  extern "C"                                                                  \
      __attribute__((simd("notinbranch"), const)) float ls_vm_##libm##f(      \
          float, float) __asm__(#libm "f");                                   \
  extern "C" __attribute__((simd("notinbranch"), const)) double ls_vm_##libm( \
      double, double) __asm__(#libm);                                         \
  namespace vm {                                                              \
  inline float Name(float x, float y) { return ls_vm_##libm##f(x, y); }       \
  inline double Name(double x, double y) { return ls_vm_##libm(x, y); }       \
  }
#else
#define LS_VECTOR_FUNCTION1(Name, libm)                 \
  namespace vm {                                        \
  inline float Name(float x) { return std::libm(x); }   \
  inline double Name(double x) { return std::libm(x); } \
  }
#define LS_VECTOR_FUNCTION2(Name, libm)                              \
  namespace vm {                                                     \
  inline float Name(float x, float y) { return std::libm(x, y); }    \
  inline double Name(double x, double y) { return std::libm(x, y); } \
  }
#endif

namespace lockstep {

LS_VECTOR_FUNCTION1(Exp, exp)
LS_VECTOR_FUNCTION1(Expm1, expm1)
LS_VECTOR_FUNCTION1(Log, log)
LS_VECTOR_FUNCTION1(Log1p, log1p)
LS_VECTOR_FUNCTION1(Sin, sin)
LS_VECTOR_FUNCTION1(Cos, cos)
LS_VECTOR_FUNCTION1(Tan, tan)
LS_VECTOR_FUNCTION1(Asin, asin)
LS_VECTOR_FUNCTION1(Acos, acos)
LS_VECTOR_FUNCTION1(Atan, atan)
LS_VECTOR_FUNCTION1(Sinh, sinh)
LS_VECTOR_FUNCTION1(Cosh, cosh)
LS_VECTOR_FUNCTION1(Tanh, tanh)
LS_VECTOR_FUNCTION1(Asinh, asinh)
LS_VECTOR_FUNCTION1(Acosh, acosh)
LS_VECTOR_FUNCTION1(Atanh, atanh)
LS_VECTOR_FUNCTION1(Erf, erf)
LS_VECTOR_FUNCTION1(Erfc, erfc)
LS_VECTOR_FUNCTION2(Pow, pow)
LS_VECTOR_FUNCTION2(Atan2, atan2)
#undef LS_VECTOR_FUNCTION1
#undef LS_VECTOR_FUNCTION2

namespace detail {

// Requires n to be a multiple of kVectorBlock: no scalar remainder then.
inline constexpr int64_t kVectorBlock = 16;
template <class F, class T>
LS_SIMD_CLONES void MapBlocks(const T* x, T* y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = F::Apply(x[i]);
}

}  // namespace detail

// y[i] = F(x[i]) for float or double.
template <class F, class T>
void MapVector(const T* x, T* y, int64_t n) {
  constexpr int64_t kBlock = detail::kVectorBlock;
  const int64_t whole = n - n % kBlock;
  if (whole > 0) detail::MapBlocks<F, T>(x, y, whole);
  if (whole == n) return;
  T block[kBlock];
  std::fill(block, block + kBlock, T{1});
  std::copy(x + whole, x + n, block);
  detail::MapBlocks<F, T>(block, block, kBlock);
  std::copy(block, block + (n - whole), y + whole);
}

namespace detail {

template <class F, class T>
void VectorRun(const T* x, T* y, int64_t n) {
  if constexpr (kIsFloat16<T>) {
    ForFloatBlocks(x, n, [&](const float* block, int64_t first, int64_t m) {
      float results[kFloat16Block];
      MapVector<F, float>(block, results, m);
      Convert(results, y + first, m);
    });
  } else {
    MapVector<F, T>(x, y, n);
  }
}
template <class F, class T>
void VectorElements(const void* x, const void*, const void*, void* y,
                    int64_t n) {
  VectorRun<F, T>(static_cast<const T*>(x), static_cast<T*>(y), n);
}

}  // namespace detail

template <class F, class T>
Status RunVectorUnary(KernelContext& k) {
  const T* x = k.in<T>(0);
  T* y = k.out<T>(0);
  ParallelFor(k.input(0).NumElements(), kCostlyGrain,
              [&](int64_t begin, int64_t end) {
                detail::VectorRun<F, T>(x + begin, y + begin, end - begin);
              });
  return Ok();
}

// A kernel of y[i] = F(x[i]) through vector functions.
template <class F, class T>
KernelDef VectorUnary() {
  AddElementRule(RunVectorUnary<F, T>, {.run = detail::VectorElements<F, T>,
                                        .cost = detail::CostOf(kCostlyGrain)});
  return {RunVectorUnary<F, T>};
}

}  // namespace lockstep
