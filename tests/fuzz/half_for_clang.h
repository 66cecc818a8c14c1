// SPDX-License-Identifier: Apache-2.0
#pragma once

// Included before everything when a clang older than 15 compiles the fuzz
// targets: it has no _Float16 on x86, only this storage type.

#if defined(__clang__) && !defined(__FLT16_MANT_DIG__)
#include <cstdint>
#include <cstring>

namespace lockstep::fuzz {

struct StoredHalf {
  explicit StoredHalf(float value) {
    const __fp16 half = value;
    std::memcpy(&bits, &half, sizeof(bits));
  }
  explicit operator float() const {
    __fp16 half;
    std::memcpy(&half, &bits, sizeof(bits));
    return half;
  }
  uint16_t bits;
};

}  // namespace lockstep::fuzz
#define _Float16 ::lockstep::fuzz::StoredHalf
#endif
