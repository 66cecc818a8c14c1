// SPDX-License-Identifier: Apache-2.0
#pragma once

// Env: files, folders and the clock behind an interface, so that tests can
// fail or cut any call. Everything in runtime/io goes through one.
//
// Thread-safe, except that one WritableFile is used by one thread at a time.
// Errors carry the call, the path and the system's text:
//   NOT_FOUND: open '/x/checkpoint': No such file or directory
// NOT_FOUND for ENOENT, PERMISSION_DENIED for EACCES/EPERM/EROFS,
// RESOURCE_EXHAUSTED for ENOSPC/EDQUOT, ALREADY_EXISTS for EEXIST,
// UNKNOWN for the rest.
//
//   Env& env = *Env::Default();
//   LS_ASSIGN_OR_RETURN(auto file, env.NewWritableFile(tmp));
//   LS_RETURN_IF_ERROR(file->Append(bytes));
//   LS_RETURN_IF_ERROR(file->Sync());    // on the disk when this returns
//   LS_RETURN_IF_ERROR(file->Close());
//   LS_RETURN_IF_ERROR(env.RenameFile(tmp, path));
//   LS_RETURN_IF_ERROR(env.SyncDir(dir));

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/status.h"

namespace lockstep {

class WritableFile {
 public:
  virtual ~WritableFile() = default;  // closes, dropping errors
  virtual Status Append(std::string_view bytes) = 0;
  virtual Status Flush() = 0;  // to the system
  virtual Status Sync() = 0;   // to the disk (fsync)
  virtual Status Close() = 0;  // once
};

class RandomAccessFile {
 public:
  virtual ~RandomAccessFile() = default;
  // Reads exactly `n` bytes at `offset` into `out`; OUT_OF_RANGE when the file
  // is shorter.
  virtual Status Read(uint64_t offset, size_t n, char* out) const = 0;
  virtual uint64_t size() const = 0;
};

class Env {
 public:
  virtual ~Env() = default;
  // The real file system and clock; never destroyed.
  static Env* Default();

  // Truncates an existing file.
  virtual Result<std::unique_ptr<WritableFile>> NewWritableFile(
      const std::string& path) = 0;
  virtual Result<std::unique_ptr<WritableFile>> NewAppendableFile(
      const std::string& path) = 0;
  virtual Result<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(
      const std::string& path) = 0;
  virtual bool FileExists(const std::string& path) = 0;
  virtual Result<uint64_t> FileSize(const std::string& path) = 0;
  // Names in a folder, sorted, without "." and "..".
  virtual Result<std::vector<std::string>> ListDir(const std::string& dir) = 0;
  virtual Status CreateDirs(const std::string& dir) = 0;  // like mkdir -p
  virtual Status RenameFile(const std::string& from, const std::string& to) = 0;
  virtual Status DeleteFile(const std::string& path) = 0;
  virtual Status DeleteDir(const std::string& dir) = 0;  // an empty one
  virtual Status SyncDir(const std::string& dir) = 0;
  // Microseconds: since 1970, and of a clock that never jumps.
  virtual uint64_t NowMicros() = 0;
  virtual uint64_t SteadyMicros() = 0;

  // Helpers over the calls above.
  Result<std::string> ReadFile(const std::string& path);
  // Written beside, synced, renamed over `path`, folder synced: `path` holds
  // the old bytes or the new ones, whatever happens.
  Status WriteFileAtomically(const std::string& path, std::string_view bytes);
};

// "a/b" + "c" = "a/b/c"; an absolute second part wins.
std::string JoinPath(std::string_view dir, std::string_view name);
std::string DirName(std::string_view path);  // "." when there is none
std::string BaseName(std::string_view path);

}  // namespace lockstep
