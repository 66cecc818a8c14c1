// SPDX-License-Identifier: Apache-2.0
// Expected values are what TensorFlow 2.21 made of the same.
#include "runtime/io/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>

#include "proto/summary.pb.h"
#include "runtime/io/histogram.h"
#include "runtime/io/png.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

proto::Summary Parsed(const Summary& summary) {
  proto::Summary p;
  EXPECT_TRUE(p.ParseFromString(summary.Serialize()));
  return p;
}

std::vector<uint8_t> FirstImage(const Tensor& images,
                                const ImageOptions& options = {}) {
  Summary s;
  const Status status = s.AddImages("t", images, options);
  if (!status.ok()) {
    ADD_FAILURE() << status.ToString();
    return {};
  }
  const proto::Summary p = Parsed(s);
  const Tensor pixels =
      DecodePng(p.value(0).image().encoded_image_string()).value();
  const auto flat = pixels.flat<uint8_t>();
  return {flat.begin(), flat.end()};
}

TEST(HistogramTest, EmptyAndZero) {
  const Histogram none;
  EXPECT_EQ(none.min(), DBL_MAX);
  EXPECT_EQ(none.max(), -DBL_MAX);
  ASSERT_EQ(none.Compacted().size(), 1u);
  EXPECT_EQ(none.Compacted()[0].limit, DBL_MAX);

  Histogram zeros;
  zeros.Add(0);
  zeros.Add(0);
  const auto buckets = zeros.Compacted();
  ASSERT_EQ(buckets.size(), 3u);
  EXPECT_EQ(buckets[0].limit, 0);
  EXPECT_EQ(buckets[0].count, 0);
  EXPECT_EQ(buckets[1].limit, 1e-12);
  EXPECT_EQ(buckets[1].count, 2);
  EXPECT_EQ(buckets[2].limit, DBL_MAX);
}

TEST(HistogramTest, TheLargestNumbersHaveABucket) {
  Histogram h;
  h.Add(DBL_MAX);
  h.Add(-DBL_MAX);
  const auto buckets = h.Compacted();
  double count = 0;
  for (const auto& b : buckets) count += b.count;
  EXPECT_EQ(count, 2);
  EXPECT_EQ(buckets.back().limit, DBL_MAX);
  EXPECT_EQ(buckets.back().count, 1);
}

TEST(HistogramTest, ACountIsOfValuesBelowTheLimit) {
  Histogram h;
  h.Add(1e-12);
  const auto buckets = h.Compacted();
  ASSERT_EQ(buckets.size(), 3u);
  EXPECT_EQ(buckets[0].limit, 1e-12);
  EXPECT_DOUBLE_EQ(buckets[1].limit, 1.1e-12);
  EXPECT_EQ(buckets[1].count, 1);
}

TEST(SummaryTest, HistogramOfIntegers) {
  Summary s;
  ASSERT_TRUE(s.AddHistogram("h", Tensor::Of<int32_t>({3}, {1, -2, 3})).ok());
  const proto::Summary p = Parsed(s);
  EXPECT_EQ(p.value(0).tag(), "h");
  EXPECT_EQ(p.value(0).histo().min(), -2);
  EXPECT_EQ(p.value(0).histo().max(), 3);
  EXPECT_EQ(p.value(0).histo().sum(), 2);
  EXPECT_EQ(p.value(0).histo().sum_squares(), 14);
}

TEST(SummaryTest, HistogramRefusesWhatIsNotFinite) {
  Summary s;
  EXPECT_THAT(s.AddHistogram("h", Tensor(NAN)).message(),
              HasSubstr("Nan in summary histogram for: h"));
  EXPECT_THAT(s.AddHistogram("h", Tensor(-INFINITY)).message(),
              HasSubstr("Infinity in Histogram for: h"));
  EXPECT_EQ(s.AddHistogram("h", Tensor("x")).code(), Code::kUnimplemented);
  EXPECT_EQ(s.Serialize(), "");
}

TEST(SummaryTest, PositiveImagesAreScaledTo255AndBadPixelsColoured) {
  const Tensor image = Tensor::Of<float>(
      {1, 1, 5, 3},
      {0.1f, 0.2f, NAN, 0.3f, .4f, 1, 2, 3, 4, 5, 6, INFINITY, 7, 8, 9});
  EXPECT_THAT(FirstImage(image), ElementsAre(255, 0, 0, 8, 11, 28, 56, 85, 113,
                                             255, 0, 0, 198, 226, 255));
  EXPECT_THAT(
      FirstImage(image, {.bad_color = {1, 2, 3}}),
      ElementsAre(1, 2, 3, 8, 11, 28, 56, 85, 113, 1, 2, 3, 198, 226, 255));
}

TEST(SummaryTest, ImagesWithNegativeValuesAreCentredAt128) {
  Tensor half(kHalf, Shape{1, 1, 5, 3});
  const float values[] = {0.1f, 0.2f, -1, 0.3f,      .4f, 1, -2, 3,
                          4,    5,    6,  -INFINITY, 7,   8, 9};
  std::ranges::copy(values, half.flat<Half>().begin());
  EXPECT_THAT(FirstImage(half),
              ElementsAre(129, 130, 113, 132, 133, 142, 99, 170, 184, 255, 0, 0,
                          226, 240, 255));
}

TEST(SummaryTest, ImagesOfZerosAndOfNoNumbers) {
  EXPECT_THAT(FirstImage(Tensor::Of<float>({1, 1, 2, 1}, {0, 0})),
              ElementsAre(0, 0));
  EXPECT_THAT(FirstImage(Tensor::Of<double>({1, 1, 2, 1}, {NAN, NAN})),
              ElementsAre(255, 255));
}

