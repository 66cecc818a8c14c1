// SPDX-License-Identifier: Apache-2.0
// What the reader does with files that are damaged or made to harm.
#include "runtime/io/checkpoint_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>

#include "proto/tensor_bundle.pb.h"
#include "runtime/io/checkpoint_writer.h"
#include "runtime/io/table_file.h"
#include "tests/testing/fault_env.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

constexpr char kData[] = "m.data-00000-of-00001";

class CheckpointReaderTest : public testing::Test {
 protected:
  CheckpointReaderTest() {
    auto writer = CheckpointWriter::Open(env_, "m").value();
    EXPECT_TRUE(writer->Add("w", Tensor::Of<float>({2}, {1, 2})).ok());
    EXPECT_TRUE(
        writer->Add("s", Tensor::Of<std::string>({2}, {"ab", "c"})).ok());
    for (const char* part : {"0,2", "2,2"}) {
      EXPECT_TRUE(writer
                      ->AddSlice("p", Shape{4},
                                 TensorSlice::Parse(part).value(),
                                 Tensor::Of<int32_t>({2}, {5, 6}))
                      .ok());
    }
    EXPECT_TRUE(writer->Finish().ok());
    index_ = env_.ReadFile("m.index").value();
    data_ = env_.ReadFile(kData).value();
  }

  // Opens and reads everything.
  Status ReadAll() {
    auto reader = CheckpointReader::Open(env_, "m");
    if (!reader.ok()) return reader.status();
    LS_RETURN_IF_ERROR((*reader)->Verify());
    for (const CheckpointEntry& e : (*reader)->entries()) {
      LS_RETURN_IF_ERROR((*reader)->Read(e.name).status());
    }
    return Ok();
  }

  // Rewrites the entry of a tensor, with all checksums right.
  void Forge(const std::string& name,
             const std::function<void(proto::BundleEntryProto&)>& change) {
    std::map<std::string, std::string> rows;
    ASSERT_TRUE(ReadTable(index_, "m.index", [&](auto key, auto value) {
                  rows[std::string(key)] = value;
                  return Ok();
                }).ok());
    proto::BundleEntryProto entry;
    ASSERT_TRUE(entry.ParseFromString(rows.at(name)));
    change(entry);
    rows[name] = entry.SerializeAsString();
    env_.Overwrite("m.index", BuildTable(rows).value());
  }

  void ExpectError(Code code, const char* text) {
    const Status s = ReadAll();
    EXPECT_EQ(s.code(), code) << s.ToString();
    EXPECT_THAT(s.message(), HasSubstr(text));
  }
  void ExpectLoss(const char* text) { ExpectError(Code::kDataLoss, text); }

  MemEnv env_;
  std::string index_;
  std::string data_;
};

TEST_F(CheckpointReaderTest, EveryFlippedByteIsFound) {
  ASSERT_TRUE(ReadAll().ok());
  for (size_t i = 0; i < index_.size(); ++i) {
    // The footer's padding, after handles of 4 bytes, has no meaning.
    const bool padding = i >= index_.size() - 44 && i < index_.size() - 8;
    std::string damaged = index_;
    damaged[i] ^= 0x11;
    env_.Overwrite("m.index", damaged);
    const Status s = ReadAll();
    EXPECT_TRUE(padding || !s.ok()) << "index byte " << i;
  }
  env_.Overwrite("m.index", index_);
  for (size_t i = 0; i < data_.size(); ++i) {
    std::string damaged = data_;
    damaged[i] ^= 0x11;
    env_.Overwrite(kData, damaged);
    EXPECT_EQ(ReadAll().code(), Code::kDataLoss) << "data byte " << i;
  }
}

TEST_F(CheckpointReaderTest, EveryCutIsFound) {
  for (size_t n = 0; n < index_.size(); ++n) {
    env_.Overwrite("m.index", index_.substr(0, n));
    EXPECT_EQ(ReadAll().code(), Code::kDataLoss) << "index of " << n;
  }
  env_.Overwrite("m.index", index_);
  for (size_t n = 0; n < data_.size(); ++n) {
    env_.Overwrite(kData, data_.substr(0, n));
    ExpectError(Code::kOutOfRange, "cut short");
  }
}

