// SPDX-License-Identifier: Apache-2.0
#pragma once

// Text helpers for messages and names; no locale, no allocation tricks.

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {
namespace detail {

void AppendNumber(std::string& out, long long value);
void AppendNumber(std::string& out, unsigned long long value);
// Shortest text that reads back as the same number.
void AppendNumber(std::string& out, float value);
void AppendNumber(std::string& out, double value);

template <class T>
void AppendPart(std::string& out, const T& part) {
  if constexpr (std::convertible_to<const T&, std::string_view>) {
    out += std::string_view(part);
  } else if constexpr (std::same_as<T, char>) {
    out += part;
  } else if constexpr (std::same_as<T, bool>) {
    out += part ? "true" : "false";
  } else if constexpr (std::same_as<T, float>) {
    AppendNumber(out, part);
  } else if constexpr (std::floating_point<T>) {
    AppendNumber(out, static_cast<double>(part));
  } else if constexpr (std::signed_integral<T>) {
    AppendNumber(out, static_cast<long long>(part));
  } else if constexpr (std::unsigned_integral<T>) {
    AppendNumber(out, static_cast<unsigned long long>(part));
  } else {
    out += part.ToString();  // Shape, Status, and other types with ToString()
  }
}

}  // namespace detail

// StrCat("want ", 3, ", got ", shape): numbers, text, and anything with a
// ToString() member.
template <class... A>
std::string StrCat(const A&... parts) {
  std::string out;
  (detail::AppendPart(out, parts), ...);
  return out;
}

// Join({1, 2, 3}, ", ") for any range of StrCat-able parts.
template <class Range>
std::string Join(const Range& range, std::string_view separator) {
  std::string out;
  bool first = true;
  for (const auto& part : range) {
    if (!first) out += separator;
    first = false;
    detail::AppendPart(out, part);
  }
  return out;
}

std::vector<std::string> Split(std::string_view text, char separator);

// "1.5 MiB", "812 B": for messages.
std::string HumanBytes(uint64_t bytes);

// The candidate with the smallest edit distance to `wanted`, empty when none
// is near: for "did you mean" in messages.
std::string NearestName(std::string_view wanted,
                        const std::vector<std::string>& candidates);

}  // namespace lockstep
