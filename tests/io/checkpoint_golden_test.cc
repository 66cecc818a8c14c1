// SPDX-License-Identifier: Apache-2.0
// Files that TensorFlow wrote: those of data/make_golden.py, and the recorded
// cases where the machine has them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <complex>
#include <limits>
#include <string>
#include <vector>

#include "runtime/io/checkpoint_reader.h"
#include "runtime/io/checkpoint_state.h"
#include "runtime/io/event_reader.h"
#include "runtime/io/npy.h"
#include "tests/testing/test_files.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<CheckpointReader> OpenGolden(const std::string& name) {
  return CheckpointReader::Open(*Env::Default(), TestFile("io/data/" + name))
      .value();
}

// Written by data/make_objects.py.
TEST(CheckpointGoldenTest, VariablesOfTensorFlow2AreFoundByName) {
  const auto reader = OpenGolden("objects");
  EXPECT_EQ(reader->Read("global_step").value().scalar<int64_t>(), 7);
  EXPECT_EQ(reader->Read("deep/w").value().scalar<float>(), 8);
  // Three are called "kernel": they are found by their places.
  EXPECT_EQ(reader->Find("kernel"), nullptr);
  EXPECT_THAT(reader->Read("model/layers/1/kernel").value().flat<float>(),
              ElementsAre(3, 2));
  EXPECT_EQ(reader->Read("model/extra/x/y.z").value().scalar<float>(), 9);
  EXPECT_EQ(reader->Find("deep/w")->name, "model/w/.ATTRIBUTES/VARIABLE_VALUE");
  EXPECT_EQ(reader->Find("deep/w")->variable, "deep/w");
  EXPECT_EQ(reader->Find("model/w/.ATTRIBUTES/VARIABLE_VALUE"),
            reader->Find("deep/w"));
  EXPECT_THAT(reader->Read("deep/v").status().message(),
              HasSubstr("nearest: 'deep/w'"));
}

TEST(CheckpointGoldenTest, EveryTypeIsRead) {
  const std::pair<const char*, Tensor> want[] = {
      {"t/bfloat16", Tensor::Of<BFloat16>({2}, {1.5f, -8.0f})},
      {"t/bool", Tensor::Of<bool>({3}, {true, false, true})},
      {"t/complex128", Tensor::Of<std::complex<double>>({1}, {{3, -4}})},
      {"t/complex64", Tensor::Of<std::complex<float>>({1}, {{1, 2}})},
      {"t/double", Tensor::Of<double>({2}, {1e300, -0.1})},
      {"t/empty", Tensor::Of<float>({0, 3}, {})},
      {"t/float",
       Tensor::Of<float>(
           {2, 2}, {1.5f, -2.25f, 0, std::numeric_limits<float>::infinity()})},
      {"t/half", Tensor::Of<Half>({2}, {0.5f, -65504.0f})},
      {"t/int16", Tensor::Of<int16_t>({2}, {-300, 300})},
      {"t/int32", Tensor(int32_t{-70000})},
      {"t/int64", Tensor(int64_t{1} << 40)},
      {"t/int8", Tensor::Of<int8_t>({2}, {-128, 127})},
      {"t/string",
       Tensor::Of<std::string>({3}, {"alpha", "", [] {
                                       std::string s;
                                       for (int i = 0; i < 70; ++i) {
                                         s += std::string("\xff\0z", 3);
                                       }
                                       return s;
                                     }()})},
      {"t/uint16", Tensor::Of<uint16_t>({1}, {65535})},
      {"t/uint32", Tensor::Of<uint32_t>({1}, {4000000000u})},
      {"t/uint64", Tensor::Of<uint64_t>({1}, {~uint64_t{0}})},
      {"t/uint8", Tensor::Of<uint8_t>({2}, {0, 255})},
  };
  const auto reader = OpenGolden("types");
  ASSERT_EQ(reader->entries().size(), std::size(want));
  for (size_t i = 0; i < std::size(want); ++i) {
    const auto& [name, tensor] = want[i];
    EXPECT_EQ(reader->entries()[i].name, name);
    EXPECT_EQ(reader->entries()[i].dtype, tensor.dtype());
    EXPECT_EQ(reader->entries()[i].shape, tensor.shape());
    const auto got = reader->Read(name);
    ASSERT_TRUE(got.ok()) << got.status().ToString();
    EXPECT_TRUE(BitwiseEqual(*got, tensor)) << name << got->ToString();
  }
}

