// SPDX-License-Identifier: Apache-2.0
#pragma once

// Two Envs for tests of what happens when files fail.
//
// MemEnv is a file system in memory that knows what has reached the disk, and
// gives what a later process finds after a kill or a loss of power. FaultEnv
// wraps any Env, counts its calls, and fails one of them or all from one on.
// Both are thread-safe; their clocks stand still until they are set.
//
//   MemEnv disk;
//   FaultEnv env(&disk);
//   env.FailFrom(n);                      // the process "dies" at call n
//   (void)Save(env);
//   auto after = disk.AfterCrash(Crash::kPowerLoss);
//   EXPECT_TRUE(Load(*after).ok());

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "runtime/core/env.h"

namespace lockstep {

enum class Crash {
  kKill,          // the process ends: what was flushed is there
  kPowerLoss,     // only synced contents under names in synced folders
  kNamesOutrun,   // names as they were last, but only synced contents
  kLastNameOnly,  // as kPowerLoss, and the last change of a name was kept
};

class MemEnv : public Env {
 public:
  MemEnv() : dirs_({".", "/"}) {}

  std::unique_ptr<MemEnv> AfterCrash(Crash how) const;
  // All paths of files, sorted.
  std::vector<std::string> Files() const;
  // Replaces a file's bytes, as damage on the disk would.
  void Overwrite(const std::string& path, std::string bytes);
  void SetNow(uint64_t micros) { now_ = micros; }

  Result<std::unique_ptr<WritableFile>> NewWritableFile(
      const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> NewAppendableFile(
      const std::string& path) override;
  Result<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(
      const std::string& path) override;
  bool FileExists(const std::string& path) override;
  Result<uint64_t> FileSize(const std::string& path) override;
  Result<std::vector<std::string>> ListDir(const std::string& dir) override;
  Status CreateDirs(const std::string& dir) override;
  Status RenameFile(const std::string& from, const std::string& to) override;
  Status DeleteFile(const std::string& path) override;
  Status DeleteDir(const std::string& dir) override;
  Status SyncDir(const std::string& dir) override;
  uint64_t NowMicros() override { return now_; }
  uint64_t SteadyMicros() override { return now_; }

  // A file's contents, shared by its names and open handles.
  struct Node {
    std::string bytes;
    std::string synced;
  };

 private:
  friend class MemWritableFile;
  using Names = std::map<std::string, std::shared_ptr<Node>>;
  Result<std::unique_ptr<WritableFile>> OpenForWriting(const std::string& path,
                                                       bool truncate);

  mutable std::mutex mu_;
  Names names_;          // guarded by mu_
  Names durable_names_;  // guarded by mu_
  // What the last call did to names (null: gone), when no sync came after it.
  Names last_change_;  // guarded by mu_
  std::set<std::string> dirs_;
  uint64_t now_ = 1700000000000000;
};

class FaultEnv : public Env {
 public:
  explicit FaultEnv(Env* base) : base_(base) {}  // not owned

  // Calls are counted from 0, all but FileExists and the clocks, which cannot
  // fail.
  int calls() const { return calls_; }
  // That call gets `error` and has no effect; an Append keeps half its bytes.
  void FailAt(int call, Status error = Unknown("injected: Input/output error"));
  // No call from that one on has an effect: the process is gone.
  void FailFrom(int call);

  Result<std::unique_ptr<WritableFile>> NewWritableFile(
      const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> NewAppendableFile(
      const std::string& path) override;
  Result<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(
      const std::string& path) override;
  bool FileExists(const std::string& path) override;
  Result<uint64_t> FileSize(const std::string& path) override;
  Result<std::vector<std::string>> ListDir(const std::string& dir) override;
  Status CreateDirs(const std::string& dir) override;
  Status RenameFile(const std::string& from, const std::string& to) override;
  Status DeleteFile(const std::string& path) override;
  Status DeleteDir(const std::string& dir) override;
  Status SyncDir(const std::string& dir) override;
  uint64_t NowMicros() override { return base_->NowMicros(); }
  uint64_t SteadyMicros() override { return base_->SteadyMicros(); }

  // The next call's fate.
  Status Count();

 private:
  Env* const base_;
  std::mutex mu_;
  int calls_ = 0;
  int fail_at_ = -1;
  bool forever_ = false;
  Status error_;
};

}  // namespace lockstep
