// SPDX-License-Identifier: Apache-2.0
#pragma once

// Element-wise kernels from functors; for authors of ops. A functor has
//   template <class T> static R Apply(T x);        or  Apply(T a, T b);
// and may refuse operands beforehand (integer division by zero):
//   template <class T> static Status Check(const T* b, int64_t n);
//
//   struct SubFn {
//     template <class T> static T Apply(T a, T b) {
//       using C = ArithmeticType<T>;
//       return static_cast<T>(static_cast<C>(a) - static_cast<C>(b));
//     }
//   };
//   .Kernels<LS_REAL_TYPES>(kCpu, []<class T>() { return Binary<SubFn, T>(); })
//
// The kernels of Binary() and Unary() can be fused with their neighbours
// (runtime/op/element_rule.h). A binary functor whose results may depend on
// their place in the array, as those of vector functions may, says so:
//   static constexpr bool kByPlace = true;
//
// 16-bit floats are made floats a block at a time and rounded once: a functor
// computes in float and its Apply<Half>(x) is Half(Apply<float>(x)).
// Functors stand in unnamed namespaces, so that each file's loops are its own.
// Loops may run in place: every element is read before it is written.

#include <cmath>
#include <complex>
#include <cstdint>
#include <type_traits>

#include "ops/math/broadcast.h"
#include "runtime/core/float16_arrays.h"
#include "runtime/core/simd.h"
#include "runtime/op/element_rule.h"
#include "runtime/op/kernel.h"
#include "runtime/op/shape_context.h"

// The C++ types of the "numbertype", "realnumbertype" and "floattype"
// attributes.
#define LS_FLOAT_TYPES float, double, Half, BFloat16
#define LS_SIGNED_TYPES int8_t, int16_t, int32_t, int64_t
#define LS_INTEGER_TYPES LS_SIGNED_TYPES, uint8_t, uint16_t, uint32_t, uint64_t
#define LS_REAL_TYPES LS_FLOAT_TYPES, LS_INTEGER_TYPES
#define LS_COMPLEX_TYPES std::complex<float>, std::complex<double>
#define LS_NUMBER_TYPES LS_REAL_TYPES, LS_COMPLEX_TYPES

namespace lockstep {

template <class T>
inline constexpr bool kIsFloat = std::is_floating_point_v<T> || kIsFloat16<T>;
template <class T>
inline constexpr bool kIsComplex = std::is_same_v<T, std::complex<float>> ||
                                   std::is_same_v<T, std::complex<double>>;

namespace detail {
template <class T>
struct ArithmeticTypeOf {
  using type =
      std::conditional_t<(sizeof(T) < 4), uint32_t,
                         std::make_unsigned_t<std::conditional_t<
                             std::is_same_v<T, bool>, unsigned char, T>>>;
};
template <>
struct ArithmeticTypeOf<float> {
  using type = float;
};
template <>
struct ArithmeticTypeOf<double> {
  using type = double;
};
template <class F>
struct ArithmeticTypeOf<std::complex<F>> {
  using type = std::complex<F>;
};
template <>
struct ArithmeticTypeOf<Half> {
  using type = float;
};
template <>
struct ArithmeticTypeOf<BFloat16> {
  using type = float;
};
}  // namespace detail

// What T is added and multiplied in: float for the 16-bit floats, unsigned for
// integers (so that they wrap around).
template <class T>
using ArithmeticType = typename detail::ArithmeticTypeOf<T>::type;
// What T is compared and divided in.
template <class T>
using ValueType = std::conditional_t<kIsFloat16<T>, float, T>;

// The complex conjugate; of a real v, v itself.
template <class V>
V ConjOf(V v) {
  if constexpr (kIsComplex<V>) {
    return std::conj(v);
  } else {
    return v;
  }
}

// Elements worth a thread, for cheap and for transcendental functions.
inline constexpr int64_t kCheapGrain = 32768;
inline constexpr int64_t kCostlyGrain = 4096;

namespace detail {

// Types whose loops are compiled for each vector width.
template <class T>
inline constexpr bool kVectorized =
    std::is_same_v<T, float> || std::is_same_v<T, double> ||
    std::is_same_v<T, int32_t> || std::is_same_v<T, int64_t>;

template <class F, class T, class R>
LS_SIMD_CLONES void BinaryRunSimd(const T* a, int64_t step_a, const T* b,
                                  int64_t step_b, R* y, int64_t n) {
  if (step_b == 0) {
    const T vb = *b;
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) y[i] = F::template Apply<T>(a[i], vb);
  } else if (step_a == 0) {
    const T va = *a;
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) y[i] = F::template Apply<T>(va, b[i]);
  } else {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) y[i] = F::template Apply<T>(a[i], b[i]);
  }
}

