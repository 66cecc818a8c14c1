// SPDX-License-Identifier: Apache-2.0
#pragma once

// CRC32C (Castagnoli), with the masking that record files, checkpoints and
// LevelDB tables store: a checksum over bytes that hold checksums of
// themselves is weak, so a stored one is rotated and shifted.
//
// Thread-safe.
//
//   uint32_t stored = MaskCrc(Crc32c(bytes));
//   bool good = UnmaskCrc(stored) == ExtendCrc32c(Crc32c(head), tail);

#include <cstdint>
#include <string_view>

namespace lockstep {

// The checksum of the bytes whose checksum is `crc`, followed by `bytes`.
uint32_t ExtendCrc32c(uint32_t crc, std::string_view bytes);
inline uint32_t Crc32c(std::string_view bytes) {
  return ExtendCrc32c(0, bytes);
}

inline uint32_t MaskCrc(uint32_t crc) {
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}
inline uint32_t UnmaskCrc(uint32_t masked) {
  const uint32_t rotated = masked - 0xa282ead8u;
  return (rotated >> 17) | (rotated << 15);
}

}  // namespace lockstep
