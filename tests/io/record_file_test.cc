// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/record_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/testing/fault_env.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class RecordFileTest : public testing::Test {
 protected:
  void Write(const std::vector<std::string>& records) {
    RecordWriter out(env_.NewWritableFile("r").value());
    for (const std::string& r : records) ASSERT_TRUE(out.Write(r).ok());
    ASSERT_TRUE(out.Close().ok());
    bytes_ = env_.ReadFile("r").value();
  }
  // The records before the first error, which goes to `status_`.
  std::vector<std::string> Read(const std::string& bytes,
                                uint64_t limit = kMaxRecordBytes) {
    env_.Overwrite("r", bytes);
    auto in = RecordReader::Open(env_, "r", limit).value();
    std::vector<std::string> records;
    for (std::string record;;) {
      const auto more = in->Next(record);
      status_ = more.status();
      torn_ = in->at_torn_tail();
      if (!more.ok() || !*more) return records;
      records.push_back(record);
    }
  }

  MemEnv env_;
  std::string bytes_;
  Status status_;
  bool torn_ = false;
};

TEST_F(RecordFileTest, LayoutIsTheFormats) {
  Write({"abc"});
  // Checksums from an independent implementation.
  EXPECT_EQ(bytes_, std::string("\3\0\0\0\0\0\0\0\xb0\x99\x49\x0e"
                                "abc\x6e\x57\xf1\x21",
                                19));
}

TEST_F(RecordFileTest, RecordsComeBackInOrder) {
  Write({"one", "", std::string(100000, 'x')});
  EXPECT_THAT(Read(bytes_), ElementsAre("one", "", std::string(100000, 'x')));
  EXPECT_TRUE(status_.ok());
}

TEST_F(RecordFileTest, EveryCutIsReportedWithTheOffsetOfItsRecord) {
  Write({"first", "second"});
  const size_t second = 16 + 5;
  for (size_t n = second + 1; n < bytes_.size(); ++n) {
    EXPECT_THAT(Read(bytes_.substr(0, n)), ElementsAre("first"));
    EXPECT_EQ(status_.code(), Code::kDataLoss);
    EXPECT_THAT(status_.message(), HasSubstr("'r': record at offset 21"));
    EXPECT_TRUE(torn_);
  }
}

TEST_F(RecordFileTest, EveryFlippedByteIsFound) {
  Write({"hello"});
  for (size_t i = 0; i < bytes_.size(); ++i) {
    std::string damaged = bytes_;
    damaged[i] ^= 0x20;
    EXPECT_THAT(Read(damaged), ElementsAre()) << i;
    EXPECT_EQ(status_.code(), Code::kDataLoss) << i;
    EXPECT_THAT(status_.message(), HasSubstr("checksum")) << i;
    EXPECT_FALSE(torn_);
  }
}

TEST_F(RecordFileTest, LimitIsNamed) {
  Write({std::string(100, 'x')});
  Read(bytes_, 99);
  EXPECT_THAT(status_.message(),
              HasSubstr("100 bytes, more than the limit of 99"));
  EXPECT_EQ(Read(bytes_, 100).size(), 1u);
}

TEST_F(RecordFileTest, WriteErrorsAreReported) {
  FaultEnv faulty(&env_);
  RecordWriter out(faulty.NewWritableFile("r").value());
  faulty.FailAt(1, ResourceExhausted("no space left"));
  EXPECT_EQ(out.Write("abc").code(), Code::kResourceExhausted);
}

}  // namespace
}  // namespace lockstep
