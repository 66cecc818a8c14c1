// SPDX-License-Identifier: Apache-2.0
// What the summaries hold is tested in tests/io/summary_test.cc; here, that the
// ops hand over their operands and attributes, and what they refuse.
#include "ops/summary/summary.h"

#include "ops/ops.h"
#include "proto/summary.pb.h"
#include "runtime/io/png.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

proto::Summary Summarized(OpCase op) {
  auto out = op.Run();
  proto::Summary p;
  if (!out.ok()) {
    ADD_FAILURE() << out.status().ToString();
    return p;
  }
  EXPECT_TRUE(out->shape().IsScalar());
  EXPECT_TRUE(p.ParseFromString(out->scalar<std::string>()));
  return p;
}

OpCase Scalars() {
  return OpCase([](const Scope& s, const Outputs& in) {
    return ops::ScalarSummary(s, in[0], in[1]);
  });
}

TEST(ScalarSummaryTest, OneValueForEachTag) {
  for (DType t : {kFloat, kDouble, kInt32, kInt64, kUint8, kHalf, kBfloat16}) {
    const proto::Summary p =
        Summarized(Scalars().In(S({2}, {"a", "b"})).In(As(t, D({2}, {1, 2}))));
    ASSERT_EQ(p.value_size(), 2) << DTypeName(t);
    EXPECT_EQ(p.value(1).tag(), "b");
    EXPECT_EQ(p.value(1).simple_value(), 2) << DTypeName(t);
  }
  EXPECT_EQ(Summarized(Scalars().In(S({0}, {})).In(F({0}, {}))).value_size(),
            0);
  EXPECT_EQ(Summarized(Scalars().In(S({}, {"a"})).In(F({}, {3}))).value_size(),
            1);
}

TEST(ScalarSummaryTest, ShapesMustAgree) {
  Scalars()
      .In(S({2}, {"a", "b"}))
      .In(F({1}, {1}))
      .WantError(Code::kInvalidArgument, "not the same shape: [2] != [1]");
  Scalars()
      .In(S({}, {"a"}))
      .In(F({1}, {1}))
      .WantError(Code::kInvalidArgument, "not the same shape: [] != [1]");
  Scalars()
      .In(S({}, {"a"}))
      .In(S({}, {"b"}))
      .WantError(Code::kInvalidArgument, "T");
}

OpCase Histograms() {
  return OpCase([](const Scope& s, const Outputs& in) {
    return ops::HistogramSummary(s, in[0], in[1]);
  });
}

TEST(HistogramSummaryTest, CountsAllElements) {
  const proto::Summary p =
      Summarized(Histograms().In(S({}, {"h"})).In(I({2, 2}, {1, 2, 3, 4})));
  EXPECT_EQ(p.value(0).histo().num(), 4);
  EXPECT_EQ(p.value(0).histo().sum(), 10);
  EXPECT_EQ(Summarized(Histograms().In(S({}, {"h"})).In(F({0}, {})))
                .value(0)
                .histo()
                .num(),
            0);
}

TEST(HistogramSummaryTest, RefusesNanAndTagsThatAreNoScalar) {
  Histograms()
      .In(S({}, {"h"}))
      .In(F({1}, {NAN}))
      .WantError(Code::kInvalidArgument, "Nan in summary histogram");
  Histograms()
      .In(S({1}, {"h"}))
      .In(F({1}, {1}))
      .WantError(Code::kInvalidArgument, "tag must be scalar");
}

TEST(ImageSummaryTest, AttributesArePassedOn) {
  const proto::Summary p =
      Summarized(OpCase([](const Scope& s, const Outputs& in) {
                   return ops::ImageSummary(
                       s, in[0], in[1], {.max_images = 2, .bad_color = {9}});
                 })
                     .In(S({}, {"i"}))
                     .In(F({3, 1, 2, 1}, {1, NAN, 1, 1, 1, 1})));
  ASSERT_EQ(p.value_size(), 2);
  EXPECT_EQ(p.value(0).tag(), "i/image/0");
  const Tensor pixels =
      DecodePng(p.value(0).image().encoded_image_string()).value();
  EXPECT_THAT(pixels.flat<uint8_t>(), testing::ElementsAre(255, 9));
}

