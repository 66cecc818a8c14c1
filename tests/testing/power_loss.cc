// SPDX-License-Identifier: Apache-2.0
#include "tests/testing/power_loss.h"

#include <algorithm>
#include <set>
#include <utility>

namespace lockstep {
namespace {

class RecordingFile : public WritableFile {
 public:
  RecordingFile(RecordingEnv* env, std::string path, int file,
                std::unique_ptr<WritableFile> base)
      : env_(env),
        path_(std::move(path)),
        file_(file),
        base_(std::move(base)) {}

  Status Append(std::string_view bytes) override {
    env_->Record({DiskChange::kWrite, path_, std::string(bytes), true, file_});
    return base_->Append(bytes);
  }
  Status Flush() override { return base_->Flush(); }
  Status Sync() override {
    LS_RETURN_IF_ERROR(base_->Sync());
    env_->Record({DiskChange::kSync, path_, {}, true, file_});
    return Ok();
  }
  Status Close() override { return base_->Close(); }

 private:
  RecordingEnv* const env_;
  const std::string path_;
  const int file_;
  const std::unique_ptr<WritableFile> base_;
};

}  // namespace

void RecordingEnv::Record(DiskChange change) {
  const std::lock_guard lock(mu_);
  changes_.push_back(std::move(change));
}

Result<std::unique_ptr<WritableFile>> RecordingEnv::Open(
    const std::string& path, bool truncates) {
  LS_ASSIGN_OR_RETURN(auto file, truncates ? base_->NewWritableFile(path)
                                           : base_->NewAppendableFile(path));
  const std::lock_guard lock(mu_);
  const int number = files_++;
  changes_.push_back({DiskChange::kOpen, path, {}, truncates, number});
  return std::unique_ptr<WritableFile>(
      new RecordingFile(this, path, number, std::move(file)));
}

Result<std::unique_ptr<WritableFile>> RecordingEnv::NewWritableFile(
    const std::string& path) {
  return Open(path, true);
}
Result<std::unique_ptr<WritableFile>> RecordingEnv::NewAppendableFile(
    const std::string& path) {
  return Open(path, false);
}
Result<std::unique_ptr<RandomAccessFile>> RecordingEnv::NewRandomAccessFile(
    const std::string& path) {
  return base_->NewRandomAccessFile(path);
}
bool RecordingEnv::FileExists(const std::string& path) {
  return base_->FileExists(path);
}
Result<uint64_t> RecordingEnv::FileSize(const std::string& path) {
  return base_->FileSize(path);
}
Result<std::vector<std::string>> RecordingEnv::ListDir(const std::string& dir) {
  return base_->ListDir(dir);
}
Status RecordingEnv::CreateDirs(const std::string& dir) {
  return base_->CreateDirs(dir);
}

Status RecordingEnv::RenameFile(const std::string& from,
                                const std::string& to) {
  LS_RETURN_IF_ERROR(base_->RenameFile(from, to));
  Record({DiskChange::kRename, from, to});
  return Ok();
}
Status RecordingEnv::DeleteFile(const std::string& path) {
  LS_RETURN_IF_ERROR(base_->DeleteFile(path));
  Record({DiskChange::kDelete, path});
  return Ok();
}
Status RecordingEnv::DeleteDir(const std::string& dir) {
  return base_->DeleteDir(dir);
}
Status RecordingEnv::SyncDir(const std::string& dir) {
  LS_RETURN_IF_ERROR(base_->SyncDir(dir));
  Record({DiskChange::kSyncDir, dir});
  return Ok();
}

namespace {

// What was done to a file since it was synced: bytes at an offset, or none of
// it left.
struct Write {
  size_t offset = 0;
  std::string bytes;
  bool truncates = false;
};

struct File {
  std::string durable;
  std::vector<Write> pending;
  size_t size = 0;

