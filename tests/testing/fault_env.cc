// SPDX-License-Identifier: Apache-2.0
#include "tests/testing/fault_env.h"

#include <cstring>
#include <utility>

namespace lockstep {

// Appends to a buffer; Flush, Sync and Close hand it to the node.
class MemWritableFile : public WritableFile {
 public:
  MemWritableFile(MemEnv* env, std::shared_ptr<MemEnv::Node> node)
      : env_(env), node_(std::move(node)) {}

  Status Append(std::string_view bytes) override {
    buffer_ += bytes;
    return Ok();
  }
  Status Flush() override {
    std::lock_guard lock(env_->mu_);
    node_->bytes += std::exchange(buffer_, "");
    return Ok();
  }
  Status Sync() override {
    LS_RETURN_IF_ERROR(Flush());
    std::lock_guard lock(env_->mu_);
    node_->synced = node_->bytes;
    return Ok();
  }
  Status Close() override { return Flush(); }

 private:
  MemEnv* const env_;
  const std::shared_ptr<MemEnv::Node> node_;
  std::string buffer_;
};

namespace {

class MemRandomAccessFile : public RandomAccessFile {
 public:
  explicit MemRandomAccessFile(std::string bytes) : bytes_(std::move(bytes)) {}
  Status Read(uint64_t offset, size_t n, char* out) const override {
    if (offset > bytes_.size() || n > bytes_.size() - offset) {
      return OutOfRange("read of ", n, " bytes at ", offset, " of ",
                        bytes_.size());
    }
    if (n > 0) std::memcpy(out, bytes_.data() + offset, n);
    return Ok();
  }
  uint64_t size() const override { return bytes_.size(); }