// Copied by hand, or by a tool that was stopped: an index with another save's
// data of the same layout.
TEST_F(CheckpointReaderTest, FilesOfTwoSavesAreFound) {
  const auto save = [&](float w, const char* s, int32_t p) {
    auto writer = CheckpointWriter::Open(env_, "n").value();
    EXPECT_TRUE(writer->Add("w", Tensor::Of<float>({2}, {w, 2})).ok());
    EXPECT_TRUE(writer->Add("s", Tensor::Of<std::string>({2}, {s, "c"})).ok());
    for (const char* part : {"0,2", "2,2"}) {
      EXPECT_TRUE(writer
                      ->AddSlice("p", Shape{4},
                                 TensorSlice::Parse(part).value(),
                                 Tensor::Of<int32_t>({2}, {p, 6}))
                      .ok());
    }
    EXPECT_TRUE(writer->Finish().ok());
    const std::string data = env_.ReadFile("n.data-00000-of-00001").value();
    EXPECT_TRUE(env_.DeleteFile("n.index").ok());
    EXPECT_TRUE(env_.DeleteFile("n.data-00000-of-00001").ok());
    return data;
  };
  ASSERT_EQ(save(1, "ab", 5), data_);
  env_.Overwrite(kData, save(1.5f, "ab", 5));
  ExpectLoss("'w'");
  env_.Overwrite(kData, save(1, "xy", 5));
  ExpectLoss("'s'");
  env_.Overwrite(kData, save(1, "ab", 7));
  ExpectLoss("tensor 'p' part '0,2'");
  // Every mixture of bytes of two saves that is not one of them.
  const std::string other = save(3, "zz", 9);
  ASSERT_EQ(other.size(), data_.size());
  for (size_t n = 1; n < data_.size(); ++n) {
    const std::string mixed = other.substr(0, n) + data_.substr(n);
    if (mixed == data_ || mixed == other) continue;
    env_.Overwrite(kData, mixed);
    EXPECT_EQ(ReadAll().code(), Code::kDataLoss) << n;
  }
}

TEST_F(CheckpointReaderTest, DamageNamesFileAndTensor) {
  data_[0] ^= 1;
  env_.Overwrite(kData, data_);
  ExpectLoss("'m.data-00000-of-00001': tensor 'w': wrong checksum");
}

TEST_F(CheckpointReaderTest, MissingDataFileIsNamed) {
  ASSERT_TRUE(env_.DeleteFile(kData).ok());
  ExpectError(Code::kNotFound, "'m.data-00000-of-00001': data file is missing");
}

TEST_F(CheckpointReaderTest, ForgedPlacesAreRefused) {
  Forge("w", [](auto& e) { e.set_offset(-1); });
  ExpectLoss("'w': negative");
  Forge("w", [](auto& e) { e.set_offset(INT64_MAX); });
  ExpectError(Code::kOutOfRange, "'w' ends at");
  Forge("w", [](auto& e) { e.set_size(INT64_MAX); });
  ExpectError(Code::kOutOfRange, "'w' ends at");
  Forge("w", [](auto& e) { e.set_size(4); });
  ExpectLoss("has 4 bytes, wants float [2]");
  Forge("w", [](auto& e) { e.set_shard_id(1); });
  ExpectLoss("data file 1 of 1");
  Forge("w", [](auto& e) { e.set_shard_id(-1); });
  ExpectLoss("data file -1");
}

TEST_F(CheckpointReaderTest, ForgedShapesAndTypesAreRefused) {
  Forge("w", [](auto& e) {
    for (int i = 0; i < 8; ++i) e.mutable_shape()->add_dim()->set_size(1 << 30);
  });
  ExpectLoss("'w'");
  Forge("w", [](auto& e) { e.mutable_shape()->mutable_dim(0)->set_size(-1); });
  ExpectLoss("'w': a dimension is -1");
  Forge("w", [](auto& e) {
    for (int i = 0; i < 40; ++i) e.mutable_shape()->add_dim()->set_size(1);
  });
  ExpectLoss("'w'");
  Forge("w", [](auto& e) { e.mutable_shape()->set_unknown_rank(true); });
  ExpectLoss("'w': its shape is unknown");
  Forge("w", [](auto& e) { e.set_dtype(proto::DT_RESOURCE); });
  EXPECT_EQ(ReadAll().code(), Code::kUnimplemented);
  Forge("w", [](auto& e) { e.set_dtype(static_cast<proto::DataType>(9999)); });
  EXPECT_EQ(ReadAll().code(), Code::kUnimplemented);
  Forge("w", [](auto& e) { e.set_dtype(proto::DT_STRING); });
  ExpectLoss("'w'");
}