// A block's results, rounded where they are of the operands' type.
template <class T, class R, class F>
void WriteFloat16Block(R* y, int64_t n, const F& run) {
  if constexpr (std::is_same_v<R, T>) {
    float results[kFloat16Block];
    run(static_cast<float*>(results));
    Convert(results, y, n);
  } else {
    run(y);
  }
}

template <class F, class T, class R>
void BinaryRunFloat16(const T* a, int64_t step_a, const T* b, int64_t step_b,
                      R* y, int64_t n) {
  using FloatR = std::conditional_t<std::is_same_v<R, T>, float, R>;
  float room_a[kFloat16Block], room_b[kFloat16Block];
  for (int64_t i = 0; i < n; i += kFloat16Block) {
    const int64_t m = std::min(kFloat16Block, n - i);
    if (step_a != 0 || i == 0)
      Convert(a + i * step_a, room_a, step_a == 0 ? 1 : m);
    if (step_b != 0 || i == 0)
      Convert(b + i * step_b, room_b, step_b == 0 ? 1 : m);
    WriteFloat16Block<T>(y + i, m, [&](FloatR* results) {
      BinaryRunSimd<F, float, FloatR>(room_a, step_a, room_b, step_b, results,
                                      m);
    });
  }
}

template <class F, class T, class R>
void BinaryRun(const T* a, int64_t step_a, const T* b, int64_t step_b, R* y,
               int64_t n) {
  if constexpr (kIsFloat16<T>) {
    BinaryRunFloat16<F, T, R>(a, step_a, b, step_b, y, n);
  } else if constexpr (kVectorized<T>) {
    BinaryRunSimd<F, T, R>(a, step_a, b, step_b, y, n);
  } else {
    for (int64_t i = 0; i < n; ++i) {
      y[i] = F::template Apply<T>(a[i * step_a], b[i * step_b]);
    }
  }
}

template <class F, class T, class R>
LS_SIMD_CLONES void UnaryRunSimd(const T* x, R* y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = F::template Apply<T>(x[i]);
}

template <class F, class T, class R>
void UnaryRun(const T* x, R* y, int64_t n) {
  if constexpr (kIsFloat16<T>) {
    using FloatR = std::conditional_t<std::is_same_v<R, T>, float, R>;
    ForFloatBlocks(x, n, [&](const float* block, int64_t first, int64_t m) {
      WriteFloat16Block<T>(y + first, m, [&](FloatR* results) {
        UnaryRunSimd<F, float, FloatR>(block, results, m);
      });
    });
  } else if constexpr (kVectorized<T>) {
    UnaryRunSimd<F, T, R>(x, y, n);
  } else {
    for (int64_t i = 0; i < n; ++i) y[i] = F::template Apply<T>(x[i]);
  }
}

// The same loops, as fused kernels call them.
template <class F, class T, class R>
void BinaryElements(const void* a, const void* b, const void*, void* y,
                    int64_t n) {
  BinaryRun<F, T, R>(static_cast<const T*>(a), 1, static_cast<const T*>(b), 1,
                     static_cast<R*>(y), n);
}
template <class F, class T, class R>
void UnaryElements(const void* x, const void*, const void*, void* y,
                   int64_t n) {
  UnaryRun<F, T, R>(static_cast<const T*>(x), static_cast<R*>(y), n);
}

}  // namespace detail

