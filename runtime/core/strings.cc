// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/strings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

namespace lockstep {
namespace {

template <class T>
void AppendChars(std::string& out, T value) {
  std::array<char, 40> buffer;
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  out.append(buffer.data(), end);
}

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] != b[j - 1] ? 1 : 0);
      diagonal = row[j];
      row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

namespace detail {

void AppendNumber(std::string& out, long long value) {
  AppendChars(out, value);
}
void AppendNumber(std::string& out, unsigned long long value) {
  AppendChars(out, value);
}
void AppendNumber(std::string& out, float value) { AppendChars(out, value); }
void AppendNumber(std::string& out, double value) { AppendChars(out, value); }

}  // namespace detail

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const size_t at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string HumanBytes(uint64_t bytes) {
  if (bytes < 1024) return StrCat(bytes, " B");
  static constexpr std::array<const char*, 6> kUnits = {"KiB", "MiB", "GiB",
                                                        "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  // 1023.95 would be printed as 1024.0.
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  std::array<char, 32> buffer;
  const int n = std::snprintf(buffer.data(), buffer.size(), "%.1f %s", value,
                              kUnits[unit]);
  return std::string(buffer.data(), static_cast<size_t>(n));
}

std::string NearestName(std::string_view wanted,
                        const std::vector<std::string>& candidates) {
  // Near: at most a third of the letters differ, and never all of them.
  const size_t limit = std::max<size_t>(1, wanted.size() / 3);
  size_t best = limit + 1;
  std::string nearest;
  for (const std::string& name : candidates) {
    const size_t longer = std::max(name.size(), wanted.size());
    const size_t shorter = std::min(name.size(), wanted.size());
    if (longer - shorter >= best) continue;
    const size_t distance = EditDistance(wanted, name);
    if (distance < best && distance < longer) {
      best = distance;
      nearest = name;
    }
  }
  return nearest;
}

}  // namespace lockstep
