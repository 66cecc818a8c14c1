// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/checkpoint_merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/io/checkpoint_reader.h"
#include "runtime/io/checkpoint_writer.h"
#include "tests/testing/fault_env.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Shape kFull{4};
const std::vector<std::string> kShards = {"d/m_temp/part-00000-of-00002",
                                          "d/m_temp/part-00001-of-00002"};

Status WriteShard(Env& env, const std::string& prefix, const char* name,
                  const Tensor& value, int64_t start) {
  LS_ASSIGN_OR_RETURN(auto out, CheckpointWriter::Open(env, prefix));
  LS_RETURN_IF_ERROR(out->Add(name, value));
  LS_RETURN_IF_ERROR(
      out->AddSlice("parts", kFull, {{{start, 2}}},
                    Tensor::Of<float>({2}, {float(start), float(start + 1)})));
  return out->Finish();
}

Status WriteShards(Env& env, float a = 1) {
  LS_RETURN_IF_ERROR(WriteShard(env, kShards[0], "a", Tensor(a), 0));
  return WriteShard(env, kShards[1], "b", Tensor("text"), 2);
}

TEST(CheckpointMergeTest, ShardsBecomeOneCheckpoint) {
  MemEnv env;
  ASSERT_TRUE(WriteShards(env).ok());
  const Status s = MergeCheckpoints(env, kShards, "d/m");
  ASSERT_TRUE(s.ok()) << s.ToString();
  EXPECT_THAT(env.Files(), ElementsAre("d/m.data-00000-of-00002",
                                       "d/m.data-00001-of-00002", "d/m.index"));
  const auto reader = CheckpointReader::Open(env, "d/m").value();
  EXPECT_EQ(reader->Read("a").value().scalar<float>(), 1);
  EXPECT_EQ(reader->Read("b").value().scalar<std::string>(), "text");
  EXPECT_THAT(reader->Read("parts").value().flat<float>(),
              ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(env.DeleteDir("d/m_temp").code(), Code::kNotFound);
}

TEST(CheckpointMergeTest, AShardAloneGivesTheirPartsOnly) {
  MemEnv env;
  ASSERT_TRUE(WriteShards(env).ok());
  const auto reader = CheckpointReader::Open(env, kShards[1]).value();
  EXPECT_THAT(
      reader->ReadSlice("parts", kFull, {{{2, 2}}}).value().flat<float>(),
      ElementsAre(2, 3));
  EXPECT_EQ(reader->Read("parts").code(), Code::kDataLoss);
}

TEST(CheckpointMergeTest, ReplacesACheckpointOfAsManyShards) {
  MemEnv env;
  for (float a : {1.0f, 2.0f, 3.0f}) {
    ASSERT_TRUE(WriteShards(env, a).ok());
    ASSERT_TRUE(MergeCheckpoints(env, kShards, "d/m").ok());
    const auto reader = CheckpointReader::Open(env, "d/m").value();
    EXPECT_EQ(reader->Read("a").value().scalar<float>(), a);
  }
  EXPECT_EQ(env.Files().size(), 3u);
}

TEST(CheckpointMergeTest, WhateverCallFailsTheOldOneOrTheNewOneIsWhole) {
  for (int call = 0;; ++call) {
    MemEnv disk;
    ASSERT_TRUE(WriteShards(disk, 1).ok());
    ASSERT_TRUE(MergeCheckpoints(disk, kShards, "d/m").ok());
    ASSERT_TRUE(WriteShards(disk, 2).ok());
    FaultEnv env(&disk);
    env.FailFrom(call);
    const Status s = MergeCheckpoints(env, kShards, "d/m");
    const bool reached_the_end = env.calls() <= call;
    for (Crash how : {Crash::kKill, Crash::kPowerLoss, Crash::kNamesOutrun,
                      Crash::kLastNameOnly}) {
      auto after = disk.AfterCrash(how);
      auto reader = CheckpointReader::Open(*after, "d/m");
      ASSERT_TRUE(reader.ok()) << call << " " << reader.status().ToString();
      ASSERT_TRUE((*reader)->Verify().ok()) << call;
      const float a = (*reader)->Read("a").value().scalar<float>();
      EXPECT_TRUE(a == 2 || (a == 1 && !s.ok())) << call;
    }
    if (reached_the_end) break;
  }
}

TEST(CheckpointMergeTest, TheSameTensorTwiceIsRefused) {
  MemEnv env;
  ASSERT_TRUE(WriteShard(env, kShards[0], "a", Tensor(1.0f), 0).ok());
  ASSERT_TRUE(WriteShard(env, kShards[1], "a", Tensor(1.0f), 2).ok());
  const Status s = MergeCheckpoints(env, kShards, "d/m");
  EXPECT_EQ(s.code(), Code::kInvalidArgument);
  EXPECT_THAT(s.message(), HasSubstr("tensor 'a' is in two shards"));
  ASSERT_TRUE(WriteShard(env, kShards[1], "b", Tensor(1.0f), 0).ok());
  EXPECT_THAT(MergeCheckpoints(env, kShards, "d/m").message(),
              HasSubstr("a part of a tensor is in two shards"));
}

TEST(CheckpointMergeTest, MissingShardsAreAllowedOnRequest) {
  MemEnv env;
  ASSERT_TRUE(WriteShard(env, kShards[0], "a", Tensor(1.0f), 0).ok());
  EXPECT_EQ(MergeCheckpoints(env, kShards, "d/m").code(), Code::kNotFound);
  EXPECT_TRUE(
      MergeCheckpoints(env, kShards, "d/m", {.allow_missing_files = true})
          .ok());
  EXPECT_EQ(MergeCheckpoints(env, kShards, "d/n", {.allow_missing_files = true})
                .code(),
            Code::kNotFound);
}

}  // namespace
}  // namespace lockstep
