// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/env.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class EnvTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = (std::filesystem::path(testing::TempDir()) / "env_test_XXXXXX");
    ASSERT_NE(mkdtemp(dir_.data()), nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string Path(std::string_view name) { return JoinPath(dir_, name); }
  void Write(const std::string& path, std::string_view bytes) {
    auto file = env_.NewWritableFile(path).value();
    ThrowIfError(file->Append(bytes));
    ThrowIfError(file->Close());
  }

  Env& env_ = *Env::Default();
  std::string dir_;
};

TEST_F(EnvTest, WhatIsWrittenIsReadBack) {
  const std::string bytes = std::string("a\0b\n", 4);
  Write(Path("f"), bytes);
  EXPECT_EQ(env_.ReadFile(Path("f")).value(), bytes);
  EXPECT_EQ(env_.FileSize(Path("f")).value(), 4u);
  EXPECT_TRUE(env_.FileExists(Path("f")));
}

TEST_F(EnvTest, ManySizesOfAppendsKeepTheirOrder) {
  std::string want;
  auto file = env_.NewWritableFile(Path("f")).value();
  for (const size_t n : {1u, 65535u, 65536u, 65537u, 3u, 200000u, 0u, 7u}) {
    const std::string part(n, static_cast<char>('a' + n % 26));
    want += part;
    ASSERT_TRUE(file->Append(part).ok());
  }
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_TRUE(env_.ReadFile(Path("f")).value() == want);
  ASSERT_TRUE(file->Close().ok());
  EXPECT_TRUE(env_.ReadFile(Path("f")).value() == want);
}

TEST_F(EnvTest, FlushHandsTheBytesToTheSystem) {
  auto file = env_.NewWritableFile(Path("f")).value();
  ASSERT_TRUE(file->Append("half").ok());
  ASSERT_TRUE(file->Flush().ok());
  EXPECT_EQ(env_.ReadFile(Path("f")).value(), "half");
}

TEST_F(EnvTest, DestructorClosesAndKeepsTheBytes) {
  { ASSERT_TRUE(env_.NewWritableFile(Path("f")).value()->Append("x").ok()); }
  EXPECT_EQ(env_.ReadFile(Path("f")).value(), "x");
}

TEST_F(EnvTest, AClosedFileTakesNothingMore) {
  auto file = env_.NewWritableFile(Path("f")).value();
  ASSERT_TRUE(file->Close().ok());
  EXPECT_EQ(file->Append("x").code(), Code::kFailedPrecondition);
  EXPECT_EQ(file->Sync().code(), Code::kFailedPrecondition);
  EXPECT_EQ(file->Close().code(), Code::kFailedPrecondition);
}

TEST_F(EnvTest, WritableTruncatesAndAppendableKeeps) {
  Write(Path("f"), "long old text");
  Write(Path("f"), "new");
  EXPECT_EQ(env_.ReadFile(Path("f")).value(), "new");
  auto file = env_.NewAppendableFile(Path("f")).value();
  ASSERT_TRUE(file->Append("er").ok());
  ASSERT_TRUE(file->Close().ok());
  EXPECT_EQ(env_.ReadFile(Path("f")).value(), "newer");
}

TEST_F(EnvTest, AFullDeviceIsResourceExhaustedAndSticks) {
  if (!env_.FileExists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  auto file = env_.NewWritableFile("/dev/full").value();
  ASSERT_TRUE(file->Append("x").ok());  // buffered
  const Status s = file->Flush();
  EXPECT_EQ(s.ToString(),
            "RESOURCE_EXHAUSTED: write '/dev/full': No space left on device");
  EXPECT_EQ(file->Append("y").code(), Code::kResourceExhausted);
  EXPECT_EQ(file->Close().code(), Code::kResourceExhausted);
}

TEST_F(EnvTest, ReadsStopAtTheEnd) {
  Write(Path("f"), "0123456789");
  const auto file = env_.NewRandomAccessFile(Path("f")).value();
  EXPECT_EQ(file->size(), 10u);
  char out[4] = {};
  ASSERT_TRUE(file->Read(6, 4, out).ok());
  EXPECT_EQ(std::string_view(out, 4), "6789");
  EXPECT_TRUE(file->Read(10, 0, out).ok());
  EXPECT_EQ(file->Read(7, 4, out).code(), Code::kOutOfRange);
  EXPECT_EQ(file->Read(11, 0, out).code(), Code::kOutOfRange);
  EXPECT_EQ(file->Read(UINT64_MAX, 2, out).code(), Code::kOutOfRange);
}

TEST_F(EnvTest, AFileCutWhileOpenIsOutOfRange) {
  Write(Path("f"), "0123456789");
  const auto file = env_.NewRandomAccessFile(Path("f")).value();
  ASSERT_EQ(truncate(Path("f").c_str(), 5), 0);
  char out[10] = {};
  EXPECT_EQ(file->Read(0, 10, out).code(), Code::kOutOfRange);
}

TEST_F(EnvTest, MissingFilesAreNotFound) {
  EXPECT_EQ(
      env_.NewRandomAccessFile(Path("no")).status().ToString(),
      StrCat("NOT_FOUND: open '", Path("no"), "': No such file or directory"));
  EXPECT_EQ(env_.NewWritableFile(Path("no/f")).code(), Code::kNotFound);
  EXPECT_EQ(env_.FileSize(Path("no")).code(), Code::kNotFound);
  EXPECT_EQ(env_.ListDir(Path("no")).code(), Code::kNotFound);
  EXPECT_EQ(env_.DeleteFile(Path("no")).code(), Code::kNotFound);
  EXPECT_EQ(env_.RenameFile(Path("no"), Path("x")).code(), Code::kNotFound);
  EXPECT_EQ(env_.SyncDir(Path("no")).code(), Code::kNotFound);
  EXPECT_FALSE(env_.FileExists(Path("no")));
}

TEST_F(EnvTest, ANameThatIsTooLongIsInvalidArgument) {
  EXPECT_EQ(env_.NewWritableFile(Path(std::string(300, 'x'))).code(),
            Code::kInvalidArgument);
}

TEST_F(EnvTest, FoldersAndPipesAreNotReadAsFiles) {
  EXPECT_EQ(env_.ReadFile(dir_).status().message(),
            StrCat("open '", dir_, "': not a regular file"));
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(env_.ReadFile(Path("pipe")).code(), Code::kInvalidArgument);
}

TEST_F(EnvTest, AFolderWithoutPermissionIsPermissionDenied) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  ASSERT_EQ(chmod(dir_.c_str(), 0500), 0);
  EXPECT_EQ(env_.NewWritableFile(Path("f")).code(), Code::kPermissionDenied);
  ASSERT_EQ(chmod(dir_.c_str(), 0700), 0);
}

