// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

using testing::HasSubstr;

TEST(JsonTest, TextIsAStringAndOtherBytesAreBase64) {
  EXPECT_EQ(DumpJson(BytesToJson("h\xc3\xa9")), "\"h\xc3\xa9\"");
  EXPECT_EQ(DumpJson(BytesToJson("\xff")), R"({"b64":"/w=="})");
  EXPECT_EQ(DumpJson(BytesToJson("\xff\xfe")), R"({"b64":"//4="})");
  EXPECT_EQ(DumpJson(BytesToJson("\xff\xfe\xfd")), R"({"b64":"//79"})");
  // Overlong, surrogate, beyond Unicode, cut short.
  for (const char* bytes :
       {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"}) {
    EXPECT_TRUE(BytesToJson(bytes).is_object()) << DumpJson(BytesToJson(bytes));
  }
}

TEST(JsonTest, EveryByteStringComesBack) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  for (size_t n : {0, 1, 2, 3, 200, 255, 256}) {
    EXPECT_EQ(BytesFromJson(BytesToJson(bytes.substr(0, n))).value(),
              bytes.substr(0, n));
    EXPECT_EQ(BytesFromJson(BytesToJson(bytes.substr(256 - n))).value(),
              bytes.substr(256 - n));
  }
}

TEST(JsonTest, OtherValuesAreNoByteString) {
  for (const char* text : {"1", "null", "[\"a\"]", "{}", "{\"b64\": 1}",
                           "{\"b64\": \"a\"}", "{\"b64\": \"a*==\"}"}) {
    EXPECT_EQ(BytesFromJson(ParseJson(text).value()).code(),
              Code::kInvalidArgument)
        << text;
  }
}

TEST(JsonTest, MistakesHaveAPlace) {
  const auto r = ParseJson("{\n \"a\": [1,}");
  EXPECT_EQ(r.code(), Code::kInvalidArgument);
  EXPECT_THAT(r.status().message(), HasSubstr("line 2"));
}

TEST(JsonTest, DeepValuesAreRefusedWithTheLimit) {
  EXPECT_TRUE(ParseJson(std::string(64, '[') + std::string(64, ']')).ok());
  const auto r = ParseJson(std::string(100000, '['));
  EXPECT_EQ(r.code(), Code::kResourceExhausted);
  EXPECT_THAT(r.status().message(), HasSubstr("64"));
  // Brackets in a string are no depth.
  EXPECT_TRUE(ParseJson("\"\\\"" + std::string(100, '[') + "\"").ok());
}

}  // namespace
}  // namespace lockstep