TEST(ImageSummaryTest, RefusesWhatAreNoImages) {
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::ImageSummary(s, "i", in[0]);
  })
      .In(F({1, 1, 1, 2}, {1, 2}))
      .WantError(Code::kInvalidArgument, "last dim 1, 3, or 4");
  OpCase([](const Scope& s, const Outputs& in) {
    return s.Op("ImageSummary")
        .In("i")
        .In(in[0])
        .Attr("bad_color", Tensor(1.0f))
        .Out();
  })
      .In(F({1, 1, 1, 1}, {1}))
      .WantError(Code::kInvalidArgument, "bad_color must be a vector of uint8");
}

TEST(AudioSummaryTest, BothFormsOfTheOp) {
  const proto::Summary v2 =
      Summarized(OpCase([](const Scope& s, const Outputs& in) {
                   return ops::AudioSummary(s, "a", in[0], in[1], 1);
                 })
                     .In(F({2, 3}, {0, 0, 0, 0, 0, 0}))
                     .In(F({}, {8000})));
  ASSERT_EQ(v2.value_size(), 1);
  EXPECT_EQ(v2.value(0).tag(), "a/audio");
  EXPECT_EQ(v2.value(0).audio().sample_rate(), 8000);
  const proto::Summary v1 =
      Summarized(OpCase([](const Scope& s, const Outputs& in) {
                   return s.Op("AudioSummary")
                       .In("a")
                       .In(in[0])
                       .Attr("sample_rate", 44100.0f)
                       .Out();
                 }).In(F({2, 3}, {0, 0, 0, 0, 0, 0})));
  ASSERT_EQ(v1.value_size(), 2);
  EXPECT_EQ(v1.value(1).tag(), "a/audio/1");
  EXPECT_EQ(v1.value(1).audio().sample_rate(), 44100);
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::AudioSummary(s, "a", in[0], 0.0f);
  })
      .In(F({1, 1}, {0}))
      .WantError(Code::kInvalidArgument, "sample_rate must be > 0");
}

TEST(TensorSummaryTest, ValueAndMetadata) {
  const proto::Summary v2 =
      Summarized(OpCase([](const Scope& s, const Outputs& in) {
                   return ops::TextSummary(s, "t", in[0]);
                 }).In(S({2}, {"x", "y"})));
  EXPECT_EQ(v2.value(0).tag(), "t");
  EXPECT_EQ(v2.value(0).metadata().plugin_data().plugin_name(), "text");
  EXPECT_EQ(v2.value(0).tensor().string_val(1), "y");
  const proto::Summary v1 = Summarized(
      OpCase([](const Scope& s, const Outputs& in) {
        return s.WithName("node").Op("TensorSummary").In(in[0]).Out();
      }).In(F({1}, {2})));
  EXPECT_EQ(v1.value(0).node_name(), "node");
  EXPECT_EQ(v1.value(0).tensor().tensor_content().size(), 4u);
}

TEST(MergeSummaryTest, MergesAllThatAreNotMergedYet) {
  const proto::Summary p =
      Summarized(OpCase([](const Scope& s, const Outputs& in) {
                   const Output a = ops::ScalarSummary(s, "a", in[0]);
                   const Output b = ops::ScalarSummary(s, "b", in[0]);
                   ops::MergeSummary(s, {a, b});
                   ops::ScalarSummary(s, "c", in[0]);
                   return ops::MergeAllSummaries(s);
                 }).In(F({}, {2})));
  ASSERT_EQ(p.value_size(), 3);
  EXPECT_EQ(p.value(0).tag(), "a");
  EXPECT_EQ(p.value(2).tag(), "c");
}

TEST(MergeSummaryTest, NothingToMergeIsNoError) {
  Graph graph;
  Scope root(&graph);
  EXPECT_FALSE(ops::MergeAllSummaries(root).defined());
  EXPECT_TRUE(root.ok());
}

TEST(MergeSummaryTest, TagTwiceAndWhatIsNoSummaryAreRefused) {
  OpCase([](const Scope& s, const Outputs& in) {
    const Output a = ops::ScalarSummary(s, "a", in[0]);
    return ops::MergeSummary(s, {a, a});
  })
      .In(F({}, {2}))
      .WantError(Code::kInvalidArgument, "Duplicate tag a");
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::MergeSummary(s, {in[0]});
  })
      .In(S({2}, {"", "\xff"}))
      .WantError(Code::kInvalidArgument, "Could not parse one of the summary");
}

}  // namespace
}  // namespace lockstep
