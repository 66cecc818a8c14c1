// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/env.h"

#include <unistd.h>

#include <atomic>

namespace lockstep {
namespace {

// Another name for every call, in this and in other processes.
std::string TemporaryName(const std::string& path) {
  static std::atomic<uint64_t> counter{0};
  return StrCat(path, ".tmp-", getpid(), "-", counter.fetch_add(1));
}

Status WriteAndSync(Env& env, const std::string& path, std::string_view bytes) {
  LS_ASSIGN_OR_RETURN(auto file, env.NewWritableFile(path));
  LS_RETURN_IF_ERROR(file->Append(bytes));
  LS_RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

}  // namespace

Result<std::string> Env::ReadFile(const std::string& path) {
  LS_ASSIGN_OR_RETURN(auto file, NewRandomAccessFile(path));
  std::string bytes;
  try {
    bytes.resize(file->size());
  } catch (const std::exception&) {
    return ResourceExhausted("read '", path, "': out of memory for ",
                             HumanBytes(file->size()));
  }
  LS_RETURN_IF_ERROR(file->Read(0, bytes.size(), bytes.data()));
  return bytes;
}

Status Env::WriteFileAtomically(const std::string& path,
                                std::string_view bytes) {
  const std::string beside = TemporaryName(path);
  Status status = WriteAndSync(*this, beside, bytes);
  if (status.ok()) status = RenameFile(beside, path);
  if (!status.ok()) {
    (void)DeleteFile(beside);  // the first error is the one to report
    return status;
  }
  return SyncDir(DirName(path));
}

std::string JoinPath(std::string_view dir, std::string_view name) {
  if (dir.empty() || name.starts_with('/')) return std::string(name);
  if (name.empty()) return std::string(dir);
  return StrCat(dir, dir.ends_with('/') ? "" : "/", name);
}

std::string DirName(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

std::string BaseName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path
                                                     : path.substr(slash + 1));
}

}  // namespace lockstep