TEST(SummaryTest, BytesAreKeptAndTagsNumbered) {
  const Tensor images = Tensor::Of<uint8_t>({2, 2, 1, 1}, {1, 2, 3, 4});
  Summary s;
  ASSERT_TRUE(s.AddImages("a", images).ok());
  ASSERT_TRUE(s.AddImages("b", images, {.max_images = 1}).ok());
  const proto::Summary p = Parsed(s);
  ASSERT_EQ(p.value_size(), 3);
  EXPECT_EQ(p.value(0).tag(), "a/image/0");
  EXPECT_EQ(p.value(1).tag(), "a/image/1");
  EXPECT_EQ(p.value(2).tag(), "b/image");
  EXPECT_EQ(p.value(1).image().height(), 2);
  EXPECT_EQ(p.value(1).image().width(), 1);
  EXPECT_EQ(p.value(1).image().colorspace(), 1);
  const Tensor second =
      DecodePng(p.value(1).image().encoded_image_string()).value();
  EXPECT_THAT(second.flat<uint8_t>(), ElementsAre(3, 4));
}

TEST(SummaryTest, WhatAreNoImagesIsRefused) {
  Summary s;
  for (const Shape& shape :
       {Shape{2, 2, 1}, Shape{1, 2, 2, 2}, Shape{1, 0, 2, 1}}) {
    EXPECT_EQ(s.AddImages("t", Tensor(kUint8, shape)).code(),
              Code::kInvalidArgument)
        << shape.ToString();
  }
  EXPECT_EQ(s.AddImages("t", Tensor(kInt32, Shape{1, 1, 1, 1})).code(),
            Code::kInvalidArgument);
  EXPECT_THAT(
      s.AddImages("t", Tensor(kUint8, Shape{1, 1, 1, 3}), {.bad_color = {1}})
          .message(),
      HasSubstr("bad_color has 1 values, the images 3 channels"));
  // An empty batch is no mistake.
  EXPECT_TRUE(s.AddImages("t", Tensor(kUint8, Shape{0, 2, 2, 1})).ok());
  EXPECT_EQ(s.Serialize(), "");
}

TEST(SummaryTest, Sounds) {
  Summary s;
  const Tensor sounds = Tensor::Of<float>({2, 2}, {0, 1, -1, 0});
  ASSERT_TRUE(s.AddAudio("a", sounds, 8000.5f).ok());
  ASSERT_TRUE(s.AddAudio("b", Tensor(kFloat, Shape{1, 0, 2}), 8000, 1).ok());
  const proto::Summary p = Parsed(s);
  ASSERT_EQ(p.value_size(), 3);
  EXPECT_EQ(p.value(1).tag(), "a/audio/1");
  EXPECT_EQ(p.value(1).audio().sample_rate(), 8000.5f);
  EXPECT_EQ(p.value(1).audio().num_channels(), 1);
  EXPECT_EQ(p.value(1).audio().length_frames(), 2);
  EXPECT_EQ(p.value(1).audio().content_type(), "audio/wav");
  EXPECT_EQ(p.value(2).tag(), "b/audio");
  EXPECT_EQ(p.value(2).audio().length_frames(), 0);
  EXPECT_THAT(s.AddAudio("a", sounds, 0).message(),
              HasSubstr("sample_rate must be > 0"));
  EXPECT_THAT(s.AddAudio("a", Tensor(kFloat, Shape{3}), 1).message(),
              HasSubstr("Tensor must be 3-D or 2-D"));
}

TEST(SummaryTest, TextAndTensors) {
  Summary s;
  ASSERT_TRUE(s.AddText("note", Tensor("**bold**")).ok());
  ASSERT_TRUE(s.AddTensor("x", Tensor(1.5f), "\xff").ok());
  ASSERT_TRUE(s.AddNodeTensor("node", Tensor(1.5f)).ok());
  EXPECT_EQ(s.AddText("note", Tensor(1.0f)).code(), Code::kInvalidArgument);
  const proto::Summary p = Parsed(s);
  EXPECT_EQ(p.value(0).metadata().plugin_data().plugin_name(), "text");
  EXPECT_EQ(p.value(0).tensor().string_val(0), "**bold**");
  EXPECT_EQ(p.value(1).metadata().plugin_data().plugin_name(), "");
  EXPECT_EQ(p.value(2).node_name(), "node");
  EXPECT_EQ(p.value(2).tag(), "");
}

TEST(SummaryTest, MergeKeepsOrderAndRefusesATagTwice) {
  Summary a;
  a.AddScalar("x", 1);
  Summary b;
  b.AddScalar("y", 2);
  Summary all;
  ASSERT_TRUE(all.Merge(a.Serialize()).ok());
  ASSERT_TRUE(all.Merge("").ok());
  ASSERT_TRUE(all.Merge(b.Serialize()).ok());
  EXPECT_THAT(all.Merge(a.Serialize()).message(),
              HasSubstr("Duplicate tag x found in summary inputs"));
  EXPECT_THAT(all.Merge("\xff").message(),
              HasSubstr("Could not parse one of the summary inputs"));
  const proto::Summary p = Parsed(all);
  ASSERT_EQ(p.value_size(), 2);
  EXPECT_EQ(p.value(1).simple_value(), 2);
}

}  // namespace
}  // namespace lockstep
