// SPDX-License-Identifier: Apache-2.0

// Functions of one element and of two with broadcasting.
//   x: [...]  a, b: broadcast to y's shape

#include "ops/math/function_functors.h"
#include "ops/math/functors.h"
#include "ops/math/gpu.h"
#include "ops/math/gpu_float16.h"
#include "ops/math/gpu_index.h"
#include "ops/math/quotients.h"

namespace lockstep::gpu {
namespace {

template <class F, class R>
struct UnaryOf {
  template <class T>
  static Status Run(KernelContext& k) {
    using To = std::conditional_t<std::is_void_v<R>, T, R>;
    const T* x = k.in<T>(0);
    To* y = k.out<To>(0);
    return Each(k, k.input(0).NumElements(), [=] LS_DEVICE(int64_t i) {
      y[i] = F::template Apply<T>(x[i]);
    });
  }
};

template <class F, class R>
struct BinaryOf {
  template <class T>
  static Status Run(KernelContext& k) {
    using To = std::conditional_t<std::is_void_v<R>, T, R>;
    const BroadcastIndex<2> at = k.state<BroadcastIndex<2>>();
    const T* a = k.in<T>(0);
    const T* b = k.in<T>(1);
    To* y = k.out<To>(0);
    return Each(k, at.size(), [=] LS_DEVICE(int64_t i) {
      y[i] = F::template Apply<T>(a[at.Of(0, i)], b[at.Of(1, i)]);
    });
  }
};

DType TypeOf(KernelContext& k) { return k.input(0).dtype(); }

}  // namespace

Status PrepareBroadcast(PrepareContext& p) {
  const Shape& a = p.input_shape(0);
  const Shape& b = p.input_shape(1);
  const Shape& y = p.output_shape(0);
  // Equal and NotEqual allow it: then all are unequal.
  if (!Shape::Broadcast(a, b).ok()) {
    return Unimplemented("operands of ", a, " and ", b, " on a GPU");
  }
  p.MakeState<BroadcastIndex<2>>(BroadcastIndex<2>({&a, &b}, y));
  return Ok();
}

#define LS_UNARY(Name)                                      \
  Status Name(KernelContext& k) {                           \
    return ForFloat<UnaryOf<Name##Fn, void>>(TypeOf(k), k); \
  }
#define LS_UNARY_NUMBERS(Name)                               \
  Status Name(KernelContext& k) {                            \
    return ForNumber<UnaryOf<Name##Fn, void>>(TypeOf(k), k); \
  }
#define LS_TEST(Name)                                       \
  Status Name(KernelContext& k) {                           \
    return ForFloat<UnaryOf<Name##Fn, bool>>(TypeOf(k), k); \
  }
#define LS_BINARY(Name)                                      \
  Status Name(KernelContext& k) {                            \
    return ForFloat<BinaryOf<Name##Fn, void>>(TypeOf(k), k); \
  }
#define LS_BINARY_NUMBERS(Name)                               \
  Status Name(KernelContext& k) {                             \
    return ForNumber<BinaryOf<Name##Fn, void>>(TypeOf(k), k); \
  }
#define LS_COMPARISON(Name)                                   \
  Status Name(KernelContext& k) {                             \
    return ForNumber<BinaryOf<Name##Fn, bool>>(TypeOf(k), k); \
  }
#define LS_EQUALITY(Name)                                                   \
  Status Name(KernelContext& k) {                                           \
    return ForType<BinaryOf<Name##Fn, bool>, Half, BFloat16, float, double, \
                   int64_t, bool>(TypeOf(k), k);                            \
  }

LS_UNARY_NUMBERS(Abs)
LS_UNARY_NUMBERS(Neg)
LS_UNARY_NUMBERS(Sign)
LS_UNARY_NUMBERS(Square)
LS_UNARY(Acos)
LS_UNARY(Acosh)
LS_UNARY(Asin)
LS_UNARY(Asinh)
LS_UNARY(Atan)
LS_UNARY(Atanh)
LS_UNARY(Ceil)
LS_UNARY(Cos)
LS_UNARY(Cosh)
LS_UNARY(Erf)
LS_UNARY(Erfc)
LS_UNARY(Exp)
LS_UNARY(Expm1)
LS_UNARY(Floor)
LS_UNARY(Log)
LS_UNARY(Log1p)
LS_UNARY(Reciprocal)
LS_UNARY(Rint)
LS_UNARY(Rsqrt)
LS_UNARY(Sigmoid)
LS_UNARY(Sin)
LS_UNARY(Sinh)
LS_UNARY(Sqrt)
LS_UNARY(Tan)
LS_UNARY(Tanh)
LS_TEST(IsFinite)
LS_TEST(IsInf)
LS_TEST(IsNan)
LS_BINARY_NUMBERS(Add)
LS_BINARY_NUMBERS(Maximum)
LS_BINARY_NUMBERS(Minimum)
LS_BINARY_NUMBERS(Mul)
LS_BINARY_NUMBERS(SquaredDifference)
LS_BINARY_NUMBERS(Sub)
LS_COMPARISON(Greater)
LS_COMPARISON(GreaterEqual)
LS_COMPARISON(Less)
LS_COMPARISON(LessEqual)
LS_EQUALITY(Equal)
LS_EQUALITY(NotEqual)
LS_BINARY(Atan2)
LS_BINARY(Div)
LS_BINARY(DivNoNan)
LS_BINARY(FloorDiv)
LS_BINARY(FloorMod)
LS_BINARY(MulNoNan)
LS_BINARY(Pow)
LS_BINARY(ReciprocalGrad)
LS_BINARY(RsqrtGrad)
LS_BINARY(SigmoidGrad)
LS_BINARY(SqrtGrad)
LS_BINARY(TanhGrad)
LS_BINARY(TruncateDiv)

Status RealDiv(KernelContext& k) { return Div(k); }
Status TruncateMod(KernelContext& k) {
  return ForFloat<BinaryOf<ModFn, void>>(TypeOf(k), k);
}
Status Xdivy(KernelContext& k) {
  return ForFloat<BinaryOf<GuardedFn<lockstep::Xdivy>, void>>(TypeOf(k), k);
}
Status Xlog1py(KernelContext& k) {
  return ForFloat<BinaryOf<GuardedFn<lockstep::Xlog1py>, void>>(TypeOf(k), k);
}
Status Xlogy(KernelContext& k) {
  return ForFloat<BinaryOf<GuardedFn<lockstep::Xlogy>, void>>(TypeOf(k), k);
}
Status LogicalAnd(KernelContext& k) {
  return BinaryOf<AndFn, bool>::Run<bool>(k);
}
Status LogicalOr(KernelContext& k) {
  return BinaryOf<OrFn, bool>::Run<bool>(k);
}
Status LogicalNot(KernelContext& k) {
  return UnaryOf<NotFn, bool>::Run<bool>(k);
}

}  // namespace lockstep::gpu
