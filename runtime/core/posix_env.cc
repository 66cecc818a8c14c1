// SPDX-License-Identifier: Apache-2.0
// Env::Default(): the POSIX file system and clocks.

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>

#include "runtime/core/env.h"
#include "runtime/core/progress.h"

namespace lockstep {
namespace {

constexpr size_t kBufferBytes = 64 << 10;
// What is written goes on its way to the disk in pieces of so many bytes, while
// the caller makes the others.
constexpr size_t kAheadBytes = 8 << 20;
// From here on a read is one of many, in order.
constexpr size_t kLargeRead = 256 << 10;

Status SystemError(std::string_view call, std::string_view path, int error) {
  Code code = Code::kUnknown;
  switch (error) {
    case ENOENT: code = Code::kNotFound; break;
    case EACCES:
    case EPERM:
    case EROFS: code = Code::kPermissionDenied; break;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM: code = Code::kResourceExhausted; break;
    case EINVAL:
    case ENAMETOOLONG: code = Code::kInvalidArgument; break;
    case EFBIG: code = Code::kOutOfRange; break;
    case EEXIST: code = Code::kAlreadyExists; break;
    case ENOTDIR:
    case EISDIR: code = Code::kFailedPrecondition; break;
    default: break;
  }
  return Status(code, StrCat(call, " '", path,
                             "': ", std::generic_category().message(error)));
}

// A system call again while a signal interrupts it.
template <class F>
auto Retry(const F& call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result == -1 && errno == EINTR);
  return result;
}

class PosixWritableFile : public WritableFile {
 public:
  PosixWritableFile(std::string path, int fd)
      : path_(std::move(path)), fd_(fd) {}
  ~PosixWritableFile() override {
    if (fd_ >= 0) (void)Close();
  }

  Status Append(std::string_view bytes) override {
    NoteProgress();
    LS_RETURN_IF_ERROR(CheckUsable("write"));
    if (buffer_.size() + bytes.size() < kBufferBytes) {
      buffer_ += bytes;
      return Ok();
    }
    LS_RETURN_IF_ERROR(Flush());
    if (bytes.size() >= kBufferBytes) return Write(bytes);
    buffer_ += bytes;
    return Ok();
  }

  Status Flush() override {
    LS_RETURN_IF_ERROR(CheckUsable("write"));
    LS_RETURN_IF_ERROR(Write(buffer_));
    buffer_.clear();
    return Ok();
  }

  Status Sync() override {
    NoteProgress();
    LS_RETURN_IF_ERROR(Flush());
    if (Retry([&] { return fsync(fd_); }) != 0) return Fail("fsync");
    return Ok();
  }

  Status Close() override {
    if (fd_ < 0) return CheckUsable("close");
    Status status = Flush();
    // Not retried: the descriptor is gone even when close is interrupted.
    if (close(fd_) != 0 && errno != EINTR) {
      status.Update(SystemError("close", path_, errno));
    }
    fd_ = -1;
    return status;
  }

 private:
  // An error sticks: what would be written after it would leave a hole.
  Status CheckUsable(std::string_view call) const {
    if (fd_ < 0) {
      return FailedPrecondition(call, " '", path_, "': the file is closed");
    }
    return error_;
  }

  Status Fail(std::string_view call) {
    error_ = SystemError(call, path_, errno);
    return error_;
  }

  Status Write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n =
          Retry([&] { return write(fd_, bytes.data(), bytes.size()); });
      if (n < 0) return Fail("write");
      bytes.remove_prefix(static_cast<size_t>(n));
      written_ += static_cast<size_t>(n);
    }
    SendAhead();
    return Ok();
  }

  // A hint: Sync finds little left to do. Errors show there.
  void SendAhead() {
#ifdef SYNC_FILE_RANGE_WRITE
    if (written_ - sent_ < kAheadBytes) return;
    (void)sync_file_range(fd_, static_cast<off_t>(sent_),
                          static_cast<off_t>(written_ - sent_),
                          SYNC_FILE_RANGE_WRITE);
    sent_ = written_;
#endif
  }

  const std::string path_;
  int fd_;
  std::string buffer_;
  Status error_;
  // Bytes since the file was opened; those on their way to the disk.
  uint64_t written_ = 0;
  uint64_t sent_ = 0;
};

class PosixRandomAccessFile : public RandomAccessFile {
 public:
  PosixRandomAccessFile(std::string path, int fd, uint64_t size)
      : path_(std::move(path)), fd_(fd), size_(size) {}
  ~PosixRandomAccessFile() override { close(fd_); }

