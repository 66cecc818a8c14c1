// SPDX-License-Identifier: Apache-2.0
#pragma once

// Numbers in text, as TensorFlow reads them: blanks around are fine, anything
// else is not; floats too large for T are infinite.
//
//   float v = 0;
//   if (!ParseNumber(" -2.5e3 ", &v)) return InvalidArgument(...);

#include <charconv>
#include <cstdlib>
#include <string>
#include <string_view>
#include <type_traits>

namespace lockstep {

template <class T>
bool ParseNumber(std::string_view text, T* v) {
  const auto blank = [](char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
  };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return false;
  }
  if constexpr (std::is_floating_point_v<T>) {
    const std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
    if (digits.starts_with("0x") || digits.starts_with("0X")) {
      const auto [at, error] =
          std::from_chars(digits.data() + 2, digits.data() + digits.size(), *v,
                          std::chars_format::hex);
      if (text.starts_with('-')) *v = -*v;
      return error == std::errc() && at == digits.data() + digits.size();
    }
  }
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, *v);
  if (at != end || text.empty()) return false;
  if (error == std::errc()) return true;
  if constexpr (std::is_floating_point_v<T>) {
    if (error == std::errc::result_out_of_range) {
      *v = static_cast<T>(std::strtod(std::string(text).c_str(), nullptr));
      return true;
    }
  }
  return false;
}

}  // namespace lockstep
