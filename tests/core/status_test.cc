// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/status.h"

#include <gtest/gtest.h>

#include <memory>

namespace lockstep {
namespace {

TEST(StatusTest, OkHasNoMessage) {
  EXPECT_TRUE(Ok().ok());
  EXPECT_EQ(Ok().code(), Code::kOk);
  EXPECT_EQ(Ok().message(), "");
  EXPECT_EQ(Ok().ToString(), "OK");
  EXPECT_EQ(Ok().WithContext("node 'x'").ToString(), "OK");
}

TEST(StatusTest, OkCodeWithAMessageIsOk) {
  EXPECT_TRUE(Status(Code::kOk, "ignored").ok());
  EXPECT_EQ(Status(Code::kOk, "ignored").message(), "");
}

TEST(StatusTest, BuildersConcatenateTheirParts) {
  const Status s = InvalidArgument("want ", 3, ", got ", 2.5, " and ", true);
  EXPECT_FALSE(s.ok());
  EXPECT_EQ(s.code(), Code::kInvalidArgument);
  EXPECT_EQ(s.ToString(), "INVALID_ARGUMENT: want 3, got 2.5 and true");
}

TEST(StatusTest, CodesHaveTensorFlowsNumbersAndNames) {
  EXPECT_EQ(static_cast<int>(Code::kDataLoss), 15);
  EXPECT_EQ(static_cast<int>(Code::kUnauthenticated), 16);
  EXPECT_EQ(CodeName(Code::kOk), "OK");
  EXPECT_EQ(CodeName(Code::kCancelled), "CANCELLED");
  EXPECT_EQ(CodeName(Code::kResourceExhausted), "RESOURCE_EXHAUSTED");
  EXPECT_EQ(CodeName(static_cast<Code>(99)), "UNKNOWN");
  for (int i = 1; i <= 16; ++i) {
    EXPECT_NE(CodeName(static_cast<Code>(i)), "OK") << i;
  }
}

TEST(StatusTest, CopiesAreIndependentAndMovesLeaveOk) {
  Status a = NotFound("a");
  Status b = a;
  EXPECT_EQ(b.message(), "a");
  Status c = std::move(a);
  EXPECT_EQ(c.ToString(), "NOT_FOUND: a");
  b = Ok();
  EXPECT_TRUE(b.ok());
  EXPECT_FALSE(c.ok());
  const Status& alias = c;
  c = alias;  // assignment to itself
  EXPECT_EQ(c.ToString(), "NOT_FOUND: a");
}

TEST(StatusTest, ContextGoesInFront) {
  const Status s = OutOfRange("index 7").WithContext("node 'gather'");
  EXPECT_EQ(s.ToString(), "OUT_OF_RANGE: node 'gather': index 7");
}

TEST(StatusTest, UpdateKeepsTheFirstError) {
  Status s;
  s.Update(Ok());
  EXPECT_TRUE(s.ok());
  s.Update(NotFound("first"));
  s.Update(Internal("second"));
  EXPECT_EQ(s.ToString(), "NOT_FOUND: first");
}

TEST(StatusTest, ThrowIfErrorThrowsTheCodeAndText) {
  EXPECT_NO_THROW(ThrowIfError(Ok()));
  try {
    ThrowIfError(DataLoss("block 3"));
    FAIL() << "did not throw";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kDataLoss);
    EXPECT_STREQ(e.what(), "DATA_LOSS: block 3");
  }
}

Result<int> Half(int x) {
  if (x % 2 != 0) return InvalidArgument(x, " is odd");
  return x / 2;
}

Result<int> Quarter(int x) {
  LS_ASSIGN_OR_RETURN(const int half, Half(x));
  LS_ASSIGN_OR_RETURN(const int quarter, Half(half));
  return quarter;
}

Status CheckEven(int x) {
  LS_RETURN_IF_ERROR(Half(x).status());
  return Ok();
}

TEST(ResultTest, MacrosPassValuesAndErrorsOn) {
  EXPECT_EQ(Quarter(12).value(), 3);
  EXPECT_EQ(Quarter(6).status().ToString(), "INVALID_ARGUMENT: 3 is odd");
  EXPECT_TRUE(CheckEven(2).ok());
  EXPECT_EQ(CheckEven(5).message(), "5 is odd");
}

TEST(ResultTest, ValueThrowsWhenThereIsNone) {
  EXPECT_THROW((void)Half(1).value(), Error);
  const Result<int> r = Half(1);
  EXPECT_THROW((void)r.value(), Error);
  EXPECT_EQ(r.code(), Code::kInvalidArgument);
}

TEST(ResultTest, HoldsTypesThatOnlyMove) {
  Result<std::unique_ptr<int>> r = std::make_unique<int>(4);
  ASSERT_TRUE(r.ok());
  const std::unique_ptr<int> p = *std::move(r);
  EXPECT_EQ(*p, 4);
}

}  // namespace
}  // namespace lockstep
