// SPDX-License-Identifier: Apache-2.0
#pragma once

// Takes an input apart: pieces with two bytes of length before each. So a
// target can put right checksums around bytes that a fuzzer made.

#include <algorithm>
#include <string_view>

#include "runtime/io/coding.h"

namespace lockstep::fuzz {

inline std::string_view NextChunk(std::string_view& input) {
  if (input.size() < 2) {
    input = {};
    return {};
  }
  const size_t length = LoadLittle<uint16_t>(input.data());
  input.remove_prefix(2);
  const std::string_view chunk = input.substr(0, length);
  input.remove_prefix(std::min(length, input.size()));
  return chunk;
}

}  // namespace lockstep::fuzz