 private:
  const std::string bytes_;
};

// "./a" and "a" are one file.
std::string Plain(std::string_view path) {
  while (path.starts_with("./")) path.remove_prefix(2);
  return std::string(path);
}

Status Missing(std::string_view call, const std::string& path) {
  return NotFound(call, " '", path, "': No such file or directory");
}

}  // namespace

std::unique_ptr<MemEnv> MemEnv::AfterCrash(Crash how) const {
  std::lock_guard lock(mu_);
  auto after = std::make_unique<MemEnv>();
  after->dirs_ = dirs_;
  after->now_ = now_;
  const bool lost = how == Crash::kPowerLoss || how == Crash::kLastNameOnly;
  Names names = lost ? durable_names_ : names_;
  if (how == Crash::kLastNameOnly) {
    for (const auto& [path, node] : last_change_) names[path] = node;
    std::erase_if(names, [](const auto& e) { return e.second == nullptr; });
  }
  for (const auto& [path, node] : names) {
    auto copy = std::make_shared<Node>();
    copy->bytes = how == Crash::kKill ? node->bytes : node->synced;
    copy->synced = copy->bytes;
    after->names_[path] = copy;
  }
  after->durable_names_ = after->names_;
  return after;
}

std::vector<std::string> MemEnv::Files() const {
  std::lock_guard lock(mu_);
  std::vector<std::string> paths;
  for (const auto& [path, node] : names_) paths.push_back(path);
  return paths;
}

void MemEnv::Overwrite(const std::string& path, std::string bytes) {
  std::lock_guard lock(mu_);
  auto& node = names_[Plain(path)];
  if (node == nullptr) node = std::make_shared<Node>();
  node->synced = bytes;
  node->bytes = std::move(bytes);
}

Result<std::unique_ptr<WritableFile>> MemEnv::OpenForWriting(
    const std::string& path, bool truncate) {
  std::lock_guard lock(mu_);
  const std::string name = Plain(path);
  if (!dirs_.contains(DirName(name))) return Missing("open", path);
  auto& node = names_[name];
  if (node == nullptr) node = std::make_shared<Node>();
  if (truncate) *node = Node();
  return std::unique_ptr<WritableFile>(new MemWritableFile(this, node));
}

Result<std::unique_ptr<WritableFile>> MemEnv::NewWritableFile(
    const std::string& path) {
  return OpenForWriting(path, true);
}

Result<std::unique_ptr<WritableFile>> MemEnv::NewAppendableFile(
    const std::string& path) {
  return OpenForWriting(path, false);
}

Result<std::unique_ptr<RandomAccessFile>> MemEnv::NewRandomAccessFile(
    const std::string& path) {
  std::lock_guard lock(mu_);
  const auto it = names_.find(Plain(path));
  if (it == names_.end()) return Missing("open", path);
  return std::unique_ptr<RandomAccessFile>(
      new MemRandomAccessFile(it->second->bytes));
}

bool MemEnv::FileExists(const std::string& path) {
  std::lock_guard lock(mu_);
  return names_.contains(Plain(path)) || dirs_.contains(Plain(path));
}

Result<uint64_t> MemEnv::FileSize(const std::string& path) {
  std::lock_guard lock(mu_);
  const auto it = names_.find(Plain(path));
  if (it == names_.end()) return Missing("stat", path);
  return uint64_t{it->second->bytes.size()};
}

Result<std::vector<std::string>> MemEnv::ListDir(const std::string& dir) {
  std::lock_guard lock(mu_);
  if (!dirs_.contains(Plain(dir))) return Missing("opendir", dir);
  std::vector<std::string> names;
  for (const auto& [path, node] : names_) {
    if (DirName(path) == Plain(dir)) names.push_back(BaseName(path));
  }
  return names;
}

Status MemEnv::CreateDirs(const std::string& dir) {
  std::lock_guard lock(mu_);
  for (std::string d = Plain(dir); !dirs_.contains(d); d = DirName(d)) {
    dirs_.insert(d);
  }
  return Ok();
}

Status MemEnv::RenameFile(const std::string& from, const std::string& to) {
  std::lock_guard lock(mu_);
  const auto it = names_.find(Plain(from));
  if (it == names_.end()) return Missing("rename", from);
  if (Plain(from) == Plain(to)) return Ok();
  last_change_ = {{Plain(from), nullptr}, {Plain(to), it->second}};
  names_[Plain(to)] = it->second;
  names_.erase(Plain(from));
  return Ok();
}

Status MemEnv::DeleteFile(const std::string& path) {
  std::lock_guard lock(mu_);
  if (names_.contains(Plain(path))) last_change_ = {{Plain(path), nullptr}};
  return names_.erase(Plain(path)) == 1 ? Ok() : Missing("unlink", path);
}

// Folders leave no trace of their own in AfterCrash.
Status MemEnv::DeleteDir(const std::string& dir) {
  std::lock_guard lock(mu_);
  const std::string inside = Plain(dir) + "/";
  for (const auto& [path, node] : names_) {
    if (path.starts_with(inside)) {
      return Unknown("rmdir '", dir, "': Directory not empty");
    }
  }
  return dirs_.erase(Plain(dir)) == 1 ? Ok() : Missing("rmdir", dir);
}

Status MemEnv::SyncDir(const std::string& dir) {
  std::lock_guard lock(mu_);
  last_change_.clear();
  std::erase_if(durable_names_,
                [&](const auto& e) { return DirName(e.first) == Plain(dir); });
  for (const auto& [path, node] : names_) {
    if (DirName(path) == Plain(dir)) durable_names_[path] = node;
  }
  return Ok();
}

namespace {

class FaultWritableFile : public WritableFile {
 public:
  FaultWritableFile(FaultEnv* env, std::unique_ptr<WritableFile> base)
      : env_(env), base_(std::move(base)) {}

  Status Append(std::string_view bytes) override {
    Status fate = env_->Count();
    if (fate.ok()) return base_->Append(bytes);
    if (fate.code() == Code::kCancelled) return fate;
    LS_RETURN_IF_ERROR(base_->Append(bytes.substr(0, bytes.size() / 2)));
    return fate;
  }
  Status Flush() override { return IfFine(&WritableFile::Flush); }
  Status Sync() override { return IfFine(&WritableFile::Sync); }
  Status Close() override { return IfFine(&WritableFile::Close); }

