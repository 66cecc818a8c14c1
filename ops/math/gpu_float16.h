// SPDX-License-Identifier: Apache-2.0
#pragma once

// ForFloat and ForNumber pick the type of an operand, for .cu files; in those
// Half and BFloat16 are gpu_half.h's.
//
//   template <class F> struct UnaryOf {
//     template <class T> static Status Run(KernelContext& k);
//   };
//   return ForFloat<UnaryOf<SqrtFn>>(k.input(0).dtype(), k);

#include "ops/math/elementwise.h"
#include "runtime/op/gpu_launch.h"

#ifdef __CUDACC__
#include "ops/math/gpu_half.h"

namespace lockstep {
template <>
struct DTypeOf<gpu::Half> : std::integral_constant<DType, kHalf> {};
template <>
struct DTypeOf<gpu::BFloat16> : std::integral_constant<DType, kBfloat16> {};
}  // namespace lockstep
#endif

namespace lockstep::gpu {

template <class Impl>
Status ForFloat(DType dtype, KernelContext& k) {
  return ForType<Impl, Half, BFloat16, float, double>(dtype, k);
}
template <class Impl>
Status ForNumber(DType dtype, KernelContext& k) {
  return ForType<Impl, Half, BFloat16, float, double, int64_t>(dtype, k);
}

}  // namespace lockstep::gpu
