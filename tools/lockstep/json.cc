// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/json.h"

#include <array>
#include <cstdint>

namespace lockstep {
namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string EncodeBase64(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) {
      group = group << 8 | (j < n ? static_cast<uint8_t>(bytes[i + j]) : 0u);
    }
    for (size_t j = 0; j < 4; ++j) {
      out += j <= n ? kBase64[group >> (18 - 6 * j) & 63] : '=';
    }
  }
  return out;
}

bool DecodeBase64(std::string_view text, std::string* out) {
  if (text.size() % 4 != 0) return false;
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  uint32_t group = 0;
  int bits = 0;
  for (const char c : text) {
    const size_t value = kBase64.find(c);
    if (value == std::string_view::npos) return false;
    group = group << 6 | static_cast<uint32_t>(value);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    *out += static_cast<char>(group >> bits & 0xff);
  }
  return true;
}

// The parser itself needs no stack for depth, but what uses the value does.
Status CheckLimits(std::string_view text) {
  if (text.size() > kMaxJsonBytes) {
    return ResourceExhausted("JSON of ", HumanBytes(text.size()),
                             ", more than the limit of ",
                             HumanBytes(kMaxJsonBytes));
  }
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxJsonDepth) {
        return ResourceExhausted("JSON with more than ", kMaxJsonDepth,
                                 " values within each other");
      }
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return Ok();
}

// One UTF-8 sequence at text[i]: its length, 0 if it is none (overlong forms,
// surrogates and values above 0x10ffff are none).
size_t SequenceLength(std::string_view text, size_t i) {
  const auto at = [&](size_t j) -> uint32_t {
    return j < text.size() ? static_cast<uint8_t>(text[j]) : 0u;
  };
  const uint32_t first = at(i);
  if (first < 0x80) return 1;
  const size_t n = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  constexpr std::array<uint32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  if (first < 0xc0 || first > 0xf4) return 0;
  uint32_t code = first & (0xffu >> (n + 1));
  for (size_t j = 1; j < n; ++j) {
    if ((at(i + j) & 0xc0) != 0x80) return 0;
    code = code << 6 | (at(i + j) & 0x3f);
  }
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code < kLeast[n] || code > 0x10ffff || surrogate ? 0 : n;
}

bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t n = SequenceLength(text, i);
    if (n == 0) return false;
    i += n;
  }
  return true;
}

}  // namespace

Result<Json> ParseJson(std::string_view text) {
  LS_RETURN_IF_ERROR(CheckLimits(text));
  try {
    return Json::parse(text);
  } catch (const nlohmann::json::exception& e) {
    return InvalidArgument("not JSON: ", e.what());
  }
}

std::string DumpJson(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Json BytesToJson(std::string_view bytes) {
  if (IsUtf8(bytes)) return Json(bytes);
  return Json{{"b64", EncodeBase64(bytes)}};
}

Result<std::string> BytesFromJson(const Json& json) {
  if (json.is_string()) return json.get<std::string>();
  std::string bytes;
  if (json.is_object() && json.contains("b64") && json["b64"].is_string() &&
      DecodeBase64(json["b64"].get_ref<const std::string&>(), &bytes)) {
    return bytes;
  }
  return InvalidArgument("want a string or {\"b64\": base64}, got ",
                         DumpJson(json).substr(0, 80));
}

}  // namespace lockstep