TEST_F(EnvTest, CreateDirsMakesAllPartsOnce) {
  ASSERT_TRUE(env_.CreateDirs(Path("a/b/c")).ok());
  ASSERT_TRUE(env_.CreateDirs(Path("a/b/c")).ok());
  ASSERT_TRUE(env_.CreateDirs(Path("a//b/d/")).ok());
  EXPECT_THAT(env_.ListDir(Path("a/b")).value(), ElementsAre("c", "d"));
  EXPECT_TRUE(env_.CreateDirs("/").ok());
}

TEST_F(EnvTest, CreateDirsNamesThePartInTheWay) {
  Write(Path("f"), "");
  const Status s = env_.CreateDirs(Path("f/g"));
  EXPECT_EQ(s.code(), Code::kFailedPrecondition);
  EXPECT_NE(s.message().find(StrCat("mkdir '", Path("f"), "'")),
            std::string::npos);
  EXPECT_EQ(env_.CreateDirs("").code(), Code::kNotFound);
}

TEST_F(EnvTest, ListDirSortsTheNames) {
  for (const char* name : {"c", "a", ".hidden", "b"}) Write(Path(name), "");
  EXPECT_THAT(env_.ListDir(dir_).value(),
              ElementsAre(".hidden", "a", "b", "c"));
}

TEST_F(EnvTest, RenameReplaces) {
  Write(Path("old"), "1");
  Write(Path("new"), "2");
  ASSERT_TRUE(env_.RenameFile(Path("new"), Path("old")).ok());
  EXPECT_EQ(env_.ReadFile(Path("old")).value(), "2");
  EXPECT_FALSE(env_.FileExists(Path("new")));
  ASSERT_TRUE(env_.DeleteFile(Path("old")).ok());
  EXPECT_THAT(env_.ListDir(dir_).value(), IsEmpty());
}

TEST_F(EnvTest, AtomicWriteReplacesAndLeavesNothingBeside) {
  ASSERT_TRUE(env_.WriteFileAtomically(Path("f"), "one").ok());
  ASSERT_TRUE(env_.WriteFileAtomically(Path("f"), "two").ok());
  EXPECT_EQ(env_.ReadFile(Path("f")).value(), "two");
  EXPECT_THAT(env_.ListDir(dir_).value(), ElementsAre("f"));
}

TEST_F(EnvTest, AFailedAtomicWriteLeavesNothingBeside) {
  ASSERT_TRUE(env_.CreateDirs(Path("f/in the way")).ok());
  EXPECT_FALSE(env_.WriteFileAtomically(Path("f"), "x").ok());
  EXPECT_THAT(env_.ListDir(dir_).value(), ElementsAre("f"));
  EXPECT_EQ(env_.WriteFileAtomically(Path("no/f"), "x").code(),
            Code::kNotFound);
}

TEST_F(EnvTest, AtomicWritesOfManyThreadsLeaveOneOfTheirValues) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      const std::string bytes(1000, static_cast<char>('a' + t));
      for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(env_.WriteFileAtomically(Path("f"), bytes).ok());
      }
    });
  }
  for (std::thread& t : threads) t.join();
  const std::string got = env_.ReadFile(Path("f")).value();
  EXPECT_EQ(got, std::string(1000, got.empty() ? '?' : got[0]));
  EXPECT_THAT(env_.ListDir(dir_).value(), ElementsAre("f"));
}

TEST_F(EnvTest, ClocksGoForward) {
  EXPECT_GT(env_.NowMicros(), 1'600'000'000'000'000u);
  const uint64_t before = env_.SteadyMicros();
  EXPECT_GE(env_.SteadyMicros(), before);
}

TEST(PathTest, JoinPath) {
  EXPECT_EQ(JoinPath("a/b", "c"), "a/b/c");
  EXPECT_EQ(JoinPath("a/", "c"), "a/c");
  EXPECT_EQ(JoinPath("/", "c"), "/c");
  EXPECT_EQ(JoinPath("a", "/c"), "/c");
  EXPECT_EQ(JoinPath("", "c"), "c");
  EXPECT_EQ(JoinPath("a", ""), "a");
}

TEST(PathTest, DirNameAndBaseName) {
  EXPECT_EQ(DirName("a/b/c"), "a/b");
  EXPECT_EQ(DirName("c"), ".");
  EXPECT_EQ(DirName("/c"), "/");
  EXPECT_EQ(DirName(""), ".");
  EXPECT_EQ(BaseName("a/b/c"), "c");
  EXPECT_EQ(BaseName("c"), "c");
  EXPECT_EQ(BaseName("a/"), "");
}

}  // namespace
}  // namespace lockstep
