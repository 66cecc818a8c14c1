// SPDX-License-Identifier: Apache-2.0
#include "runtime/io/checkpoint_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/io/checkpoint_manager.h"
#include "runtime/io/checkpoint_reader.h"
#include "tests/testing/fault_env.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<NamedTensor> Values(int value) {
  return {{"v", Tensor(value)}, {"w", Tensor::Of<float>({2}, {1, 2})}};
}

TEST(CheckpointStateTest, TextIsTensorFlows) {
  MemEnv env;
  ASSERT_TRUE(WriteCheckpointState(env, "dir",
                                   {.latest = "dir/model-2",
                                    .all = {"/else/model-1", "dir/model-2"},
                                    .timestamps = {1700000000.5, 1700000001}})
                  .code() == Code::kNotFound);
  ASSERT_TRUE(env.CreateDirs("dir").ok());
  ASSERT_TRUE(WriteCheckpointState(env, "dir",
                                   {.latest = "dir/model-2",
                                    .all = {"/else/model-1", "dir/model-2"},
                                    .timestamps = {1700000000.5, 1700000001}})
                  .ok());
  EXPECT_EQ(env.ReadFile("dir/checkpoint").value(),
            "model_checkpoint_path: \"model-2\"\n"
            "all_model_checkpoint_paths: \"/else/model-1\"\n"
            "all_model_checkpoint_paths: \"model-2\"\n"
            "all_model_checkpoint_timestamps: 1700000000.5\n"
            "all_model_checkpoint_timestamps: 1700000001\n");
  const auto state = ReadCheckpointState(env, "dir").value();
  EXPECT_EQ(state.latest, "dir/model-2");
  EXPECT_THAT(state.all, ElementsAre("/else/model-1", "dir/model-2"));
}

TEST(CheckpointStateTest, QuotesAndOtherFieldsAreRead) {
  MemEnv env;
  env.Overwrite("checkpoint",
                "# a comment\nmodel_checkpoint_path: 'a\\\"b'\nnew_field: 3\n"
                "last_preserved_timestamp: 4.5\n");
  EXPECT_EQ(ReadCheckpointState(env, ".").value().latest, "./a\"b");
  EXPECT_EQ(ReadCheckpointState(env, ".").value().last_preserved, 4.5);
}

// Damage of the newest ones is passed over, and stays to be looked at.
TEST(CheckpointStateTest, GoesBackToTheLastWholeCheckpoint) {
  MemEnv env;
  CheckpointManager manager(env, "dir");
  std::vector<std::string> saved;
  for (int step = 0; step < 3; ++step) {
    saved.push_back(manager.Save(Values(step), step).value());
  }
  const auto data = [&](int i) {
    return saved[static_cast<size_t>(i)] + ".data-00000-of-00001";
  };
  const auto back = [&] { return GoBackToWholeCheckpoint(env, "dir"); };
  EXPECT_EQ(back().value(), saved[2]);

  std::string bytes = env.ReadFile(data(2)).value();
  bytes[bytes.size() / 2] ^= 1;
  env.Overwrite(data(2), bytes);
  EXPECT_THAT(
      NamingOlderCheckpoint(env, "dir", DataLoss("flipped")).message(),
      HasSubstr(StrCat("flipped; the checkpoint before it is '", saved[1])));
  EXPECT_EQ(NamingOlderCheckpoint(env, "dir", NotFound("w")).message(), "w");
  const std::string index = env.ReadFile(saved[1] + ".index").value();
  env.Overwrite(saved[1] + ".index", index.substr(0, index.size() - 9));
  EXPECT_EQ(back().value(), saved[0]);
  EXPECT_EQ(LatestCheckpoint(env, "dir").value(), saved[0]);
  EXPECT_EQ(ReadCheckpointState(env, "dir")->all.size(), 3u);

  ASSERT_TRUE(env.DeleteFile(data(0)).ok());
  EXPECT_EQ(back().code(), Code::kNotFound);
  EXPECT_EQ(LatestCheckpoint(env, "dir").value(), saved[0]);
}

TEST(CheckpointStateTest, DamagedFileIsNamed) {
  MemEnv env;
  for (const char* text : {"model_checkpoint_path: \"x", "\x01\x02", "", "}"}) {
    env.Overwrite("checkpoint", text);
    const Status s = ReadCheckpointState(env, ".").status();
    EXPECT_EQ(s.code(), Code::kDataLoss) << text;
    EXPECT_THAT(s.message(), HasSubstr("./checkpoint"));
  }
  EXPECT_EQ(ReadCheckpointState(env, "none").code(), Code::kNotFound);
}

TEST(CheckpointStateTest, NewestThatExistsIsTheLatest) {
  MemEnv env;
  env.Overwrite("checkpoint",
                "model_checkpoint_path: 'm-3'\n"
                "all_model_checkpoint_paths: 'm-1'\n"
                "all_model_checkpoint_paths: 'm-2'\n"
                "all_model_checkpoint_paths: 'm-3'\n");
  EXPECT_EQ(LatestCheckpoint(env, ".").code(), Code::kNotFound);
  env.Overwrite("./m-1.index", "");
  EXPECT_EQ(LatestCheckpoint(env, ".").value(), "./m-1");
  env.Overwrite("./m-2.index", "");
  EXPECT_EQ(LatestCheckpoint(env, ".").value(), "./m-2");
}

