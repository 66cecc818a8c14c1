// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/strings.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "runtime/core/shape.h"

namespace lockstep {
namespace {

TEST(StringsTest, StrCatWritesNumbersOfAllWidths) {
  EXPECT_EQ(StrCat(), "");
  EXPECT_EQ(StrCat(int8_t{-5}, ' ', uint8_t{200}, ' ', int16_t{-300}),
            "-5 200 -300");
  EXPECT_EQ(StrCat(std::numeric_limits<int64_t>::min()),
            "-9223372036854775808");
  EXPECT_EQ(StrCat(std::numeric_limits<uint64_t>::max()),
            "18446744073709551615");
}

TEST(StringsTest, StrCatWritesTheShortestTextThatReadsBack) {
  EXPECT_EQ(StrCat(0.1), "0.1");
  EXPECT_EQ(StrCat(0.1f), "0.1");
  EXPECT_EQ(StrCat(1.0 / 3), "0.3333333333333333");
  EXPECT_EQ(StrCat(1e300, " ", -0.0), "1e+300 -0");
  EXPECT_EQ(StrCat(std::numeric_limits<double>::infinity()), "inf");
  EXPECT_EQ(StrCat(std::numeric_limits<double>::max()),
            "1.7976931348623157e+308");
}

TEST(StringsTest, StrCatTakesTextAndTypesWithToString) {
  EXPECT_EQ(StrCat("a", std::string("b"), std::string_view("c"), 'd', true),
            "abcdtrue");
  EXPECT_EQ(StrCat("shape ", Shape{2, -1}), "shape [2,?]");
}

TEST(StringsTest, JoinPutsTheSeparatorBetween) {
  EXPECT_EQ(Join(std::vector<int>{}, ", "), "");
  EXPECT_EQ(Join(std::vector<int>{7}, ", "), "7");
  EXPECT_EQ(Join(std::vector<std::string>{"a", "", "c"}, "|"), "a||c");
}

TEST(StringsTest, SplitKeepsEmptyParts) {
  using Parts = std::vector<std::string>;
  EXPECT_EQ(Split("", ','), Parts{""});
  EXPECT_EQ(Split("a", ','), Parts{"a"});
  EXPECT_EQ(Split(",a,,b,", ','), (Parts{"", "a", "", "b", ""}));
}

TEST(StringsTest, HumanBytesPicksTheUnit) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(1023), "1023 B");
  EXPECT_EQ(HumanBytes(1024), "1.0 KiB");
  EXPECT_EQ(HumanBytes(1572864), "1.5 MiB");
  EXPECT_EQ(HumanBytes((1ull << 20) - 1), "1.0 MiB");  // not 1024.0 KiB
  EXPECT_EQ(HumanBytes(3ull << 40), "3.0 TiB");
  EXPECT_EQ(HumanBytes(std::numeric_limits<uint64_t>::max()), "16.0 EiB");
}

TEST(StringsTest, NearestNameFindsTypingErrors) {
  const std::vector<std::string> ops = {"MatMul", "Relu", "Reshape", "Add"};
  EXPECT_EQ(NearestName("Matmul", ops), "MatMul");
  EXPECT_EQ(NearestName("Reshap", ops), "Reshape");
  EXPECT_EQ(NearestName("RElu", ops), "Relu");
  EXPECT_EQ(NearestName("Softmax", ops), "");
  EXPECT_EQ(NearestName("", ops), "");
  EXPECT_EQ(NearestName("x", {"y"}), "");  // nothing in common
  EXPECT_EQ(NearestName("Relu", {}), "");
}

}  // namespace
}  // namespace lockstep
