// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace lockstep {

uint32_t ExtendCrc32c(uint32_t crc, std::string_view bytes) {
  // The library takes an int, and leaves the inversions to its caller.
  constexpr size_t kPiece = size_t{1} << 30;
  uint32_t state = ~crc;
  while (!bytes.empty()) {
    const size_t n = std::min(bytes.size(), kPiece);
    // Its parameter is not const, but it only reads.
    auto* data =
        reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
    state = crc32_iscsi(data, static_cast<int>(n), state);
    bytes.remove_prefix(n);
  }
  return ~state;
}

}  // namespace lockstep
