// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/checkpoint_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <complex>
#include <numeric>
#include <string>
#include <vector>

#include "runtime/io/checkpoint_reader.h"
#include "tests/testing/fault_env.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Tensors = std::vector<std::pair<std::string, Tensor>>;

Status Write(Env& env, const std::string& prefix, const Tensors& tensors,
             bool verify = false) {
  LS_ASSIGN_OR_RETURN(auto writer,
                      CheckpointWriter::Open(env, prefix, {.verify = verify}));
  for (const auto& [name, tensor] : tensors) {
    LS_RETURN_IF_ERROR(writer->Add(name, tensor));
  }
  return writer->Finish();
}

Tensors Some() {
  Tensor large(kFloat, Shape{3000, 100});  // more than one piece
  std::iota(large.flat<float>().begin(), large.flat<float>().end(), 0.0f);
  return {
      {"z/large", large},
      {"a/half", Tensor::Of<Half>({2}, {1.5f, -2.0f})},
      {"a/bfloat16", Tensor::Of<BFloat16>({2}, {1.5f, -2.0f})},
      {"flags", Tensor::Of<bool>({2}, {true, false})},
      {"words", Tensor::Of<std::string>({2, 1}, {std::string(300, 'x'), ""})},
      {"step", Tensor(int64_t{7})},
      {"z", Tensor::Of<std::complex<double>>({1}, {{1, -1}})},
      {"none", Tensor::Of<float>({0}, {})},
      {"no_words", Tensor(kString, Shape{0, 2})},
  };
}

// Two runs in one folder clear away each other's files.
TEST(CheckpointWriterTest, FilesThatAreTakenAwayNameOtherRuns) {
  MemEnv env;
  auto writer = CheckpointWriter::Open(env, "dir/m").value();
  ASSERT_TRUE(writer->Add("step", Tensor(int64_t{7})).ok());
  for (const std::string& file : env.Files()) {
    ASSERT_TRUE(env.DeleteFile(file).ok());
  }
  const Status status = writer->Finish();
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("another run may be saving"));
}

TEST(CheckpointWriterTest, WhatIsWrittenIsRead) {
  MemEnv env;
  ASSERT_TRUE(Write(env, "dir/m", Some(), /*verify=*/true).ok());
  EXPECT_THAT(env.Files(),
              ElementsAre("dir/m.data-00000-of-00001", "dir/m.index"));
  const auto reader = CheckpointReader::Open(env, "dir/m").value();
  for (const auto& [name, tensor] : Some()) {
    EXPECT_TRUE(BitwiseEqual(reader->Read(name).value(), tensor)) << name;
  }
  std::vector<std::string> names;
  for (const CheckpointEntry& e : reader->entries()) names.push_back(e.name);
  EXPECT_THAT(names, ElementsAre("a/bfloat16", "a/half", "flags", "no_words",
                                 "none", "step", "words", "z", "z/large"));
  EXPECT_EQ(reader->Find("step")->dtype, kInt64);
  EXPECT_EQ(reader->Find("stop"), nullptr);
}

TEST(CheckpointWriterTest, ManyTensorsFillManyBlocks) {
  MemEnv env;
  Tensors tensors;
  for (int i = 0; i < 2000; ++i) {
    tensors.emplace_back(StrCat("layer", i, "/kernel"), Tensor(i));
  }
  ASSERT_TRUE(Write(env, "m", tensors).ok());
  const auto reader = CheckpointReader::Open(env, "m").value();
  EXPECT_EQ(reader->entries().size(), 2000u);
  EXPECT_EQ(reader->Read("layer1234/kernel").value().scalar<int32_t>(), 1234);
}

