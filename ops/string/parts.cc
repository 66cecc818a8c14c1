// SPDX-License-Identifier: Apache-2.0

// StringLength, StringUpper, StringLower, StringStrip: string by string.
// Substr: len bytes or code points from pos; a negative pos counts from the
// back, what lies beyond the end is left out, a pos outside the string is
// INVALID_ARGUMENT.   pos, len: int32|int64, input's shape or broadcast

#include <algorithm>

#include "ops/array/slices.h"
#include "ops/math/broadcast.h"
#include "ops/string/string.h"
#include "ops/string/string_map.h"

namespace lockstep {
namespace {

bool IsUtf8(const AttrMap& attrs) {
  return GetOr<std::string>(attrs, "unit", "BYTE") == "UTF8_CHAR";
}

Status LengthCpu(KernelContext& k) {
  const bool utf8 = IsUtf8(k.attrs());
  return MapStrings<int32_t>(k, [utf8](const std::string& s) {
    return static_cast<int32_t>(utf8 ? CountCharacters(s)
                                     : static_cast<int64_t>(s.size()));
  });
}

// A code point of two bytes in Latin-1, Greek or Cyrillic in the other case.
uint32_t OtherCase(uint32_t c, bool upper) {
  const bool latin = upper ? (c >= 0xe0 && c <= 0xfe && c != 0xf7)
                           : (c >= 0xc0 && c <= 0xde && c != 0xd7);
  const bool greek = upper ? (c >= 0x3b1 && c <= 0x3c9 && c != 0x3c2)
                           : (c >= 0x391 && c <= 0x3a9 && c != 0x3a2);
  const bool cyrillic =
      upper ? (c >= 0x430 && c <= 0x44f) : (c >= 0x410 && c <= 0x42f);
  if (latin || greek || cyrillic) return upper ? c - 32 : c + 32;
  if (upper && c >= 0x450 && c <= 0x45f) return c - 80;
  if (!upper && c >= 0x400 && c <= 0x40f) return c + 80;
  if (upper && c == 0xff) return 0x178;
  if (upper && c == 0x3c2) return 0x3a3;
  if (!upper && c == 0x178) return 0xff;
  if (c >= 0x100 && c <= 0x137) {
    if (c == 0x130 || c == 0x131) return c;
    return upper ? c & ~1u : c | 1u;
  }
  return c;
}

std::string WithCase(std::string s, bool upper, bool utf8) {
  for (size_t i = 0; i < s.size(); ++i) {
    const auto b = static_cast<unsigned char>(s[i]);
    if (upper ? (b >= 'a' && b <= 'z') : (b >= 'A' && b <= 'Z')) {
      s[i] = static_cast<char>(b ^ 32);
    } else if (utf8 && (b & 0xe0) == 0xc0 && i + 1 < s.size()) {
      const uint32_t c = OtherCase(
          (b & 0x1fu) << 6 | (static_cast<unsigned char>(s[i + 1]) & 0x3fu),
          upper);
      s[i] = static_cast<char>(0xc0 | c >> 6);
      s[++i] = static_cast<char>(0x80 | (c & 0x3f));
    }
  }
  return s;
}

template <bool kUpper>
Status CaseCpu(KernelContext& k) {
  const bool utf8 = GetOr<std::string>(k.attrs(), "encoding", "") == "utf-8";
  return MapStrings<std::string>(
      k, [utf8](const std::string& s) { return WithCase(s, kUpper, utf8); });
}

Status CheckEncoding(PrepareContext& c) {
  const std::string& encoding = c.Attr<std::string>("encoding");
  if (encoding.empty() || encoding == "utf-8") return Ok();
  return InvalidArgument("only utf-8 or '' (no encoding) is supported, got ",
                         encoding);
}

bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

Status StripCpu(KernelContext& k) {
  return MapStrings<std::string>(k, [](const std::string& s) {
    size_t begin = 0, end = s.size();
    while (begin < end && IsBlank(s[begin])) ++begin;
    while (end > begin && IsBlank(s[end - 1])) --end;
    return s.substr(begin, end - begin);
  });
}

// Byte offset of code point `n` of s, its size when there is none.
size_t OffsetOfCharacter(const std::string& s, int64_t n) {
  size_t i = 0;
  for (; i < s.size(); ++i) {
    if ((static_cast<unsigned char>(s[i]) & 0xc0) == 0x80) continue;
    if (n-- == 0) return i;
  }
  return i;
}

Status SubstrOf(const std::string& s, int64_t pos, int64_t len, bool utf8,
                std::string* out) {
  const int64_t size =
      utf8 ? CountCharacters(s) : static_cast<int64_t>(s.size());
  if (pos < -size || pos > size) {
    return InvalidArgument("pos ", pos, " out of range for string b'", s, "'");
  }
  if (pos < 0) pos += size;
  len = std::clamp<int64_t>(len, 0, size - pos);
  if (!utf8) {
    *out = s.substr(static_cast<size_t>(pos), static_cast<size_t>(len));
    return Ok();
  }
  const size_t begin = OffsetOfCharacter(s, pos);
  *out = s.substr(begin, OffsetOfCharacter(s, pos + len) - begin);
  return Ok();
}

Status SubstrShape(ShapeContext& c) {
  if (c.Input(1).HasRank() && c.Input(2).HasRank() &&
      !c.Input(1).IsCompatibleWith(c.Input(2))) {
    return InvalidArgument("pos and len should have the same shape, got: ",
                           c.Input(1), " vs. ", c.Input(2));
  }
  return BroadcastShape(c);
}

Status PrepareSubstr(PrepareContext& c) {
  const Shape shapes[] = {c.input_shape(0), c.input_shape(1)};
  c.MakeState<BroadcastWalk>(shapes, c.output_shape(0));
  return Ok();
}

Status SubstrCpu(KernelContext& k) {
  const BroadcastWalk& w = k.state<BroadcastWalk>();
  const bool utf8 = IsUtf8(k.attrs());
  const Indices pos(k.input(1)), len(k.input(2));
  const std::string* x = k.in<std::string>(0);
  std::string* y = k.out<std::string>(0);
  Status status;
  w.ForRuns(w.size() + 1, [&](int64_t at, const int64_t* from, int64_t n) {
    for (int64_t i = 0; i < n && status.ok(); ++i) {
      const int64_t p = from[1] + i * w.step(1);
      status = SubstrOf(x[from[0] + i * w.step(0)], pos[p], len[p], utf8,
                        &y[at + i]);
    }
  });
  return status;
}

LOCKSTEP_OP("StringLength")
    .Input("input: string")
    .Output("output: int32")
    .Attr("unit: {'BYTE', 'UTF8_CHAR'} = 'BYTE'")
    .Shape(UnchangedShape)
    .NoGradient()
    .Kernel(kCpu, {LengthCpu});
LOCKSTEP_OP("StringUpper")
    .Input("input: string")
    .Output("output: string")
    .Attr("encoding: string = ''")
    .Shape(UnchangedShape)
    .NoGradient()
    .Kernel(kCpu, {CaseCpu<true>, CheckEncoding});
LOCKSTEP_OP("StringLower")
    .Input("input: string")
    .Output("output: string")
    .Attr("encoding: string = ''")
    .Shape(UnchangedShape)
    .NoGradient()
    .Kernel(kCpu, {CaseCpu<false>, CheckEncoding});
LOCKSTEP_OP("StringStrip")
    .Input("input: string")
    .Output("output: string")
    .Shape(UnchangedShape)
    .NoGradient()
    .Kernel(kCpu, {StripCpu});
LOCKSTEP_OP("Substr")
    .Input("input: string")
    .Input("pos: T")
    .Input("len: T")
    .Output("output: string")
    .Attr("T: {int32, int64}")
    .Attr("unit: {'BYTE', 'UTF8_CHAR'} = 'BYTE'")
    .Shape(SubstrShape)
    .NoGradient()
    .Kernel(kCpu, {SubstrCpu, PrepareSubstr});

}  // namespace

namespace ops {

Output StringLength(const Scope& scope, const Input& input,
                    const std::string& unit) {
  return scope.Op("StringLength").In(input).Attr("unit", unit).Out();
}
Output Substr(const Scope& scope, const Input& input, const Input& pos,
              const Input& len, const std::string& unit) {
  return scope.Op("Substr").In(input).InPair(pos, len).Attr("unit", unit).Out();
}
Output StringUpper(const Scope& scope, const Input& input,
                   const std::string& encoding) {
  return scope.Op("StringUpper").In(input).Attr("encoding", encoding).Out();
}
Output StringLower(const Scope& scope, const Input& input,
                   const std::string& encoding) {
  return scope.Op("StringLower").In(input).Attr("encoding", encoding).Out();
}
Output StringStrip(const Scope& scope, const Input& input) {
  return scope.Op("StringStrip").In(input).Out();
}

}  // namespace ops
}  // namespace lockstep