// State: how inputs 0 and 1 spread over output 0.
inline Status PrepareBinary(PrepareContext& c) {
  const Shape shapes[] = {c.input_shape(0), c.input_shape(1)};
  c.MakeState<BroadcastWalk>(shapes, c.output_shape(0));
  return Ok();
}

template <class F, class T>
concept ChecksSecond = requires(const T* b, int64_t n) {
  { F::template Check<T>(b, n) } -> std::same_as<Status>;
};

namespace detail {
// Refuses no operand and depends on it alone.
template <class F, class T>
constexpr bool Fusable() {
  if constexpr (requires { F::kByPlace; }) return !F::kByPlace;
  return !(ChecksSecond<F, T> && std::is_integral_v<T>);
}
// Of an element, in additions.
constexpr int CostOf(int64_t grain) { return grain < kCheapGrain ? 8 : 1; }
}  // namespace detail

template <class F, class T, class R, int64_t kGrain>
Status RunBinary(KernelContext& k) {
  const BroadcastWalk& w = k.state<BroadcastWalk>();
  const T* a = k.in<T>(0);
  const T* b = k.in<T>(1);
  R* y = k.out<R>(0);
  if constexpr (ChecksSecond<F, T>) {
    if (w.size() > 0) {
      LS_RETURN_IF_ERROR(F::template Check<T>(b, k.input(1).NumElements()));
    }
  }
  w.ForRuns(kGrain, [&](int64_t at, const int64_t* from, int64_t n) {
    detail::BinaryRun<F, T, R>(a + from[0], w.step(0), b + from[1], w.step(1),
                               y + at, n);
  });
  return Ok();
}

template <class F, class T, class R, int64_t kGrain>
Status RunUnary(KernelContext& k) {
  const T* x = k.in<T>(0);
  R* y = k.out<R>(0);
  const int64_t n = k.input(0).NumElements();
  if (n <= kGrain) {
    detail::UnaryRun<F, T, R>(x, y, n);
  } else {
    ParallelFor(n, kGrain, [&](int64_t begin, int64_t end) {
      detail::UnaryRun<F, T, R>(x + begin, y + begin, end - begin);
    });
  }
  return Ok();
}

// A kernel of y[i] = F(a[i], b[i]) with broadcasting.
template <class F, class T, class R = T, int64_t kGrain = kCheapGrain>
KernelDef Binary() {
  if constexpr (detail::Fusable<F, T>()) {
    AddElementRule(RunBinary<F, T, R, kGrain>,
                   {.run = detail::BinaryElements<F, T, R>,
                    .cost = detail::CostOf(kGrain)});
  }
  return {RunBinary<F, T, R, kGrain>, PrepareBinary};
}
// A kernel of y[i] = F(x[i]).
template <class F, class T, class R = T, int64_t kGrain = kCheapGrain>
KernelDef Unary() {
  AddElementRule(
      RunUnary<F, T, R, kGrain>,
      {.run = detail::UnaryElements<F, T, R>, .cost = detail::CostOf(kGrain)});
  return {RunUnary<F, T, R, kGrain>};
}

// The registration of y = f(x) or z = f(x, y), but for its kernels: `types` are
// attribute T's, `gradient` null for none, `result` the output's dtype.
inline OpBuilder UnaryOp(const char* name, std::string_view types,
                         GradientFn gradient, std::string_view result = "T") {
  OpBuilder b(name);
  b.Input("x: T").Output(StrCat("y: ", result)).Attr(StrCat("T: ", types));
  b.Shape(UnchangedShape);
  if (result == "T") b.InPlace(0, 0);
  return gradient != nullptr ? b.Gradient(gradient) : b.NoGradient();
}
inline OpBuilder BinaryOp(const char* name, std::string_view types,
                          GradientFn gradient, std::string_view result = "T") {
  OpBuilder b(name);
  b.Input("x: T").Input("y: T").Output(StrCat("z: ", result));
  b.Attr(StrCat("T: ", types)).Shape(BroadcastShape);
  if (result == "T") b.InPlace(0, 0).InPlace(0, 1);
  return gradient != nullptr ? b.Gradient(gradient) : b.NoGradient();
}

}  // namespace lockstep
