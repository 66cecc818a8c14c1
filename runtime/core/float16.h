// SPDX-License-Identifier: Apache-2.0
#pragma once

// Half (IEEE binary16) and BFloat16 as storage types: they convert to and from
// float (round to nearest even) and compute through it.

#include <bit>
#include <cstdint>

namespace lockstep {

struct BFloat16 {
  uint16_t bits = 0;

  BFloat16() = default;
  BFloat16(float value) {  // NOLINT: implicit
    const uint32_t b = std::bit_cast<uint32_t>(value);
    if ((b & 0x7fffffffu) > 0x7f800000u) {
      bits = static_cast<uint16_t>((b >> 16) | 0x40);  // keep NaN a NaN
    } else {
      bits = static_cast<uint16_t>((b + 0x7fffu + ((b >> 16) & 1u)) >> 16);
    }
  }
  operator float() const {  // NOLINT: implicit
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }
};

struct Half {
  uint16_t bits = 0;

  Half() = default;
  Half(float value)
      : bits(static_cast<uint16_t>(  // NOLINT: implicit
            std::bit_cast<uint16_t>(static_cast<_Float16>(value)))) {}
  operator float() const {  // NOLINT: implicit
    return static_cast<float>(std::bit_cast<_Float16>(bits));
  }
};

}  // namespace lockstep