TEST(CheckpointGoldenTest, PartsAreOneTensor) {
  const auto reader = OpenGolden("parts");
  ASSERT_EQ(reader->entries().size(), 2u);
  EXPECT_EQ(reader->entries()[0].name, "m");
  EXPECT_TRUE(reader->entries()[0].partitioned);
  EXPECT_EQ(reader->entries()[0].bytes, 60u);
  const Tensor w = reader->Read("w").value();
  ASSERT_EQ(w.shape(), Shape({7, 4}));
  for (int i = 0; i < 28; ++i) EXPECT_EQ(w.flat<float>()[size_t(i)], i);
  const Tensor m = reader->Read("m").value();
  for (int i = 0; i < 15; ++i) EXPECT_EQ(m.flat<int32_t>()[size_t(i)], i);
}

TEST(CheckpointGoldenTest, PartsAreReadByThemselvesAndAcross) {
  const auto reader = OpenGolden("parts");
  auto read = [&](const char* what) {
    const auto s = ParseShapeAndSlice(what).value();
    return reader->ReadSlice("w", s.full, s.slice).value();
  };
  const Tensor stored = read("7 4 3,2:-");
  EXPECT_EQ(stored.shape(), Shape({2, 4}));
  EXPECT_THAT(stored.flat<float>(),
              ElementsAre(12, 13, 14, 15, 16, 17, 18, 19));
  EXPECT_THAT(read("7 4 2,4:1,2").flat<float>(),
              ElementsAre(9, 10, 13, 14, 17, 18, 21, 22));
  const auto bad = ParseShapeAndSlice("7 5 0,1:-").value();
  const Status s = reader->ReadSlice("w", bad.full, bad.slice).status();
  EXPECT_EQ(s.code(), Code::kInvalidArgument);
  EXPECT_THAT(s.message(), HasSubstr("'w' has shape [7,4]"));
}

TEST(CheckpointGoldenTest, ShardsAreFound) {
  const auto reader = OpenGolden("shards");
  EXPECT_THAT(reader->Read("left").value().flat<float>(), ElementsAre(1, 2));
  EXPECT_THAT(reader->Read("right").value().flat<int32_t>(),
              ElementsAre(3, 4, 5));
}

TEST(CheckpointGoldenTest, StateFileIsRead) {
  const std::string dir = TestFile("io/data");
  const auto state = ReadCheckpointState(*Env::Default(), dir).value();
  EXPECT_EQ(state.latest, dir + "/types");
  EXPECT_THAT(state.all, ElementsAre(dir + "/parts", dir + "/types"));
  EXPECT_THAT(state.timestamps, ElementsAre(1700000000.5, 1700000001.25));
  EXPECT_EQ(LatestCheckpoint(*Env::Default(), dir).value(), dir + "/types");
}

TEST(CheckpointGoldenTest, EventFileIsRead) {
  const auto events =
      ReadEvents(*Env::Default(), TestFile("io/data/events.golden")).value();
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0].file_version, "brain.Event:2");
  EXPECT_FALSE(events[1].graph_def.empty());
  EXPECT_FALSE(events[2].meta_graph_def.empty());
  EXPECT_EQ(events[3].step, 3);
  ASSERT_EQ(events[3].values.size(), 1u);
  EXPECT_EQ(events[3].values[0].tag, "loss");
  EXPECT_EQ(events[3].values[0].scalar, 0.25f);
}

