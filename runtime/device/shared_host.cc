// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/shared_host.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace lockstep {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kHugePage = size_t{2} << 20;
// Arenas reserve as many addresses as the machine has memory; there is one for
// each session and depth of functions.
constexpr size_t kArenas = 8;
// Of the 128 TiB of a process's addresses, for all ranks' files together.
constexpr size_t kAddresses = size_t{32} << 40;

size_t RoundUp(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

Status System(const char* call) {
  return ResourceExhausted("memory shared between processes: ", call, ": ",
                           strerror(errno));
}

}  // namespace

// A range of the file.
class SharedHost::Part final : public Arena {
 public:
  Part(std::shared_ptr<SharedHost> host, size_t offset, size_t limit)
      : Arena(host->base_ + offset, limit),
        host_(std::move(host)),
        offset_(offset) {}
  ~Part() override { host_->GiveBack(offset_, RoundUp(limit(), kHugePage)); }

 protected:
  Status Extend(size_t bytes) override {
    // Advice only, as for other arenas.
    if (bytes >= kHugePage) (void)madvise(base(), bytes, MADV_HUGEPAGE);
    return Ok();
  }

 private:
  std::shared_ptr<SharedHost> host_;  // shared: sessions end in any order
  const size_t offset_;
};

Result<std::shared_ptr<SharedHost>> SharedHost::Make(int shares) {
  const size_t bytes =
      std::min(kArenas * PhysicalMemory(),
               kAddresses / static_cast<size_t>(std::max(1, shares))) /
      kHugePage * kHugePage;
  const int file = memfd_create("lockstep", MFD_CLOEXEC);
  if (file < 0) return System("memfd_create");
  if (ftruncate(file, static_cast<off_t>(bytes)) != 0) {
    const Status refused = System("ftruncate");
    close(file);
    return refused;
  }
  void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_NORESERVE, file, 0);
  if (base == MAP_FAILED) {
    const Status refused = System("mmap");
    close(file);
    return refused;
  }
  return std::shared_ptr<SharedHost>(
      new SharedHost(file, static_cast<char*>(base), bytes));
}

SharedHost::SharedHost(int file, char* base, size_t bytes)
    : HostBacked("host, shared", PhysicalMemory()),
      file_(file),
      base_(base),
      bytes_(bytes) {
  uint64_t mark = 0;
  if (getrandom(&mark, sizeof(mark), 0) != sizeof(mark)) {
    mark = static_cast<uint64_t>(getpid());
  }
  std::memcpy(base_, &mark, sizeof(mark));
  free_.emplace(kPage, bytes_ - kPage);
}

SharedHost::~SharedHost() {
  munmap(base_, bytes_);
  close(file_);
}

uint64_t SharedHost::mark() const {
  uint64_t mark = 0;
  std::memcpy(&mark, base_, sizeof(mark));
  return mark;
}

bool SharedHost::Contains(const void* data, size_t bytes) const {
  const auto* at = static_cast<const char*>(data);
  return at >= base_ && at + bytes <= base_ + bytes_;
}

uint64_t SharedHost::Offset(const void* data) const {
  return static_cast<uint64_t>(static_cast<const char*>(data) - base_);
}

size_t SharedHost::Take(size_t bytes, size_t alignment) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto it = free_.begin(); it != free_.end(); ++it) {
    const auto [offset, size] = *it;
    const size_t start = RoundUp(offset, alignment);
    if (start + bytes > offset + size) continue;
    free_.erase(it);
    if (start > offset) free_.emplace(offset, start - offset);
    if (start + bytes < offset + size) {
      free_.emplace(start + bytes, offset + size - start - bytes);
    }
    return start;
  }
  return 0;
}

// On kernels that cannot, the pages stay.
void SharedHost::Punch(size_t offset, size_t bytes) {
  const size_t first = RoundUp(offset, kPage);
  const size_t last = (offset + bytes) / kPage * kPage;
  if (first < last) {
    (void)fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    static_cast<off_t>(first),
                    static_cast<off_t>(last - first));
  }
}

void SharedHost::Forget(void* data, size_t bytes) {
  if (Contains(data, bytes)) Punch(Offset(data), bytes);
}

void SharedHost::GiveBack(size_t offset, size_t bytes) {
  Punch(offset, bytes);
  const std::lock_guard<std::mutex> lock(mutex_);
  auto it = free_.emplace(offset, bytes).first;
  if (const auto next = std::next(it);
      next != free_.end() && it->first + it->second == next->first) {
    it->second += next->second;
    free_.erase(next);
  }
  if (it == free_.begin()) return;
  const auto before = std::prev(it);
  if (before->first + before->second != it->first) return;
  before->second += it->second;
  free_.erase(it);
}

Result<void*> SharedHost::Allocate(size_t bytes) {
  const size_t size = AllocationSize(bytes);
  const bool large = size >= kHugePage;
  const size_t offset = Take(size, large ? kHugePage : kTensorAlignment);
  if (offset == 0) {
    return ResourceExhausted("no addresses left for ", HumanBytes(bytes),
                             " of memory shared between processes");
  }
  if (large) (void)madvise(base_ + offset, size, MADV_HUGEPAGE);
  return static_cast<void*>(base_ + offset);
}

void SharedHost::Free(void* data, size_t bytes) {
  if (data != nullptr) GiveBack(Offset(data), AllocationSize(bytes));
}

Result<std::unique_ptr<Arena>> SharedHost::MakeArena(size_t limit) {
  if (limit == 0) limit = PhysicalMemory();
  const size_t offset = Take(RoundUp(limit, kHugePage), kHugePage);
  // Without addresses in the file, tensors are copied between ranks instead.
  if (offset == 0) return HostBacked::MakeArena(limit);
  return std::unique_ptr<Arena>(
      std::make_unique<Part>(shared_from_this(), offset, limit));
}

Result<std::unique_ptr<SharedHostView>> SharedHostView::Open(int process,
                                                             int file,
                                                             uint64_t mark) {
  const std::string path = StrCat("/proc/", process, "/fd/", file);
  const int opened = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (opened < 0) return NotFound(path, ": ", strerror(errno));
  struct stat info = {};
  void* base = MAP_FAILED;
  size_t bytes = 0;
  if (fstat(opened, &info) == 0 && S_ISREG(info.st_mode)) {
    bytes = static_cast<size_t>(info.st_size);
    base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_NORESERVE, opened, 0);
  }
  close(opened);
  if (base == MAP_FAILED) return NotFound(path, " cannot be mapped");
  std::unique_ptr<SharedHostView> view(
      new SharedHostView(static_cast<char*>(base), bytes));
  uint64_t found = 0;
  if (bytes >= sizeof(found)) std::memcpy(&found, base, sizeof(found));
  if (found == mark) return view;
  return NotFound(path, " is not the memory of the other rank");
}

SharedHostView::~SharedHostView() { munmap(base_, bytes_); }

}  // namespace lockstep
