// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "runtime/core/object.h"

namespace lockstep {
namespace {

const std::vector<DType>& AllTypes() {
  static const auto& all = *new std::vector<DType>{
      kFloat,      kDouble,    kInt32,    kUint8,   kInt16,    kInt8,
      kString,     kComplex64, kInt64,    kBool,    kBfloat16, kUint16,
      kComplex128, kHalf,      kResource, kVariant, kUint32,   kUint64};
  return all;
}

TEST(DTypeTest, NumbersAreTensorFlows) {
  EXPECT_EQ(static_cast<int>(kFloat), 1);
  EXPECT_EQ(static_cast<int>(kInt64), 9);
  EXPECT_EQ(static_cast<int>(kHalf), 19);
  EXPECT_EQ(static_cast<int>(RefOf(kFloat)), 101);
}

TEST(DTypeTest, NamesReadBack) {
  for (const DType t : AllTypes()) {
    EXPECT_EQ(DTypeFromName(DTypeName(t)), t) << DTypeName(t);
    EXPECT_EQ(DTypeFromName(DTypeName(RefOf(t))), RefOf(t)) << DTypeName(t);
  }
  EXPECT_EQ(DTypeName(kFloat), "float");
  EXPECT_EQ(DTypeName(RefOf(kFloat)), "float_ref");
  EXPECT_EQ(DTypeName(kBfloat16), "bfloat16");
  EXPECT_EQ(DTypeName(kInvalidType), "invalid");
  EXPECT_EQ(DTypeName(static_cast<DType>(77)), "dtype(77)");
}

TEST(DTypeTest, OtherSpellingsAreRead) {
  EXPECT_EQ(DTypeFromName("float32"), kFloat);
  EXPECT_EQ(DTypeFromName("float64"), kDouble);
  EXPECT_EQ(DTypeFromName("float16"), kHalf);
  EXPECT_EQ(DTypeFromName("DT_FLOAT"), kFloat);
  EXPECT_EQ(DTypeFromName("DT_FLOAT_REF"), RefOf(kFloat));
  EXPECT_EQ(DTypeFromName("DT_BFLOAT16"), kBfloat16);
  for (const char* wrong : {"", "DT_", "_ref", "Float", "DT_float", "float3",
                            "FLOAT", "float_ref_ref", "invalid"}) {
    EXPECT_EQ(DTypeFromName(wrong), kInvalidType) << wrong;
  }
}

TEST(DTypeTest, SizesMatchTheCppTypes) {
  for (const DType t : AllTypes()) {
    (void)VisitDType(t, [&]<class T>(std::type_identity<T>) {
      EXPECT_EQ(DTypeSize(t), sizeof(T)) << DTypeName(t);
      EXPECT_EQ(DTypeOf<T>::value, t);
      EXPECT_TRUE(IsPod(t));
      return Ok();
    });
  }
  EXPECT_EQ(DTypeSize(kString), sizeof(std::string));
  EXPECT_EQ(DTypeSize(kComplex64), sizeof(std::complex<float>));
  EXPECT_EQ(DTypeSize(kComplex128), sizeof(std::complex<double>));
  EXPECT_EQ(DTypeSize(RefOf(kDouble)), 8u);
  EXPECT_EQ(DTypeSize(kInvalidType), 0u);
  EXPECT_EQ(DTypeSize(kVariant), sizeof(ObjectRef));
  EXPECT_EQ(DTypeSize(static_cast<DType>(-3)), 0u);
}

TEST(DTypeTest, VisitNamesTheTypesItHasNoNumberFor) {
  for (const DType t : {kString, kComplex64, kResource, kInvalidType}) {
    const Status s = VisitDType(t, [](auto) { return Ok(); });
    EXPECT_EQ(s.code(), Code::kUnimplemented);
    EXPECT_NE(s.message().find(DTypeName(t)), std::string::npos);
  }
}

TEST(DTypeTest, ClassesAreDisjoint) {
  for (const DType t : AllTypes()) {
    EXPECT_LE(IsFloating(t) + IsComplex(t) + IsInteger(t), 1) << DTypeName(t);
  }
  EXPECT_TRUE(IsFloating(kHalf) && IsFloating(kBfloat16));
  EXPECT_TRUE(IsInteger(kUint64) && IsInteger(kInt8));
  EXPECT_FALSE(IsInteger(kBool));
  EXPECT_TRUE(IsComplex(kComplex128));
  EXPECT_FALSE(IsPod(kString));
  EXPECT_FALSE(IsPod(kResource));
  EXPECT_TRUE(IsObject(kVariant) && IsObject(RefOf(kResource)));
  EXPECT_FALSE(IsObject(kString));
  EXPECT_TRUE(IsPod(kBool));
}

TEST(Float16Test, Bfloat16RoundsToNearestEven) {
  EXPECT_EQ(BFloat16(1.0f).bits, 0x3f80);
  EXPECT_EQ(BFloat16(1.00390625f).bits, 0x3f80);  // halfway, down to even
  EXPECT_EQ(BFloat16(1.01171875f).bits, 0x3f82);  // halfway, up to even
  EXPECT_EQ(BFloat16(std::numeric_limits<float>::max()).bits, 0x7f80);
  EXPECT_TRUE(std::isnan(float{BFloat16(std::nanf(""))}));
  EXPECT_EQ(float{BFloat16(-2.5f)}, -2.5f);
}

TEST(Float16Test, HalfRoundsToNearestEven) {
  EXPECT_EQ(Half(1.0f).bits, 0x3c00);
  EXPECT_EQ(Half(2049.0f).bits, Half(2048.0f).bits);  // halfway, down to even
  EXPECT_EQ(Half(2051.0f).bits, Half(2052.0f).bits);  // halfway, up to even
  EXPECT_EQ(Half(65520.0f).bits, 0x7c00);             // overflows
  EXPECT_EQ(float{Half(5.9604645e-8f)}, 5.9604645e-8f);  // least subnormal
  EXPECT_TRUE(std::isnan(float{Half(std::nanf(""))}));
}

}  // namespace
}  // namespace lockstep