// Compares each tensor with value_<name>.npy beside the case; bfloat16 is
// recorded as float32. Returns how many were compared.
int CompareFixture(const std::string& folder, const std::string& prefix) {
  Env& env = *Env::Default();
  const auto reader =
      CheckpointReader::Open(env, FixtureFile(folder + "/" + prefix)).value();
  EXPECT_TRUE(reader->Verify().ok());
  int compared = 0;
  for (const CheckpointEntry& e : reader->entries()) {
    std::string file = e.name;
    std::ranges::replace(file, '/', '_');
    file = FixtureFile(StrCat(folder, "/value_", file, ".npy"));
    if (!env.FileExists(file)) continue;
    const Tensor want = ReadNpy(env, file).value();
    const Tensor got = reader->Read(e.name).value();
    const Tensor as_npy = DecodeNpy(EncodeNpy(got).value(), "x").value();
    EXPECT_TRUE(BitwiseEqual(as_npy, want)) << e.name;
    ++compared;
  }
  return compared;
}

TEST(CheckpointFixtureTest, ValuesAreThoseRecorded) {
  LS_REQUIRE_FIXTURES();
  EXPECT_EQ(CompareFixture("checkpoint_types", "checkpoint_files/model.ckpt"),
            10);
  EXPECT_EQ(CompareFixture("checkpoint_partitioned", "parts.ckpt"), 2);
  // Two trees of names, of which only some have a recorded value.
  EXPECT_GE(CompareFixture("checkpoint_sharded", "model/sharded-20"), 1);
  CompareFixture("checkpoint_sharded", "model/sharded-10");
  CompareFixture("savedmodel_v1", "saved_model/variables/variables");
  CompareFixture("savedmodel_v2_module", "saved_model/variables/variables");
  const auto words =
      CheckpointReader::Open(*Env::Default(),
                             FixtureFile("checkpoint_types/checkpoint_files/"
                                         "model.ckpt"))
          .value()
          ->Read("words")
          .value();
  EXPECT_THAT(words.flat<std::string>(),
              ElementsAre("alpha", "", std::string("\xff\0z", 3), "\xc3\xbc"));
}

TEST(CheckpointFixtureTest, DamagedOnesAreRefused) {
  LS_REQUIRE_FIXTURES();
  Env& env = *Env::Default();
  auto open = [&](const char* name) {
    return CheckpointReader::Open(
        env, FixtureFile(StrCat("checkpoint_damaged/", name)));
  };
  EXPECT_TRUE(open("good.ckpt").value()->Verify().ok());
  const Status flipped = open("flipped.ckpt").value()->Verify();
  EXPECT_EQ(flipped.code(), Code::kDataLoss);
  EXPECT_THAT(flipped.message(), HasSubstr("checksum"));
  EXPECT_EQ(open("cut.ckpt").code(), Code::kDataLoss);
  const auto missing = open("no_such.ckpt");
  EXPECT_EQ(missing.code(), Code::kNotFound);
  EXPECT_THAT(missing.status().message(), HasSubstr("no_such.ckpt"));
}

TEST(CheckpointFixtureTest, StateNamesTheNewest) {
  LS_REQUIRE_FIXTURES();
  const std::string dir = FixtureFile("checkpoint_sharded/model");
  EXPECT_EQ(LatestCheckpoint(*Env::Default(), dir).value(),
            dir + "/sharded-20");
}

TEST(CheckpointFixtureTest, EventFilesAreRead) {
  LS_REQUIRE_FIXTURES();
  for (const char* path :
       {"events_v1/logs/events.out.tfevents.1700000000.host",
        "events_v2/logs/events.out.tfevents.1700000000.host.v2"}) {
    const auto events = ReadEvents(*Env::Default(), FixtureFile(path));
    ASSERT_TRUE(events.ok()) << events.status().ToString();
    ASSERT_GT(events->size(), 3u);
    EXPECT_EQ(events->front().file_version, "brain.Event:2");
  }
}

}  // namespace
}  // namespace lockstep
