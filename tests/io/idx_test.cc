// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/idx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <string>

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// uint8 [2,3] with elements 1..6.
std::string SmallFile() {
  return std::string({0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6});
}

std::string Gzip(const std::string& bytes) {
  z_stream z{};
  EXPECT_EQ(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY),
            Z_OK);
  std::string out(deflateBound(&z, bytes.size()) + 32, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

void ExpectError(const std::string& bytes, Code code, const char* text) {
  const auto r = DecodeIdx(bytes, "images.idx");
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.code(), code) << r.status().ToString();
  EXPECT_THAT(r.status().message(), HasSubstr("images.idx"));
  EXPECT_THAT(r.status().message(), HasSubstr(text));
}

TEST(IdxTest, PlainFileBecomesATensor) {
  const Tensor t = DecodeIdx(SmallFile(), "x").value();
  EXPECT_EQ(t.dtype(), kUint8);
  EXPECT_EQ(t.shape(), Shape({2, 3}));
  EXPECT_THAT(t.flat<uint8_t>(), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(IdxTest, GzipIsRecognisedByContent) {
  const Tensor t = DecodeIdx(Gzip(SmallFile()), "x").value();
  EXPECT_EQ(t.shape(), Shape({2, 3}));
  EXPECT_THAT(t.flat<uint8_t>(), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(IdxTest, GzipMembersReadAsOneStream) {
  const std::string file = SmallFile();
  const std::string two = Gzip(file.substr(0, 7)) + Gzip(file.substr(7));
  EXPECT_THAT(DecodeIdx(two, "x").value().flat<uint8_t>(),
              ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(IdxTest, EveryElementTypeComesBack) {
  const Tensor tensors[] = {
      Tensor::Of<uint8_t>({3}, {0, 7, 255}),
      Tensor::Of<int8_t>({3}, {-128, 0, 127}),
      Tensor::Of<int16_t>({1, 2}, {-300, 258}),
      Tensor::Of<int32_t>({2, 1}, {-70000, 0x01020304}),
      Tensor::Of<float>({2}, {1.5f, -0.25f}),
      Tensor::Of<double>({1, 1, 2}, {1e300, -2.0}),
      Tensor::Of<uint8_t>({0, 5}, {}),
  };
  for (const Tensor& t : tensors) {
    const std::string file = EncodeIdx(t).value();
    EXPECT_TRUE(BitwiseEqual(DecodeIdx(file, "x").value(), t)) << t.ToString();
  }
}

TEST(IdxTest, ElementsAreBigEndianInTheFile) {
  const std::string file =
      EncodeIdx(Tensor::Of<int16_t>({1}, {0x0102})).value();
  EXPECT_EQ(file, std::string({0, 0, 0x0b, 1, 0, 0, 0, 1, 1, 2}));
}

TEST(IdxTest, OtherTypesAreNotWritten) {
  EXPECT_EQ(EncodeIdx(Tensor(int64_t{1})).code(), Code::kInvalidArgument);
}

TEST(IdxTest, CutPlainFileIsDataLoss) {
  const std::string file = SmallFile();
  for (size_t n = 0; n < file.size(); ++n) {
    const auto r = DecodeIdx(file.substr(0, n), "images.idx");
    ASSERT_FALSE(r.ok()) << n;
    EXPECT_EQ(r.code(), Code::kDataLoss) << n;
  }
  ExpectError(file.substr(0, 3), Code::kDataLoss, "cut short");
  ExpectError(file.substr(0, 17), Code::kDataLoss, "[2,3]");
}

TEST(IdxTest, CutGzipFileIsDataLoss) {
  const std::string file = Gzip(SmallFile());
  for (size_t n = 2; n < file.size(); ++n) {
    const auto r = DecodeIdx(file.substr(0, n), "images.idx");
    ASSERT_FALSE(r.ok()) << n;
    EXPECT_EQ(r.code(), Code::kDataLoss) << n;
  }
  ExpectError(file.substr(0, file.size() - 1), Code::kDataLoss, "cut short");
}

TEST(IdxTest, FlippedBitInGzipIsDataLoss) {
  std::string data(2000, '\0');
  for (size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<char>(i * i / 7);
  }
  std::string file = Gzip(std::string({0, 0, 8, 1, 0, 0, 7, '\xd0'}) + data);
  ASSERT_TRUE(DecodeIdx(file, "x").ok());
  file[file.size() / 2] ^= 0x10;
  EXPECT_EQ(DecodeIdx(file, "x").code(), Code::kDataLoss);
  file[file.size() / 2] ^= 0x10;
  file[file.size() - 6] ^= 0x10;  // the checksum
  ExpectError(file, Code::kDataLoss, "check");
}

TEST(IdxTest, TrailingBytesAreDataLoss) {
  ExpectError(SmallFile() + "x", Code::kDataLoss, "1 more bytes");
  ExpectError(Gzip(SmallFile() + "x"), Code::kDataLoss, "more data");
  ExpectError(Gzip(SmallFile()) + "x", Code::kDataLoss, "not gzip");
}

TEST(IdxTest, WrongMagicIsNotAnIdxFile) {
  std::string file = SmallFile();
  file[0] = 1;
  ExpectError(file, Code::kInvalidArgument, "wrong magic");
  file = SmallFile();
  file[2] = 0x0a;  // no such element type
  ExpectError(file, Code::kInvalidArgument, "wrong magic");
  ExpectError("<html>Not found</html>", Code::kInvalidArgument, "wrong magic");
}

TEST(IdxTest, HugeDimensionsAreRefusedBeforeAllocating) {
  const std::string four({0, 0, 8, 4});
  std::string dims;
  for (int i = 0; i < 16; ++i) dims += '\xff';  // overflows 64 bits
  ExpectError(four + dims, Code::kDataLoss, "more than the file can hold");
  ExpectError(Gzip(four + dims), Code::kDataLoss,
              "more than the file can hold");
  const std::string one({0, 0, 8, 1, 0x7f, 0, 0, 0});
  ExpectError(one, Code::kDataLoss, "more than the file can hold");
  ExpectError(Gzip(one), Code::kDataLoss, "more than the file can hold");
  // Empty, though its other dims multiply beyond 64 bits.
  const std::string zero = StrCat(four, dims.substr(0, 12), std::string(4, 0));
  const auto empty = DecodeIdx(zero, "x");
  EXPECT_TRUE(!empty.ok() || empty->NumElements() == 0);
}

TEST(IdxTest, TooManyDimensionsAreRefused) {
  const std::string file = std::string({0, 0, 8, 17}) + std::string(68, '\1');
  ExpectError(file, Code::kInvalidArgument, "17 dimensions");
}

TEST(IdxTest, MissingFileIsNotFound) {
  const auto r = ReadIdx(*Env::Default(), "/no/such/file.gz");
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.code(), Code::kNotFound);
  EXPECT_THAT(r.status().message(), HasSubstr("/no/such/file.gz"));
}

TEST(IdxTest, ReadsFromAFile) {
  const std::string path = testing::TempDir() + "/lockstep_idx_test.gz";
  ASSERT_TRUE(
      Env::Default()->WriteFileAtomically(path, Gzip(SmallFile())).ok());
  EXPECT_EQ(ReadIdx(*Env::Default(), path).value().shape(), Shape({2, 3}));
  EXPECT_TRUE(Env::Default()->DeleteFile(path).ok());
}

}  // namespace
}  // namespace lockstep
