// SPDX-License-Identifier: Apache-2.0
#pragma once

// Integers in files: fixed width little or big endian, and varints. Get*
// functions take from the front of `in` and return false, leaving `in`
// unspecified, when it is too short or malformed.
//
//   std::string out;
//   PutFixed64(out, size);
//   uint64_t n;
//   if (!GetVarint64(in, n)) return DataLoss(…);

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace lockstep {

static_assert(std::endian::native == std::endian::little,
              "files are little endian and are read with memcpy");

template <class T>
T LoadLittle(const char* p) {
  T v;
  std::memcpy(&v, p, sizeof(T));
  return v;
}

inline uint32_t LoadBig32(const char* p) {
  return __builtin_bswap32(LoadLittle<uint32_t>(p));
}

inline void PutFixed32(std::string& out, uint32_t v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof(v));
}

inline void PutFixed64(std::string& out, uint64_t v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof(v));
}

inline void PutVarint64(std::string& out, uint64_t v) {
  while (v >= 0x80) {
    out += static_cast<char>(v | 0x80);
    v >>= 7;
  }
  out += static_cast<char>(v);
}

inline bool GetVarint64(std::string_view& in, uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(in.front());
    in.remove_prefix(1);
    if (shift == 63 && byte > 1) return false;  // more than 64 bits
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

}  // namespace lockstep