  Status Read(uint64_t offset, size_t n, char* out) const override {
    if (offset > size_ || n > size_ - offset) return TooShort(offset, n);
    size_t done = 0;
    while (done < n) {
      const ssize_t got = Retry([&] {
        return pread(fd_, out + done, n - done,
                     static_cast<off_t>(offset + done));
      });
      if (got < 0) return SystemError("read", path_, errno);
      if (got == 0) return TooShort(offset, n);  // it was cut meanwhile
      done += static_cast<size_t>(got);
    }
    // The kernel reads further ahead, as far as suits the device.
    if (n >= kLargeRead) {
      (void)posix_fadvise(fd_, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    return Ok();
  }

  uint64_t size() const override { return size_; }

 private:
  Status TooShort(uint64_t offset, size_t n) const {
    return OutOfRange("read '", path_, "': want ", n, " bytes at ", offset,
                      ", the file has ", size_);
  }

  const std::string path_;
  const int fd_;
  const uint64_t size_;
};

uint64_t ClockMicros(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000 +
         static_cast<uint64_t>(now.tv_nsec) / 1000;
}

Result<std::unique_ptr<WritableFile>> OpenForWriting(const std::string& path,
                                                     int how) {
  const int fd = Retry([&] {
    return open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | how, 0666);
  });
  if (fd < 0) return SystemError("open", path, errno);
  return std::unique_ptr<WritableFile>(new PosixWritableFile(path, fd));
}

class PosixEnv : public Env {
 public:
  Result<std::unique_ptr<WritableFile>> NewWritableFile(
      const std::string& path) override {
    return OpenForWriting(path, O_TRUNC);
  }

  Result<std::unique_ptr<WritableFile>> NewAppendableFile(
      const std::string& path) override {
    return OpenForWriting(path, O_APPEND);
  }

  Result<std::unique_ptr<RandomAccessFile>> NewRandomAccessFile(
      const std::string& path) override {
    // O_NONBLOCK: opening a pipe without a writer must not hang.
    const int fd = Retry(
        [&] { return open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); });
    if (fd < 0) return SystemError("open", path, errno);
    struct stat info {};
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
      close(fd);
      return InvalidArgument("open '", path, "': not a regular file");
    }
    return std::unique_ptr<RandomAccessFile>(new PosixRandomAccessFile(
        path, fd, static_cast<uint64_t>(info.st_size)));
  }

  bool FileExists(const std::string& path) override {
    return access(path.c_str(), F_OK) == 0;
  }

  Result<uint64_t> FileSize(const std::string& path) override {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) {
      return SystemError("stat", path, errno);
    }
    return static_cast<uint64_t>(info.st_size);
  }

  Result<std::vector<std::string>> ListDir(const std::string& dir) override {
    const std::unique_ptr<DIR, int (*)(DIR*)> handle(opendir(dir.c_str()),
                                                     closedir);
    if (handle == nullptr) return SystemError("opendir", dir, errno);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = readdir(handle.get())) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
      errno = 0;
    }
    if (errno != 0) return SystemError("readdir", dir, errno);
    std::ranges::sort(names);
    return names;
  }

  Status CreateDirs(const std::string& dir) override {
    for (size_t end = 0; end != std::string::npos;) {
      end = dir.find('/', end + 1);
      const std::string part = dir.substr(0, end);
      if (mkdir(part.c_str(), 0777) == 0) continue;
      const int error = errno;
      struct stat info {};
      const bool is_dir =
          stat(part.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
      if (!is_dir) {
        return SystemError("mkdir", part, error == EEXIST ? ENOTDIR : error);
      }
    }
    return Ok();
  }

  Status RenameFile(const std::string& from, const std::string& to) override {
    if (rename(from.c_str(), to.c_str()) == 0) return Ok();
    return SystemError("rename", StrCat(from, "' to '", to), errno);
  }

  Status DeleteFile(const std::string& path) override {
    if (unlink(path.c_str()) == 0) return Ok();
    return SystemError("unlink", path, errno);
  }

  Status DeleteDir(const std::string& dir) override {
    if (rmdir(dir.c_str()) == 0) return Ok();
    return SystemError("rmdir", dir, errno);
  }

  Status SyncDir(const std::string& dir) override {
    const int fd = Retry(
        [&] { return open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (fd < 0) return SystemError("open", dir, errno);
    const int failed = Retry([&] { return fsync(fd); });
    const int error = errno;
    close(fd);
    // EINVAL: a file system that cannot sync folders, as some remote ones.
    if (failed != 0 && error != EINVAL) return SystemError("fsync", dir, error);
    return Ok();
  }

  uint64_t NowMicros() override { return ClockMicros(CLOCK_REALTIME); }
  uint64_t SteadyMicros() override { return ClockMicros(CLOCK_MONOTONIC); }
};

}  // namespace

Env* Env::Default() {
  static Env* const env = new PosixEnv;
  return env;
}

}  // namespace lockstep
