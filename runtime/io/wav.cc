// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/wav.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/io/coding.h"

namespace lockstep {
namespace {

constexpr int64_t kBytesPerSample = 2;
constexpr size_t kHeaderBytes = 44;
constexpr size_t kFormatBytes = 16;
constexpr uint16_t kPcm = 1;
// Of the extensible format, whose real format is that of the sub-format.
constexpr uint16_t kExtensible = 0xfffe;

void PutFixed16(std::string& out, uint16_t v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof(v));
}

int16_t ToSample(float v) {
  // TensorFlow's answer too: NaN compares as no less than the largest.
  if (std::isnan(v)) return 32767;
  return static_cast<int16_t>(
      std::clamp(std::round(v * 32768.0f), -32768.0f, 32767.0f));
}

struct Format {
  uint16_t channels = 0;
  uint32_t rate = 0;
};

Result<Format> ReadFormat(std::string_view chunk) {
  if (chunk.size() < kFormatBytes) {
    return InvalidArgument("WAV: its format is cut short");
  }
  const auto kind = LoadLittle<uint16_t>(chunk.data());
  const auto bits = LoadLittle<uint16_t>(chunk.data() + 14);
  Format format{LoadLittle<uint16_t>(chunk.data() + 2),
                LoadLittle<uint32_t>(chunk.data() + 4)};
  if ((kind != kPcm && kind != kExtensible) || bits != 16 ||
      format.channels == 0) {
    return InvalidArgument("WAV: wanted 16-bit PCM, got format ", kind, " of ",
                           bits, " bits, ", format.channels, " channels");
  }
  return format;
}

Result<WavSound> ReadSamples(const Format& format, std::string_view data) {
  const int64_t channels = format.channels;
  const int64_t frames =
      static_cast<int64_t>(data.size()) / (kBytesPerSample * channels);
  WavSound sound;
  sound.sample_rate = format.rate;
  LS_ASSIGN_OR_RETURN(sound.samples,
                      Tensor::Make(kFloat, Shape{frames, channels}));
  const char* from = data.data();
  for (float& v : sound.samples.flat<float>()) {
    v = static_cast<float>(LoadLittle<int16_t>(from)) / 32768.0f;
    from += kBytesPerSample;
  }
  return sound;
}

}  // namespace

Result<std::string> EncodeWav(const Tensor& samples, int64_t sample_rate) {
  const Shape& shape = samples.shape();
  if (samples.dtype() != kFloat || shape.rank() != 2 || shape.dim(1) < 1) {
    return InvalidArgument("a WAV is made of float [frames,channels] with ",
                           "one channel or more, got ",
                           DTypeName(samples.dtype()), " ", shape);
  }
  const int64_t channels = shape.dim(1);
  constexpr int64_t kMax = std::numeric_limits<uint32_t>::max();
  if (sample_rate < 1 || channels > std::numeric_limits<uint16_t>::max() ||
      sample_rate > kMax / (kBytesPerSample * channels) ||
      samples.NumElements() >
          (kMax - static_cast<int64_t>(kHeaderBytes)) / kBytesPerSample) {
    return InvalidArgument("a WAV of ", shape, " samples at ", sample_rate,
                           " a second does not fit the format");
  }
  const auto bytes =
      static_cast<uint32_t>(samples.NumElements() * kBytesPerSample);
  std::string out;
  out.reserve(kHeaderBytes + bytes);
  out += "RIFF";
  PutFixed32(out, static_cast<uint32_t>(kHeaderBytes - 8) + bytes);
  out += "WAVEfmt ";
  PutFixed32(out, kFormatBytes);
  PutFixed16(out, kPcm);
  PutFixed16(out, static_cast<uint16_t>(channels));
  PutFixed32(out, static_cast<uint32_t>(sample_rate));
  PutFixed32(out,
             static_cast<uint32_t>(sample_rate * channels * kBytesPerSample));
  PutFixed16(out, static_cast<uint16_t>(channels * kBytesPerSample));
  PutFixed16(out, 8 * kBytesPerSample);
  out += "data";
  PutFixed32(out, bytes);
  for (const float v : samples.flat<float>()) {
    PutFixed16(out, static_cast<uint16_t>(ToSample(v)));
  }
  return out;
}

Result<WavSound> DecodeWav(std::string_view bytes) {
  if (bytes.size() < 12 || !bytes.starts_with("RIFF") ||
      bytes.substr(8, 4) != "WAVE") {
    return InvalidArgument("not a WAV");
  }
  bytes.remove_prefix(12);
  Format format;
  while (bytes.size() >= 8) {
    const std::string_view kind = bytes.substr(0, 4);
    const uint64_t size = LoadLittle<uint32_t>(bytes.data() + 4);
    bytes.remove_prefix(8);
    const std::string_view chunk = bytes.substr(0, size);
    if (kind == "fmt ") {
      LS_ASSIGN_OR_RETURN(format, ReadFormat(chunk));
    } else if (kind == "data") {
      if (format.channels == 0) return InvalidArgument("WAV: no format");
      if (chunk.size() != size) {
        return InvalidArgument("WAV: cut short, wanted ", size,
                               " bytes of samples, got ", chunk.size());
      }
      return ReadSamples(format, chunk);
    }
    // Chunks begin at even offsets.
    bytes.remove_prefix(std::min<uint64_t>(bytes.size(), size + size % 2));
  }
  return InvalidArgument("WAV: no samples");
}

}  // namespace lockstep