TEST(CheckpointWriterTest, PartsBecomeOneTensor) {
  MemEnv env;
  auto writer = CheckpointWriter::Open(env, "m").value();
  const Shape full{3, 2};
  const auto top = TensorSlice::Parse("0,1:-").value();
  const auto rest = TensorSlice::Parse("1,2:-").value();
  ASSERT_TRUE(
      writer->AddSlice("w", full, rest, Tensor::Of<float>({2, 2}, {3, 4, 5, 6}))
          .ok());
  ASSERT_TRUE(
      writer->AddSlice("w", full, top, Tensor::Of<float>({1, 2}, {1, 2})).ok());
  ASSERT_TRUE(writer->Finish().ok());
  const auto reader = CheckpointReader::Open(env, "m").value();
  EXPECT_THAT(reader->Read("w").value().flat<float>(),
              ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(reader->ReadSlice("w", full, top).value().flat<float>(),
              ElementsAre(1, 2));
}

TEST(CheckpointWriterTest, PartThatIsTheWholeIsNoPart) {
  MemEnv env;
  auto writer = CheckpointWriter::Open(env, "m").value();
  ASSERT_TRUE(writer
                  ->AddSlice("w", Shape{2}, TensorSlice::Parse("0,2").value(),
                             Tensor::Of<float>({2}, {1, 2}))
                  .ok());
  ASSERT_TRUE(writer->Finish().ok());
  const auto reader = CheckpointReader::Open(env, "m").value();
  EXPECT_FALSE(reader->Find("w")->partitioned);
  EXPECT_THAT(reader->Read("w").value().flat<float>(), ElementsAre(1, 2));
}

TEST(CheckpointWriterTest, APartThatIsMissingIsFoundWhenItIsRead) {
  MemEnv env;
  auto writer = CheckpointWriter::Open(env, "m").value();
  ASSERT_TRUE(writer
                  ->AddSlice("w", Shape{3}, TensorSlice::Parse("0,1").value(),
                             Tensor::Of<float>({1}, {1}))
                  .ok());
  ASSERT_TRUE(writer->Finish().ok());
  const auto reader = CheckpointReader::Open(env, "m").value();
  const Status s = reader->Read("w").status();
  EXPECT_EQ(s.code(), Code::kDataLoss);
  EXPECT_THAT(s.message(), HasSubstr("tensor 'w'"));
  EXPECT_THAT(
      reader->ReadSlice("w", Shape{3}, TensorSlice::Parse("0,1").value())
          .value()
          .flat<float>(),
      ElementsAre(1));
}

TEST(CheckpointWriterTest, BadNamesTypesAndPartsAreRefused) {
  MemEnv env;
  auto writer = CheckpointWriter::Open(env, "m").value();
  const Tensor one = Tensor::Of<float>({1}, {1});
  const auto whole = TensorSlice::Parse("0,1").value();
  ASSERT_TRUE(writer->Add("a", one).ok());
  EXPECT_EQ(writer->Add("a", one).code(), Code::kInvalidArgument);
  EXPECT_EQ(writer->Add("", one).code(), Code::kInvalidArgument);
  EXPECT_EQ(writer->Add("b", Tensor()).code(), Code::kUnimplemented);
  EXPECT_EQ(writer->AddSlice("a", Shape{2}, whole, one).code(),
            Code::kInvalidArgument);
  ASSERT_TRUE(writer->AddSlice("p", Shape{2}, whole, one).ok());
  EXPECT_EQ(writer->AddSlice("p", Shape{2}, whole, one).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(
      writer->AddSlice("p", Shape{3}, TensorSlice::Parse("1,1").value(), one)
          .code(),
      Code::kInvalidArgument);
  EXPECT_EQ(writer->AddSlice("q", Shape{2}, whole, Tensor(1.0f)).code(),
            Code::kInvalidArgument);
  EXPECT_EQ(CheckpointWriter::Open(env, "dir/").code(), Code::kInvalidArgument);
}

TEST(CheckpointWriterTest, NothingIsLeftWithoutFinish) {
  MemEnv env;
  {
    auto writer = CheckpointWriter::Open(env, "m").value();
    ASSERT_TRUE(writer->Add("a", Tensor(1.0f)).ok());
    EXPECT_EQ(env.Files().size(), 1u);
  }
  EXPECT_THAT(env.Files(), ElementsAre());
}

TEST(CheckpointWriterTest, FinishIsForOnce) {
  MemEnv env;
  auto writer = CheckpointWriter::Open(env, "m").value();
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_EQ(writer->Finish().code(), Code::kFailedPrecondition);
  EXPECT_EQ(writer->Add("a", Tensor(1.0f)).code(), Code::kFailedPrecondition);
  EXPECT_TRUE(CheckpointReader::Open(env, "m").value()->entries().empty());
}

TEST(CheckpointWriterTest, ReplacingUsesOtherDataFiles) {
  MemEnv env;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(Write(env, "m", {{"v", Tensor(i)}}).ok());
    const auto reader = CheckpointReader::Open(env, "m").value();
    EXPECT_EQ(reader->Read("v").value().scalar<int32_t>(), i);
    if (i % 2 == 0) {
      EXPECT_THAT(env.Files(), ElementsAre("m.data-00000-of-00001", "m.index"));
    } else {
      EXPECT_THAT(env.Files(), ElementsAre("m.data-00000-of-00002",
                                           "m.data-00001-of-00002", "m.index"));
    }
  }
}

TEST(CheckpointWriterTest, VerifyFindsWhatTheDiskChanged) {
  // An Env whose files lose a bit on the way.
  class BitFlipEnv : public MemEnv {
   public:
    Result<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(
        const std::string& path) override {
      if (path == "m.data-00000-of-00001.tmp") {
        std::string bytes =
            MemEnv::NewRandomAccessFile(path).ok() ? "xxxx" : "";
        Overwrite(path, bytes);
      }
      return MemEnv::NewRandomAccessFile(path);
    }
  };
  BitFlipEnv env;
  const Status s = Write(env, "m", {{"v", Tensor(1.0f)}}, /*verify=*/true);
  EXPECT_EQ(s.code(), Code::kDataLoss);
  EXPECT_THAT(s.message(), HasSubstr("checksum"));
  EXPECT_THAT(env.Files(), ElementsAre());
}

}  // namespace
}  // namespace lockstep
