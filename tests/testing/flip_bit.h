// SPDX-License-Identifier: Apache-2.0
#pragma once

// FlipBit: what a fault of memory does.
//
//   FlipBit(variable->value().data(), 32 * element + 22);

#include <cstddef>

namespace lockstep {

inline void FlipBit(void* data, size_t bit) {
  auto* bytes = static_cast<unsigned char*>(data);
  bytes[bit / 8] = static_cast<unsigned char>(bytes[bit / 8] ^ 1u << bit % 8);
}

}  // namespace lockstep