  static void Do(const Write& write, size_t bytes, std::string* content) {
    if (write.truncates) {
      content->clear();
      return;
    }
    if (bytes == 0) return;
    content->resize(std::max(content->size(), write.offset + bytes), '\0');
    content->replace(write.offset, bytes, write.bytes, 0, bytes);
  }
  // With the writes for which `done` says how many bytes of how many.
  template <class F>
  std::string With(const F& done) const {
    std::string content = durable;
    for (size_t i = 0; i < pending.size(); ++i) {
      const std::pair<bool, size_t> how = done(i, pending[i].bytes.size());
      if (how.first) Do(pending[i], how.second, &content);
    }
    return content;
  }
  std::set<std::string> Contents() const {
    std::set<std::string> found;
    using Done = std::pair<bool, size_t>;
    for (size_t n = 0; n <= pending.size(); ++n) {
      const auto before = [&](size_t i, size_t all) {
        return Done(i < n, all);
      };
      found.insert(With(before));
      if (n == pending.size()) break;
      found.insert(With([&](size_t i, size_t all) {
        return Done(i <= n, i < n ? all : all / 2);  // torn
      }));
      found.insert(With([&](size_t i, size_t all) {
        return Done(i != n, all);  // the others were faster
      }));
      found.insert(
          With([&](size_t i, size_t all) { return Done(i == n, all); }));
    }
    return found;
  }
};

constexpr int kGone = -1;

class Disk {
 public:
  explicit Disk(const MemEnv& before) {
    auto copy = before.AfterCrash(Crash::kKill);
    for (const std::string& path : copy->Files()) {
      const std::string bytes = copy->ReadFile(path).value();
      names_[path] = {static_cast<int>(files_.size())};
      files_.push_back({.durable = bytes, .pending = {}, .size = bytes.size()});
    }
  }

  void Do(const DiskChange& c) {
    switch (c.kind) {
      case DiskChange::kOpen: return Open(c);
      case DiskChange::kWrite: {
        File& file = Opened(c.file);
        file.pending.push_back({file.size, c.to});
        file.size += c.to.size();
        return;
      }
      case DiskChange::kSync: {
        File& file = Opened(c.file);
        file.durable =
            file.With([](size_t, size_t all) { return std::pair(true, all); });
        file.pending.clear();
        return;
      }
      case DiskChange::kRename:
        Values(c.to).push_back(Values(c.path).back());
        Values(c.path).push_back(kGone);
        return;
      case DiskChange::kDelete: Values(c.path).push_back(kGone); return;
      case DiskChange::kSyncDir:
        for (auto& [path, values] : names_) {
          if (DirName(path) == c.path) values = {values.back()};
        }
        return;
    }
  }

  std::vector<DiskState> States() const {
    std::set<DiskState> states = {{}};
    for (const auto& [path, values] : names_) {
      std::set<DiskState> more;
      for (const int file : std::set<int>(values.begin(), values.end())) {
        if (file == kGone) {
          more.insert(states.begin(), states.end());
          continue;
        }
        const auto& contents = files_[static_cast<size_t>(file)].Contents();
        for (const std::string& content : contents) {
          for (DiskState state : states) {
            state[path] = content;
            more.insert(std::move(state));
          }
        }
      }
      states = std::move(more);
    }
    return {states.begin(), states.end()};
  }

 private:
  std::vector<int>& Values(const std::string& path) {
    std::vector<int>& values = names_[path];
    if (values.empty()) values = {kGone};
    return values;
  }
  File& Opened(int number) {
    return files_[static_cast<size_t>(opened_.at(number))];
  }
  void Open(const DiskChange& c) {
    std::vector<int>& values = Values(c.path);
    if (values.back() == kGone) {
      values.push_back(static_cast<int>(files_.size()));
      files_.emplace_back();
    } else if (c.truncates) {
      File& file = files_[static_cast<size_t>(values.back())];
      file.pending.push_back({.truncates = true});
      file.size = 0;
    }
    opened_[c.file] = values.back();
  }

  std::vector<File> files_;
  std::map<std::string, std::vector<int>> names_;  // the last is the present
  std::map<int, int> opened_;
};

}  // namespace

std::vector<DiskState> DiskStates(const MemEnv& before,
                                  const std::vector<DiskChange>& changes,
                                  size_t count) {
  Disk disk(before);
  for (size_t i = 0; i < count; ++i) disk.Do(changes[i]);
  return disk.States();
}

std::unique_ptr<MemEnv> EnvOf(const DiskState& state) {
  auto env = std::make_unique<MemEnv>();
  for (const auto& [path, bytes] : state) {
    (void)env->CreateDirs(DirName(path));
    env->Overwrite(path, bytes);
  }
  return env;
}

}  // namespace lockstep
