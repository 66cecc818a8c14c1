// SPDX-License-Identifier: Apache-2.0
#pragma once

// Half and BFloat16 for .cu files: laid out as the host's, and converted on the
// device too. Within namespace lockstep::gpu they stand before the host's, and
// functors (ops/math/functors.h) take them alike. ForFloat and ForNumber pick
// the type of an operand.
//
//   template <class F> struct UnaryOf {
//     template <class T> static Status Run(KernelContext& k);
//   };
//   return ForFloat<UnaryOf<SqrtFn>>(k.input(0).dtype(), k);

#include "ops/math/elementwise.h"
#include "runtime/op/gpu_launch.h"

#ifdef __CUDACC__
#include <cuda_fp16.h>

namespace lockstep {
namespace gpu {

struct Half {
  uint16_t bits = 0;

  Half() = default;
  LS_HOST_DEVICE Half(float value)  // NOLINT: implicit
      : bits(__half_as_ushort(__float2half_rn(value))) {}
  LS_HOST_DEVICE operator float() const {  // NOLINT: implicit
    return __half2float(__ushort_as_half(bits));
  }
};

struct BFloat16 {
  uint16_t bits = 0;

  BFloat16() = default;
  LS_HOST_DEVICE BFloat16(float value) {  // NOLINT: implicit
    const uint32_t b = std::bit_cast<uint32_t>(value);
    if ((b & 0x7fffffffu) > 0x7f800000u) {
      bits = static_cast<uint16_t>((b >> 16) | 0x40);  // keep NaN a NaN
    } else {
      bits = static_cast<uint16_t>((b + 0x7fffu + ((b >> 16) & 1u)) >> 16);
    }
  }
  LS_HOST_DEVICE operator float() const {  // NOLINT: implicit
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }
};

}  // namespace gpu

template <>
inline constexpr bool kIsFloat16<gpu::Half> = true;
template <>
inline constexpr bool kIsFloat16<gpu::BFloat16> = true;
namespace detail {
template <>
struct ArithmeticTypeOf<gpu::Half> {
  using type = float;
};
template <>
struct ArithmeticTypeOf<gpu::BFloat16> {
  using type = float;
};
}  // namespace detail
template <>
struct DTypeOf<gpu::Half> : std::integral_constant<DType, kHalf> {};
template <>
struct DTypeOf<gpu::BFloat16> : std::integral_constant<DType, kBfloat16> {};

}  // namespace lockstep
#endif  // __CUDACC__

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
