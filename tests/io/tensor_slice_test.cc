// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/tensor_slice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(TensorSliceTest, ParsesAndPrints) {
  const auto s = ParseShapeAndSlice("10 4 5,3:-").value();
  EXPECT_FALSE(s.whole);
  EXPECT_EQ(s.full, Shape({10, 4}));
  EXPECT_EQ(s.part, Shape({3, 4}));
  EXPECT_EQ(s.slice.ToString(), "5,3:-");
  EXPECT_TRUE(ParseShapeAndSlice("").value().whole);
}

TEST(TensorSliceTest, MalformedTextIsRefused) {
  for (const char* text :
       {"10 4 5,3", "10 5,3:-", "10 4 8,3:-", "x 0,1", "4 0,-1", "4 -1,1",
        "4 1;2", "4 0,9223372036854775807", "4", "-1 -", "4  0,1", "4 0,1:"}) {
    EXPECT_EQ(ParseShapeAndSlice(text).code(), Code::kInvalidArgument) << text;
  }
}

TEST(TensorSliceTest, PartBeyondTheTensorIsNamed) {
  const Status s = ParseShapeAndSlice("10 4 8,3:-").status();
  EXPECT_THAT(s.message(), HasSubstr("'8,3:-'"));
  EXPECT_THAT(s.message(), HasSubstr("[10,4]"));
}

TEST(TensorSliceTest, OverlapIsCopied) {
  const Shape full{4, 5};
  Tensor whole(kInt32, full);
  std::iota(whole.flat<int32_t>().begin(), whole.flat<int32_t>().end(), 0);
  const auto to_slice = TensorSlice::Parse("1,2:2,3").value();
  Tensor part(kInt32, to_slice.ShapeIn(full).value());
  EXPECT_EQ(CopyOverlap(full, TensorSlice::Whole(2), whole, to_slice, part), 6);
  EXPECT_THAT(part.flat<int32_t>(), ElementsAre(7, 8, 9, 12, 13, 14));
  // From one part to another one that shares a corner with it.
  const auto corner = TensorSlice::Parse("2,2:0,3").value();
  Tensor out = Tensor::Of<int32_t>({2, 3}, {-1, -1, -1, -1, -1, -1});
  EXPECT_EQ(CountOverlap(full, to_slice, corner), 1);
  EXPECT_EQ(CopyOverlap(full, to_slice, part, corner, out), 1);
  EXPECT_THAT(out.flat<int32_t>(), ElementsAre(-1, -1, 12, -1, -1, -1));
  EXPECT_EQ(CountOverlap(full, TensorSlice::Parse("0,1:-").value(),
                         TensorSlice::Parse("1,1:-").value()),
            0);
}

TEST(TensorSliceTest, EveryCutOfACubeIsPutTogetherAgain) {
  const Shape full{3, 4, 5};
  Tensor whole(kFloat, full);
  std::iota(whole.flat<float>().begin(), whole.flat<float>().end(), 0.0f);
  for (int dim = 0; dim < 3; ++dim) {
    for (int64_t cut = 0; cut <= full.dim(dim); ++cut) {
      Tensor out(kFloat, full);
      int64_t copied = 0;
      for (int half = 0; half < 2; ++half) {
        TensorSlice s = TensorSlice::Whole(3);
        auto& e = s.extents[static_cast<size_t>(dim)];
        e.start = half == 0 ? 0 : cut;
        e.length = half == 0 ? cut : full.dim(dim) - cut;
        Tensor part(kFloat, s.ShapeIn(full).value());
        CopyOverlap(full, TensorSlice::Whole(3), whole, s, part);
        copied += CopyOverlap(full, s, part, TensorSlice::Whole(3), out);
      }
      EXPECT_EQ(copied, 60);
      EXPECT_TRUE(BitwiseEqual(out, whole)) << dim << " " << cut;
    }
  }
}

TEST(TensorSliceTest, StringsAndScalarsAreCopied) {
  const Tensor words = Tensor::Of<std::string>({3}, {"a", "b", "c"});
  Tensor out(kString, Shape{2});
  CopyOverlap(Shape{3}, TensorSlice::Whole(1), words,
              TensorSlice::Parse("1,2").value(), out);
  EXPECT_THAT(out.flat<std::string>(), ElementsAre("b", "c"));
  Tensor scalar(0.0f);
  EXPECT_EQ(CopyOverlap(Shape{}, TensorSlice::Whole(0), Tensor(3.0f),
                        TensorSlice::Whole(0), scalar),
            1);
  EXPECT_EQ(scalar.scalar<float>(), 3.0f);
}

TEST(TensorSliceTest, KeysAreThoseOfTheFormat) {
  TensorSlice s = TensorSlice::Parse("0,3:-").value();
  // From a file of TensorFlow's: number 0, "w" and its end, rank 2, then each
  // start and length; -1 is 0x7f.
  EXPECT_EQ(SliceKey("w", s), std::string("\0w\0\1\1\2\x80\x83\x80\x7f", 10));
  s = TensorSlice::Parse("64,100000:-").value();
  EXPECT_EQ(
      SliceKey(std::string("\0\xff", 2), s),
      std::string("\0\0\xff\xff\0\0\1\1\2\xc0\x40\xe1\x86\xa0\x80\x7f", 16));
  s.extents = {{INT64_MAX, 1}};
  EXPECT_EQ(SliceKey("w", s),
            std::string("\0w\0\1\1\1\xff\xc0\x7f\xff\xff\xff\xff\xff\xff"
                        "\xff\x81",
                        17));
}

TEST(TensorSliceTest, KeysAreInTheOrderOfTheirNumbers) {
  std::string last;
  for (int64_t start :
       {int64_t{0}, int64_t{1}, int64_t{63}, int64_t{64}, int64_t{8191},
        int64_t{8192}, int64_t{1} << 20, int64_t{1} << 33, int64_t{1} << 55,
        int64_t{1} << 62, INT64_MAX}) {
    TensorSlice s;
    s.extents.push_back({start, 1});
    const std::string key = SliceKey("w", s);
    EXPECT_GT(key, last) << start;
    last = key;
  }
}

}  // namespace
}  // namespace lockstep
