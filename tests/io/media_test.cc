// SPDX-License-Identifier: Apache-2.0
// PNG and WAV.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "runtime/io/png.h"
#include "runtime/io/wav.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Tensor Pixels(const Shape& shape) {
  Tensor t(kUint8, shape);
  std::iota(t.flat<uint8_t>().begin(), t.flat<uint8_t>().end(), uint8_t{0});
  return t;
}

TEST(PngTest, PixelsComeBackForEachNumberOfChannels) {
  for (int64_t channels = 1; channels <= 4; ++channels) {
    const Tensor pixels = Pixels(Shape{5, 7, channels});
    const std::string png = EncodePng(pixels).value();
    EXPECT_TRUE(png.starts_with("\x89PNG\r\n")) << channels;
    EXPECT_TRUE(BitwiseEqual(DecodePng(png).value(), pixels)) << channels;
  }
}

TEST(PngTest, WhatIsNoImageIsRefused) {
  for (const Shape& shape : {Shape{5, 7}, Shape{5, 7, 5}, Shape{0, 7, 1}}) {
    EXPECT_EQ(EncodePng(Pixels(shape)).code(), Code::kInvalidArgument)
        << shape.ToString();
  }
  EXPECT_EQ(EncodePng(Tensor(kFloat, Shape{2, 2, 1})).code(),
            Code::kInvalidArgument);
}

TEST(PngTest, DamagedPngIsAnErrorAtEveryLength) {
  const std::string png = EncodePng(Pixels(Shape{5, 7, 3})).value();
  for (size_t n = 0; n < png.size(); ++n) {
    EXPECT_EQ(DecodePng(png.substr(0, n)).code(), Code::kInvalidArgument) << n;
  }
}

TEST(PngTest, DeclaredSizeIsLimitedBeforeMemoryIsTaken) {
  std::string png = EncodePng(Pixels(Shape{5, 7, 3})).value();
  // Width and height, big endian, with the chunk's checksum after 13 bytes.
  png.replace(16, 8, std::string("\0\0\x7f\xff\0\0\x7f\xff", 8));
  png.replace(29, 4, std::string("\xff\xa6\xb2\xd1", 4));
  EXPECT_THAT(DecodePng(png).code(),
              testing::AnyOf(Code::kResourceExhausted, Code::kInvalidArgument));
}

TEST(PngTest, WideSamplesComeBack) {
  for (int64_t channels = 1; channels <= 4; ++channels) {
    Tensor wide(kUint16, Shape{5, 7, channels});
    std::iota(wide.flat<uint16_t>().begin(), wide.flat<uint16_t>().end(),
              uint16_t{1000});
    const std::string png = EncodePng(wide).value();
    EXPECT_TRUE(BitwiseEqual(DecodePng(png, 0, kUint16).value(), wide));
  }
}

TEST(PngTest, PixelsComeBackForEachCompression) {
  const Tensor pixels = Pixels(Shape{5, 7, 3});
  for (int compression = 0; compression <= 9; ++compression) {
    const std::string png = EncodePng(pixels, compression).value();
    EXPECT_TRUE(BitwiseEqual(DecodePng(png).value(), pixels)) << compression;
  }
}

TEST(PngTest, ChannelsAndBitsAreThoseAskedFor) {
  // 0.299 * 255 rounded, and no alpha.
  const Tensor red = Tensor::Of<uint8_t>({1, 1, 4}, {255, 0, 0, 9});
  const std::string png = EncodePng(red).value();
  EXPECT_THAT(DecodePng(png, 1).value().flat<uint8_t>(), ElementsAre(76));
  EXPECT_THAT(DecodePng(png, 3).value().flat<uint8_t>(),
              ElementsAre(255, 0, 0));
  EXPECT_THAT(DecodePng(png, 0, kUint16).value().flat<uint16_t>(),
              ElementsAre(65535, 0, 0, 9 * 257));
  const Tensor grey = Tensor::Of<uint16_t>({1, 1, 1}, {0x12ff});
  EXPECT_THAT(DecodePng(EncodePng(grey).value(), 4).value().flat<uint8_t>(),
              ElementsAre(0x12, 0x12, 0x12, 255));
}

TEST(WavTest, BytesAreTensorFlows) {
  const Tensor samples =
      Tensor::Of<float>({6, 1}, {0.5f, -1, 1, 2, 1.0f / 65536, 3.0f / 65536});
  const std::string wav = EncodeWav(samples, 8000).value();
  const std::string want(
      "RIFF0\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0"
      "data\x0c\0\0\0\0\x40\0\x80\xff\x7f\xff\x7f\1\0\2\0",
      56);
  EXPECT_EQ(wav, want);
}

TEST(WavTest, SamplesComeBack) {
  const Tensor samples = Tensor::Of<float>({2, 2}, {0, -1, 0.25f, 0.5f});
  const WavSound sound = DecodeWav(EncodeWav(samples, 44100).value()).value();
  EXPECT_EQ(sound.sample_rate, 44100);
  EXPECT_TRUE(BitwiseEqual(sound.samples, samples));
}

TEST(WavTest, OtherChunksAreSkipped) {
  std::string wav = EncodeWav(Tensor::Of<float>({1, 1}, {0.5f}), 8).value();
  wav.insert(36, std::string("LIST\3\0\0\0abc\0", 12));
  EXPECT_THAT(DecodeWav(wav).value().samples.flat<float>(), ElementsAre(0.5f));
}

TEST(WavTest, DamageIsAnErrorAtEveryLength) {
  const std::string wav =
      EncodeWav(Tensor::Of<float>({2, 1}, {0.5f, 1}), 8000).value();
  for (size_t n = 0; n < wav.size(); ++n) {
    EXPECT_EQ(DecodeWav(wav.substr(0, n)).code(), Code::kInvalidArgument) << n;
  }
  std::string eight_bits = wav;
  eight_bits[34] = 8;
  EXPECT_THAT(DecodeWav(eight_bits).status().message(),
              HasSubstr("wanted 16-bit PCM, got format 1 of 8 bits"));
}

TEST(WavTest, WhatIsNoSoundIsRefused) {
  EXPECT_FALSE(EncodeWav(Tensor(kFloat, Shape{3}), 8000).ok());
  EXPECT_FALSE(EncodeWav(Tensor(kFloat, Shape{3, 0}), 8000).ok());
  EXPECT_FALSE(EncodeWav(Tensor(kDouble, Shape{3, 1}), 8000).ok());
  EXPECT_FALSE(EncodeWav(Tensor(kFloat, Shape{3, 1}), 0).ok());
  EXPECT_FALSE(EncodeWav(Tensor(kFloat, Shape{0, 3}), int64_t{1} << 40).ok());
}

}  // namespace
}  // namespace lockstep
