// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace lockstep {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kHugePage = size_t{2} << 20;

size_t RoundUp(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

// With fewer addresses than this nothing runs.
constexpr size_t kLeastReserved = size_t{32} << 20;

void* Reserve(size_t bytes) {
  return mmap(nullptr, bytes, PROT_NONE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

class HostArena final : public Arena {
 public:
  HostArena(char* base, size_t limit) : Arena(base, limit) {}
  ~HostArena() override { munmap(base(), RoundUp(limit(), kPage)); }

 protected:
  Status Extend(size_t bytes) override {
    const size_t usable = RoundUp(bytes, kPage);
    if (mprotect(base(), usable, PROT_READ | PROT_WRITE) != 0) {
      return ResourceExhausted("the system refuses ", HumanBytes(usable), ": ",
                               strerror(errno));
    }
    // Advice only: a kernel without huge pages may ignore it.
    if (usable >= kHugePage) (void)madvise(base(), usable, MADV_HUGEPAGE);
    return Ok();
  }
};

}  // namespace

Status Arena::Grow(size_t bytes) {
  if (bytes <= size_) return Ok();
  if (bytes > limit_) {
    return ResourceExhausted("a plan needs ", HumanBytes(bytes), " (", bytes,
                             " bytes), the limit is ", HumanBytes(limit_));
  }
  LS_RETURN_IF_ERROR(Extend(bytes));
  size_ = bytes;
  return Ok();
}

size_t PhysicalMemory() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGE_SIZE);
  if (pages <= 0 || page <= 0) return size_t{16} << 30;
  return static_cast<size_t>(pages) * static_cast<size_t>(page);
}

Result<std::unique_ptr<Arena>> MakeHostArena(size_t limit) {
  const size_t wanted = RoundUp(limit ? limit : PhysicalMemory(), kPage);
  size_t bytes = wanted;
  void* base = Reserve(bytes);
  // Where the process may have fewer addresses than the machine has memory
  // (ulimit -v), so does the arena, and leaves others as many.
  while (base == MAP_FAILED && errno == ENOMEM && bytes > kLeastReserved) {
    bytes = RoundUp(bytes / 2, kPage);
    base = Reserve(bytes);
  }
  if (base == MAP_FAILED) {
    return ResourceExhausted("cannot reserve addresses for ", HumanBytes(bytes),
                             ": ", strerror(errno));
  }
  return std::unique_ptr<Arena>(std::make_unique<HostArena>(
      static_cast<char*>(base), limit && bytes == wanted ? limit : bytes));
}

}  // namespace lockstep