 private:
  Status IfFine(Status (WritableFile::*call)()) {
    LS_RETURN_IF_ERROR(env_->Count());
    return (base_.get()->*call)();
  }

  FaultEnv* const env_;
  const std::unique_ptr<WritableFile> base_;
};

class FaultRandomAccessFile : public RandomAccessFile {
 public:
  FaultRandomAccessFile(FaultEnv* env, std::unique_ptr<RandomAccessFile> base)
      : env_(env), base_(std::move(base)) {}
  Status Read(uint64_t offset, size_t n, char* out) const override {
    LS_RETURN_IF_ERROR(env_->Count());
    return base_->Read(offset, n, out);
  }
  uint64_t size() const override { return base_->size(); }

 private:
  FaultEnv* const env_;
  const std::unique_ptr<RandomAccessFile> base_;
};

}  // namespace

void FaultEnv::FailAt(int call, Status error) {
  std::lock_guard lock(mu_);
  fail_at_ = call;
  forever_ = false;
  error_ = std::move(error);
}

void FaultEnv::FailFrom(int call) {
  std::lock_guard lock(mu_);
  fail_at_ = call;
  forever_ = true;
  error_ = Cancelled("injected: the process is gone");
}

Status FaultEnv::Count() {
  std::lock_guard lock(mu_);
  const int call = calls_++;
  const bool fails =
      fail_at_ >= 0 && (call == fail_at_ || (forever_ && call > fail_at_));
  return fails ? error_ : Ok();
}

Result<std::unique_ptr<WritableFile>> FaultEnv::NewWritableFile(
    const std::string& path) {
  LS_RETURN_IF_ERROR(Count());
  LS_ASSIGN_OR_RETURN(auto file, base_->NewWritableFile(path));
  return std::unique_ptr<WritableFile>(
      new FaultWritableFile(this, std::move(file)));
}

Result<std::unique_ptr<WritableFile>> FaultEnv::NewAppendableFile(
    const std::string& path) {
  LS_RETURN_IF_ERROR(Count());
  LS_ASSIGN_OR_RETURN(auto file, base_->NewAppendableFile(path));
  return std::unique_ptr<WritableFile>(
      new FaultWritableFile(this, std::move(file)));
}

Result<std::unique_ptr<RandomAccessFile>> FaultEnv::NewRandomAccessFile(
    const std::string& path) {
  LS_RETURN_IF_ERROR(Count());
  LS_ASSIGN_OR_RETURN(auto file, base_->NewRandomAccessFile(path));
  return std::unique_ptr<RandomAccessFile>(
      new FaultRandomAccessFile(this, std::move(file)));
}

bool FaultEnv::FileExists(const std::string& path) {
  return base_->FileExists(path);
}

Result<uint64_t> FaultEnv::FileSize(const std::string& path) {
  LS_RETURN_IF_ERROR(Count());
  return base_->FileSize(path);
}

Result<std::vector<std::string>> FaultEnv::ListDir(const std::string& dir) {
  LS_RETURN_IF_ERROR(Count());
  return base_->ListDir(dir);
}

Status FaultEnv::CreateDirs(const std::string& dir) {
  LS_RETURN_IF_ERROR(Count());
  return base_->CreateDirs(dir);
}

Status FaultEnv::RenameFile(const std::string& from, const std::string& to) {
  LS_RETURN_IF_ERROR(Count());
  return base_->RenameFile(from, to);
}

Status FaultEnv::DeleteFile(const std::string& path) {
  LS_RETURN_IF_ERROR(Count());
  return base_->DeleteFile(path);
}

Status FaultEnv::DeleteDir(const std::string& dir) {
  LS_RETURN_IF_ERROR(Count());
  return base_->DeleteDir(dir);
}

Status FaultEnv::SyncDir(const std::string& dir) {
  LS_RETURN_IF_ERROR(Count());
  return base_->SyncDir(dir);
}

}  // namespace lockstep