TEST_F(CheckpointReaderTest, ForgedStringsAreRefused) {
  Forge("s",
        [](auto& e) { e.mutable_shape()->mutable_dim(0)->set_size(9999); });
  ExpectLoss("wants 9999 strings");
  Forge("s", [](auto& e) { e.mutable_shape()->mutable_dim(0)->set_size(1); });
  ExpectLoss("string lengths");
  // The lengths lie at the start of its part of the file.
  env_.Overwrite("m.index", index_);
  data_[8] = '\xff';
  env_.Overwrite(kData, data_);
  ExpectLoss("'s': ");
}

TEST_F(CheckpointReaderTest, ForgedPartsAreRefused) {
  Forge("p", [](auto& e) {
    e.mutable_slices(0)->mutable_extent(0)->set_length(INT64_MAX);
  });
  ExpectLoss("'p'");
  Forge("p", [](auto& e) {
    e.mutable_slices(0)->mutable_extent(0)->set_start(1);
    e.mutable_slices(0)->mutable_extent(0)->set_length(1);
  });
  ExpectLoss("its part '1,1' is missing");
  // Twice the same part, as many elements as the whole.
  Forge("p", [](auto& e) { *e.mutable_slices(1) = e.slices(0); });
  ExpectLoss("its part '0,2' is there twice");
  Forge("p", [](auto& e) { e.mutable_slices()->RemoveLast(); });
  ExpectLoss("its parts have 2 elements of the 4 of '-'");
  Forge("p", [](auto& e) { e.mutable_slices(0)->add_extent(); });
  ExpectLoss("'p'");
}

TEST_F(CheckpointReaderTest, IndexMadeOfOtherBytesIsRefused) {
  std::string footer(48, '\xff');
  footer.replace(40, 8, "\x57\xfb\x80\x8b\x24\x75\x47\xdb");
  for (const std::string& bytes : {std::string(), std::string(10000, '\0'),
                                   footer, std::string(100, 'x') + footer}) {
    env_.Overwrite("m.index", bytes);
    EXPECT_EQ(ReadAll().code(), Code::kDataLoss);
  }
  env_.Overwrite("m.index", BuildTable({{"w", ""}}).value());
  ExpectLoss("no header");
  env_.Overwrite("m.index", BuildTable({{"", "\xff\xff"}}).value());
  ExpectLoss("malformed header");
  proto::BundleHeaderProto header;
  header.set_num_shards(1000000000);
  env_.Overwrite("m.index",
                 BuildTable({{"", header.SerializeAsString()}}).value());
  ExpectLoss("1000000000 data files");
}

TEST_F(CheckpointReaderTest, NameOfAFileInPlaceOfThePrefixIsExplained) {
  for (const char* name : {"m.index", "m.data-00000-of-00001", "m.meta"}) {
    const Status s = CheckpointReader::Open(env_, name).status();
    EXPECT_EQ(s.code(), Code::kDataLoss);
    EXPECT_THAT(s.message(), HasSubstr("give their prefix, 'm'"));
  }
  const Status s = CheckpointReader::Open(env_, "n").status();
  EXPECT_EQ(s.code(), Code::kNotFound);
  EXPECT_THAT(s.message(), HasSubstr("no checkpoint 'n'"));
}

TEST_F(CheckpointReaderTest, MissingTensorComesWithASuggestion) {
  auto writer = CheckpointWriter::Open(env_, "n").value();
  ASSERT_TRUE(writer->Add("layer/kernel", Tensor(1.0f)).ok());
  ASSERT_TRUE(writer->Finish().ok());
  const auto reader = CheckpointReader::Open(env_, "n").value();
  const Status s = reader->Read("layer/kernal").status();
  EXPECT_EQ(s.code(), Code::kNotFound);
  EXPECT_THAT(s.message(), HasSubstr("'layer/kernal'"));
  EXPECT_THAT(s.message(), HasSubstr("'layer/kernel'"));
}

TEST_F(CheckpointReaderTest, FailingReadsAreReported) {
  FaultEnv faulty(&env_);
  ASSERT_TRUE(CheckpointReader::Open(faulty, "m").value()->Verify().ok());
  const int calls = faulty.calls();
  for (int n = 0; n < calls; ++n) {
    FaultEnv env(&env_);
    env.FailAt(n);
    auto reader = CheckpointReader::Open(env, "m");
    const Status s = reader.ok() ? (*reader)->Verify() : reader.status();
    EXPECT_EQ(s.code(), Code::kUnknown) << n;
    EXPECT_THAT(s.message(), HasSubstr("Input/output error")) << n;
  }
}

}  // namespace
}  // namespace lockstep
