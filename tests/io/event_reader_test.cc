// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/event_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/event.pb.h"
#include "runtime/io/event_writer.h"
#include "runtime/io/png.h"
#include "runtime/io/wav.h"
#include "tests/testing/fault_env.h"
#include "tests/testing/test_files.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

TEST(EventReaderTest, EveryKindComesBack) {
  MemEnv env;
  auto out = EventWriter::Open(env, "logs").value();
  Summary s;
  s.AddScalar("loss", 0.5f);
  ASSERT_TRUE(
      s.AddHistogram("weights", Tensor::Of<float>({3}, {0, 0, 2})).ok());
  const Tensor pixels = Tensor::Of<uint8_t>({1, 1, 2, 1}, {7, 9});
  ASSERT_TRUE(s.AddImages("picture", pixels, {.max_images = 1}).ok());
  ASSERT_TRUE(
      s.AddAudio("sound", Tensor::Of<float>({1, 2}, {0, 0.5f}), 8000, 1).ok());
  ASSERT_TRUE(s.AddText("note", Tensor::Of<std::string>({2}, {"a", "b"})).ok());
  ASSERT_TRUE(s.AddTensor("raw", Tensor(int64_t{3})).ok());
  ASSERT_TRUE(out->AddSummary(s, 4).ok());
  ASSERT_TRUE(out->AddScalar("loss", 0.25f, 5).ok());
  ASSERT_TRUE(out->AddGraph("graph").ok());
  ASSERT_TRUE(out->AddMetaGraph("meta").ok());

  EventLog log = ReadEventLog(env, "logs").value();
  EXPECT_EQ(log.graph_def, "graph");
  EXPECT_EQ(log.meta_graph_def, "meta");
  ASSERT_THAT(log.values["loss"], SizeIs(2));
  EXPECT_EQ(log.values["loss"][1].step, 5);
  EXPECT_EQ(log.values["loss"][1].value.scalar, 0.25f);
  const LoggedHistogram& h = *log.values["weights"].at(0).value.histogram;
  EXPECT_EQ(h.num, 3);
  EXPECT_EQ(h.sum, 2);
  EXPECT_EQ(h.buckets.at(1).count, 2);
  const LoggedValue& picture = log.values["picture/image"].at(0).value;
  EXPECT_EQ(picture.kind, "image");
  EXPECT_EQ(picture.images.at(0).width, 2);
  EXPECT_THAT(DecodePng(picture.images[0].png).value().flat<uint8_t>(),
              ElementsAre(7, 9));
  const LoggedValue& sound = log.values["sound/audio"].at(0).value;
  EXPECT_EQ(sound.sounds.at(0).frames, 2);
  EXPECT_THAT(DecodeWav(sound.sounds[0].wav).value().samples.flat<float>(),
              ElementsAre(0, 0.5f));
  const LoggedValue& note = log.values["note"].at(0).value;
  EXPECT_EQ(note.kind, "text");
  EXPECT_THAT(note.tensor.flat<std::string>(), ElementsAre("a", "b"));
  EXPECT_EQ(log.values["raw"].at(0).value.kind, "tensor");
  EXPECT_EQ(log.values["raw"][0].value.tensor.scalar<int64_t>(), 3);
}

TEST(EventReaderTest, FolderWithoutEventFilesIsNotFound) {
  MemEnv env;
  ASSERT_TRUE(env.CreateDirs("logs").ok());
  EXPECT_EQ(ReadEventLog(env, "logs").code(), Code::kNotFound);
  EXPECT_EQ(ReadEventLog(env, "nowhere").code(), Code::kNotFound);
}

TEST(EventReaderTest, TensorThatClaimsMoreThanItHasStaysUndefined) {
  MemEnv env;
  proto::Event event;
  proto::Summary::Value* v = event.mutable_summary()->add_value();
  v->set_tag("huge");
  v->mutable_tensor()->set_dtype(proto::DT_FLOAT);
  v->mutable_tensor()->mutable_tensor_shape()->add_dim()->set_size(1 << 28);
  v->mutable_tensor()->add_float_val(1);
  {
    RecordWriter file(env.NewWritableFile("x.tfevents").value());
    ASSERT_TRUE(file.Write(event.SerializeAsString()).ok());
    ASSERT_TRUE(file.Close().ok());
  }
  const auto events = ReadEvents(env, "x.tfevents").value();
  EXPECT_EQ(events.at(0).values.at(0).kind, "tensor");
  EXPECT_FALSE(events[0].values[0].tensor.defined());
}

TEST(EventReaderTest, TensorFlow1sFile) {
  LS_REQUIRE_FIXTURES();
  EventLog log =
      ReadEventLog(*Env::Default(), FixtureFile("events_v1/logs")).value();
  ASSERT_THAT(log.values["loss"], SizeIs(4));
  EXPECT_NEAR(*log.values["loss"][0].value.scalar, 0.0072913328f, 1e-9);
  EXPECT_EQ(log.values["layer_output"].at(0).value.histogram->num, 30);
  const auto& image = log.values["picture/image/0"].at(0).value.images.at(0);
  EXPECT_EQ(DecodePng(image.png).value().shape(), (Shape{4, 5, 3}));
  const auto& sound = log.values["sound/audio"].at(0).value.sounds.at(0);
  EXPECT_EQ(DecodeWav(sound.wav).value().samples.shape(), (Shape{40, 1}));
  EXPECT_THAT(log.values["note"].at(0).value.tensor.flat<std::string>(),
              ElementsAre("step 0", "**bold**"));
  EXPECT_FALSE(log.graph_def.empty());
}

TEST(EventReaderTest, TensorFlow2sFileReadsTheSame) {
  LS_REQUIRE_FIXTURES();
  EventLog log =
      ReadEventLog(*Env::Default(), FixtureFile("events_v2/logs")).value();
  std::map<std::string, int> kinds;
  for (const auto& [tag, points] : log.values) {
    for (const EventLog::Point& p : points) ++kinds[p.value.kind];
  }
  for (const char* kind : {"scalar", "histogram", "image", "audio", "text"}) {
    EXPECT_GT(kinds[kind], 0) << kind;
  }
  EXPECT_EQ(kinds["tensor"], 0);
}

}  // namespace
}  // namespace lockstep
