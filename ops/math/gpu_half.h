// SPDX-License-Identifier: Apache-2.0
#pragma once

// Half and BFloat16 for code that is compiled for a GPU: laid out as the
// host's, and converted on the device too. Within namespace lockstep::gpu they
// stand before the host's, and functors (ops/math/functors.h) take them alike.

#include <bit>
#include <cstdint>

#include "ops/math/elementwise.h"
#include "runtime/core/host_device.h"

namespace lockstep {
namespace gpu {

struct Half {
  uint16_t bits = 0;

  Half() = default;
  LS_HOST_DEVICE Half(float value) {  // NOLINT: implicit
#ifdef __CUDA_ARCH__
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
#else
    bits = std::bit_cast<uint16_t>(static_cast<_Float16>(value));
#endif
  }
  LS_HOST_DEVICE operator float() const {  // NOLINT: implicit
#ifdef __CUDA_ARCH__
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
#else
    return static_cast<float>(std::bit_cast<_Float16>(bits));
#endif
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

}  // namespace lockstep