TEST(CheckpointStateTest, OneCheckpointIsKnownUnderAllSpellings) {
  MemEnv env;
  env.Overwrite("m-1.index", "");
  for (const char* prefix : {"m-1", "./m-1", "././m-1", "m-1"}) {
    ASSERT_TRUE(
        UpdateCheckpointState(env, ".", prefix, {.max_to_keep = 1}).ok());
    EXPECT_TRUE(env.FileExists("m-1.index")) << prefix;
    EXPECT_EQ(ReadCheckpointState(env, ".").value().all.size(), 1u) << prefix;
  }
  EXPECT_THAT(env.ReadFile("checkpoint").value(),
              HasSubstr("model_checkpoint_path: \"m-1\"\n"));
}

TEST(CheckpointManagerTest, KeepsOneForGoodEachSoManyHours) {
  MemEnv env;
  CheckpointManager manager(
      env, "dir", {.max_to_keep = 1, .keep_checkpoint_every_n_hours = 1});
  constexpr uint64_t kStart = 1700000000;
  // In minutes: at 70 more than an hour has passed since the first, at 100
  // less than one since 70, at 140 one again.
  for (int minute : {0, 30, 70, 100, 140, 150}) {
    env.SetNow((kStart + 60 * static_cast<uint64_t>(minute)) * 1000000);
    ASSERT_TRUE(manager.Save(Values(minute), minute).ok());
  }
  std::vector<std::string> kept;
  for (const std::string& file : env.Files()) {
    if (file.ends_with(".index")) kept.push_back(file);
  }
  EXPECT_THAT(
      kept, ElementsAre("dir/model.ckpt-140.index", "dir/model.ckpt-150.index",
                        "dir/model.ckpt-70.index"));
  EXPECT_EQ(ReadCheckpointState(env, "dir").value().last_preserved,
            kStart + 60.0 * 140);
}

TEST(CheckpointManagerTest, KeepsTheNewest) {
  MemEnv env;
  CheckpointManager manager(env, "dir", {.max_to_keep = 2});
  for (int step : {10, 20, 30}) {
    EXPECT_EQ(manager.Save(Values(step), step).value(),
              StrCat("dir/model.ckpt-", step));
  }
  EXPECT_THAT(env.Files(), ElementsAre("dir/checkpoint",
                                       "dir/model.ckpt-20.data-00000-of-00001",
                                       "dir/model.ckpt-20.index",
                                       "dir/model.ckpt-30.data-00000-of-00001",
                                       "dir/model.ckpt-30.index"));
  EXPECT_EQ(manager.Latest().value(), "dir/model.ckpt-30");
  const auto reader = CheckpointReader::Open(env, "dir/model.ckpt-20").value();
  EXPECT_EQ(reader->Read("v").value().scalar<int32_t>(), 20);
}

TEST(CheckpointManagerTest, ZeroKeepsAll) {
  MemEnv env;
  CheckpointManager manager(env, "dir", {.max_to_keep = 0});
  for (int step = 0; step < 8; ++step) {
    ASSERT_TRUE(manager.Save(Values(step), step).ok());
  }
  EXPECT_EQ(ReadCheckpointState(env, "dir").value().all.size(), 8u);
}

TEST(CheckpointManagerTest, SavingAStepAgainReplacesIt) {
  MemEnv env;
  CheckpointManager manager(env, "dir");
  ASSERT_TRUE(manager.Save(Values(1), 10).ok());
  ASSERT_TRUE(manager.Save(Values(2), 20).ok());
  ASSERT_TRUE(manager.Save(Values(3), 10).ok());
  EXPECT_THAT(ReadCheckpointState(env, "dir").value().all,
              ElementsAre("dir/model.ckpt-20", "dir/model.ckpt-10"));
  const auto reader =
      CheckpointReader::Open(env, manager.Latest().value()).value();
  EXPECT_EQ(reader->Read("v").value().scalar<int32_t>(), 3);
}

TEST(CheckpointManagerTest, AnotherManagerContinuesTheList) {
  MemEnv env;
  ASSERT_TRUE(CheckpointManager(env, "dir").Save(Values(1), 1).ok());
  CheckpointManager again(env, "dir", {.max_to_keep = 1});
  EXPECT_EQ(again.Latest().value(), "dir/model.ckpt-1");
  ASSERT_TRUE(again.Save(Values(2), 2).ok());
  EXPECT_THAT(ReadCheckpointState(env, "dir").value().all,
              ElementsAre("dir/model.ckpt-2"));
  EXPECT_FALSE(env.FileExists("dir/model.ckpt-1.index"));
}

TEST(CheckpointManagerTest, LeftoversOfAKilledWriterAreRemoved) {
  MemEnv env;
  ASSERT_TRUE(env.CreateDirs("dir").ok());
  env.Overwrite("dir/model.ckpt-9.data-00000-of-00001.tmp", "x");
  env.Overwrite("dir/model.ckpt-9.index.tmp", "x");
  env.Overwrite("dir/checkpoint.tmp-12-0", "x");
  env.Overwrite("dir/model.ckpt.index.tmp", "x");
  env.Overwrite("dir/model.ckpt-other.tmp", "not ours");
  env.Overwrite("dir/notes.tmp", "not ours");
  CheckpointManager manager(env, "dir");
  ASSERT_TRUE(manager.Save(Values(1), 1).ok());
  EXPECT_THAT(
      env.Files(),
      ElementsAre("dir/checkpoint", "dir/model.ckpt-1.data-00000-of-00001",
                  "dir/model.ckpt-1.index", "dir/model.ckpt-other.tmp",
                  "dir/notes.tmp"));
}

TEST(CheckpointManagerTest, EmptyFolderHasNoLatest) {
  MemEnv env;
  EXPECT_EQ(CheckpointManager(env, "dir").Latest().code(), Code::kNotFound);
}

}  // namespace
}  // namespace lockstep
