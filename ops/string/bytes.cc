// SPDX-License-Identifier: Apache-2.0

// EncodeBase64, DecodeBase64: the web-safe alphabet ('-' and '_'), with '='
// only when attribute "pad" says so; decoding takes both.
// DecodeRaw: bytes: string [...] of one length -> out_type [..., length / size]

#include <algorithm>

#include "ops/math/elementwise.h"
#include "ops/string/string.h"
#include "ops/string/string_map.h"

namespace lockstep {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string Encode(const std::string& s, bool pad) {
  std::string out;
  for (size_t i = 0; i < s.size(); i += 3) {
    uint32_t bits = 0;
    const size_t n = std::min<size_t>(3, s.size() - i);
    for (size_t j = 0; j < 3; ++j) {
      bits = bits << 8 | (j < n ? static_cast<unsigned char>(s[i + j]) : 0u);
    }
    for (size_t j = 0; j <= n; ++j) out += kAlphabet[bits >> (18 - 6 * j) & 63];
    if (pad) out.append(3 - n, '=');
  }
  return out;
}

bool Decode(std::string_view s, std::string* out) {
  size_t padding = 0;
  while (s.ends_with('=') && padding < 2) {
    s.remove_suffix(1);
    ++padding;
  }
  if (s.size() % 4 == 1 || (padding > 0 && (s.size() + padding) % 4 != 0)) {
    return false;
  }
  uint32_t bits = 0;
  int have = 0;
  for (const char c : s) {
    const size_t value = kAlphabet.find(c);
    if (value == kAlphabet.npos) return false;
    bits = bits << 6 | static_cast<uint32_t>(value);
    have += 6;
    if (have >= 8) {
      have -= 8;
      *out += static_cast<char>(bits >> have & 0xff);
    }
  }
  return (bits & ((1u << have) - 1)) == 0;
}

Status EncodeCpu(KernelContext& k) {
  const bool pad = GetOr<bool>(k.attrs(), "pad", false);
  return MapStrings<std::string>(
      k, [pad](const std::string& s) { return Encode(s, pad); });
}

Status DecodeCpu(KernelContext& k) {
  Status status;
  LS_RETURN_IF_ERROR(MapStrings<std::string>(k, [&](const std::string& s) {
    std::string out;
    if (!Decode(s, &out)) {
      status.Update(
          InvalidArgument("Invalid character found in base64: '", s, "'"));
    }
    return out;
  }));
  return status;
}

LOCKSTEP_OP("EncodeBase64")
    .Input("input: string")
    .Output("output: string")
    .Attr("pad: bool = false")
    .Shape(UnchangedShape)
    .NoGradient()
    .Kernel(kCpu, {EncodeCpu});
LOCKSTEP_OP("DecodeBase64")
    .Input("input: string")
    .Output("output: string")
    .Shape(UnchangedShape)
    .NoGradient()
    .Kernel(kCpu, {DecodeCpu});

Status DecodeRawShape(ShapeContext& c) {
  Shape y = c.Input(0);
  if (!y.HasRank()) return Ok();
  if (y.rank() == Shape::kMaxRank) {
    return InvalidArgument("bytes have too many dimensions: ", y);
  }
  y.AddDim(kUnknownDim);
  return c.SetOutput(0, y);
}

template <class T>
Status DecodeRawCpu(KernelContext& k) {
  // Numbers of several bytes whose order may have to be turned round.
  constexpr size_t kUnit = std::is_same_v<T, std::complex<float>> ||
                                   std::is_same_v<T, std::complex<double>>
                               ? sizeof(T) / 2
                               : sizeof(T);
  const auto x = k.input(0).flat<std::string>();
  const size_t length = x.empty() ? 0 : x[0].size();
  for (const std::string& s : x) {
    if (s.size() == length) continue;
    return InvalidArgument("DecodeRaw requires input strings to all be the ",
                           "same size, but element has size ", s.size(),
                           " != ", length);
  }
  if (length % sizeof(T) != 0) {
    return InvalidArgument("Input to DecodeRaw has length ", length,
                           " that is not a multiple of ", sizeof(T),
                           ", the size of ", DTypeName(DTypeOf<T>::value));
  }
  Shape y = k.input(0).shape();
  y.AddDim(static_cast<int64_t>(length / sizeof(T)));
  LS_RETURN_IF_ERROR(k.AllocateOutput(0, y));
  char* to = static_cast<char*>(k.output(0).data());
  for (const std::string& s : x) to = std::ranges::copy(s, to).out;
  if (!GetOr<bool>(k.attrs(), "little_endian", true) && kUnit > 1) {
    to = static_cast<char*>(k.output(0).data());
    for (size_t i = 0; i < length * x.size(); i += kUnit) {
      std::reverse(to + i, to + i + kUnit);
    }
  }
  return Ok();
}

LOCKSTEP_OP("DecodeRaw")
    .Input("bytes: string")
    .Output("output: out_type")
    .Attr(
        "out_type: {half, float, double, int32, uint16, uint8, int16, int8, "
        "int64, complex64, complex128, bool, bfloat16}")
    .Attr("little_endian: bool = true")
    .Shape(DecodeRawShape)
    .NoGradient()
    .Kernels<LS_FLOAT_TYPES, LS_SIGNED_TYPES, uint8_t, uint16_t, bool,
             std::complex<float>, std::complex<double>>(
        kCpu, []<class T>() { return KernelDef{DecodeRawCpu<T>}; }, "out_type");

}  // namespace

namespace ops {

Output EncodeBase64(const Scope& scope, const Input& input, bool pad) {
  return scope.Op("EncodeBase64").In(input).Attr("pad", pad).Out();
}
Output DecodeBase64(const Scope& scope, const Input& input) {
  return scope.Op("DecodeBase64").In(input).Out();
}
Output DecodeRaw(const Scope& scope, const Input& bytes, DType out_type,
                 bool little_endian) {
  return scope.Op("DecodeRaw")
      .In(bytes)
      .Attr("out_type", out_type)
      .Attr("little_endian", little_endian)
      .Out();
}

}  // namespace ops
}  // namespace lockstep
