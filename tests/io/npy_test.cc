// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <complex>
#include <string>

#include "tests/testing/fault_env.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string File(const std::string& dict, const std::string& data,
                 char version = 1) {
  std::string out = "\x93NUMPY";
  out += {version, 0, static_cast<char>(dict.size()), 0};
  if (version > 1) out += std::string(2, '\0');
  return out + dict + data;
}

void ExpectError(const std::string& bytes, Code code, const char* text) {
  const auto r = DecodeNpy(bytes, "x.npy");
  ASSERT_FALSE(r.ok());
  EXPECT_EQ(r.code(), code) << r.status().ToString();
  EXPECT_THAT(r.status().message(), HasSubstr("x.npy"));
  EXPECT_THAT(r.status().message(), HasSubstr(text));
}

TEST(NpyTest, WritesWhatNumpyWrites) {
  // numpy.save of numpy.array([[1, 2, 3]], numpy.int16).
  const std::string want =
      std::string("\x93NUMPY\1\0v\0", 10) +
      "{'descr': '<i2', 'fortran_order': False, 'shape': (1, 3), }" +
      std::string(58, ' ') + "\n" + std::string("\1\0\2\0\3\0", 6);
  EXPECT_EQ(EncodeNpy(Tensor::Of<int16_t>({1, 3}, {1, 2, 3})).value(), want);
}

TEST(NpyTest, EveryTypeComesBack) {
  const Tensor tensors[] = {
      Tensor(1.5f),
      Tensor::Of<double>({2, 2}, {1, -2, 1e300, 0}),
      Tensor::Of<int32_t>({3}, {-1, 0, 1 << 30}),
      Tensor(int64_t{-5}),
      Tensor::Of<uint8_t>({2}, {0, 255}),
      Tensor::Of<int8_t>({2}, {-128, 127}),
      Tensor::Of<int16_t>({2}, {-300, 300}),
      Tensor::Of<uint16_t>({1}, {65535}),
      Tensor::Of<uint32_t>({1}, {4000000000u}),
      Tensor::Of<uint64_t>({1}, {~uint64_t{0}}),
      Tensor::Of<bool>({3}, {true, false, true}),
      Tensor::Of<Half>({2}, {Half(0.5f), Half(-2.0f)}),
      Tensor::Of<std::complex<float>>({1}, {{1, 2}}),
      Tensor::Of<std::complex<double>>({1}, {{3, -4}}),
      Tensor::Of<float>({0, 3}, {}),
      Tensor::Of<float>({1, 1, 1, 1, 1, 1}, {7}),
  };
  for (const Tensor& t : tensors) {
    const std::string bytes = EncodeNpy(t).value();
    EXPECT_TRUE(BitwiseEqual(DecodeNpy(bytes, "x").value(), t)) << t.ToString();
    EXPECT_EQ(bytes.find('\n') % 64, 63u) << "data is not aligned";
  }
}

TEST(NpyTest, Bfloat16IsWrittenAsFloat) {
  const Tensor t = Tensor::Of<BFloat16>({2}, {BFloat16(1.5f), BFloat16(-8.f)});
  const Tensor back = DecodeNpy(EncodeNpy(t).value(), "x").value();
  EXPECT_EQ(back.dtype(), kFloat);
  EXPECT_THAT(back.flat<float>(), ElementsAre(1.5f, -8.0f));
}

TEST(NpyTest, StringsAreNotWritten) {
  EXPECT_EQ(EncodeNpy(Tensor("text")).code(), Code::kUnimplemented);
}

TEST(NpyTest, ReadsBigEndianAndColumnMajor) {
  const Tensor big =
      DecodeNpy(File("{'descr': '>i2', 'fortran_order': False, 'shape': (2,)}",
                     std::string("\0\1\1\0", 4)),
                "x")
          .value();
  EXPECT_THAT(big.flat<int16_t>(), ElementsAre(1, 256));
  const Tensor column =
      DecodeNpy(
          File("{'shape': (2, 3), 'fortran_order': True, 'descr': '|u1', }",
               "\1\2\3\4\5\6"),
          "x")
          .value();
  EXPECT_EQ(column.shape(), Shape({2, 3}));
  EXPECT_THAT(column.flat<uint8_t>(), ElementsAre(1, 3, 5, 2, 4, 6));
}

TEST(NpyTest, ReadsVersionTwo) {
  const Tensor t =
      DecodeNpy(File("{'descr': '|b1', 'fortran_order': False, 'shape': ()}",
                     "\2", 2),
                "x")
          .value();
  EXPECT_EQ(t.shape(), Shape());
  // A bool of another value is made true.
  EXPECT_EQ(*static_cast<const char*>(t.data()), 1);
}

TEST(NpyTest, SizeThatContradictsTheHeaderIsDataLoss) {
  const std::string dict =
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  ASSERT_TRUE(DecodeNpy(File(dict, std::string(8, 'x')), "x").ok());
  ExpectError(File(dict, std::string(7, 'x')), Code::kDataLoss, "7 bytes");
  ExpectError(File(dict, std::string(9, 'x')), Code::kDataLoss, "9 bytes");
  ExpectError(File("{'descr': '<f8', 'fortran_order': False, 'shape': "
                   "(1152921504606846976,)}",
                   ""),
              Code::kDataLoss, "0 bytes");
}

TEST(NpyTest, CutHeaderIsDataLoss) {
  const std::string file = EncodeNpy(Tensor(1.0f)).value();
  for (size_t n = 6; n < file.size(); ++n) {
    EXPECT_EQ(DecodeNpy(file.substr(0, n), "x").code(), Code::kDataLoss) << n;
  }
}

TEST(NpyTest, OtherFilesAndTypesAreRefused) {
  ExpectError("", Code::kInvalidArgument, "not a .npy");
  ExpectError("PK\3\4", Code::kInvalidArgument, "not a .npy");
  ExpectError(File("{'descr': '|O', 'fortran_order': False, 'shape': ()}", ""),
              Code::kUnimplemented, "|O");
  ExpectError(File("{'descr': '<U3', 'fortran_order': False, 'shape': ()}", ""),
              Code::kUnimplemented, "<U3");
  for (const char* dict :
       {"{", "", "{'descr': [('a', '<f4')], 'shape': ()}",
        "{'descr': '<f4', 'shape': ()}", "{'descr': '<f4}",
        "{'descr': '<f4', 'fortran_order': Maybe, 'shape': ()}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1 2)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999"
        "999999,)}"}) {
    ExpectError(File(dict, "1234"), Code::kInvalidArgument, "malformed");
  }
  ExpectError(File("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,"
                   "1,1,1,1,1,1,1,1,1,1,1,1,1)}",
                   "1234"),
              Code::kInvalidArgument, "dim");
}

TEST(NpyTest, FileRoundTrip) {
  MemEnv env;
  const Tensor t = Tensor::Of<float>({2}, {1, 2});
  ASSERT_TRUE(WriteNpy(env, "y.npy", t).ok());
  EXPECT_TRUE(BitwiseEqual(ReadNpy(env, "y.npy").value(), t));
  EXPECT_EQ(ReadNpy(env, "z.npy").code(), Code::kNotFound);
}

}  // namespace
}  // namespace lockstep
