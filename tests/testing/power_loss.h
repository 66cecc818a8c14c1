// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a disk may hold when the power goes, for any instant of a piece of work.
//
// RecordingEnv passes calls on to a MemEnv and writes down what they change.
// DiskStates then tells every content that POSIX allows after the first n
// changes: names have any of the values that they had since their folder was
// last synced, each by itself; of what was written to a file since it was
// synced, any prefix is there, the last write of it torn, or any one write is
// missing (zeros, where later ones are there) or is the only one.
//
//   RecordingEnv env(&disk);
//   const auto before = disk.AfterCrash(Crash::kPowerLoss);
//   ASSERT_TRUE(Save(env).ok());
//   for (size_t n = 0; n <= env.changes().size(); ++n) {
//     for (const auto& state : DiskStates(*before, env.changes(), n)) ...
//   }

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/testing/fault_env.h"

namespace lockstep {

struct DiskChange {
  enum Kind { kOpen, kWrite, kSync, kRename, kDelete, kSyncDir };
  Kind kind;
  std::string path;       // of the file or folder
  std::string to = {};    // kRename: the new name; kWrite: the bytes
  bool truncates = true;  // kOpen
  int file = -1;          // kOpen, kWrite, kSync: which opening
};

class RecordingEnv : public Env {
 public:
  explicit RecordingEnv(MemEnv* base) : base_(base) {}  // not owned

  const std::vector<DiskChange>& changes() const { return changes_; }
  void Record(DiskChange change);

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

 private:
  Result<std::unique_ptr<WritableFile>> Open(const std::string& path,
                                             bool truncates);

  MemEnv* const base_;
  std::mutex mu_;
  std::vector<DiskChange> changes_;  // guarded by mu_
  int files_ = 0;                    // guarded by mu_
};

// Contents by path, each different. `before` is on the disk.
using DiskState = std::map<std::string, std::string>;
std::vector<DiskState> DiskStates(const MemEnv& before,
                                  const std::vector<DiskChange>& changes,
                                  size_t count);
// A file system that holds just this.
std::unique_ptr<MemEnv> EnvOf(const DiskState& state);

}  // namespace lockstep
