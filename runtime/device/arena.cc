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

size_t PhysicalMemory() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGE_SIZE);
  if (pages <= 0 || page <= 0) return size_t{16} << 30;
  return static_cast<size_t>(pages) * static_cast<size_t>(page);
}

}  // namespace

Result<std::unique_ptr<Arena>> Arena::Create(size_t limit) {
  const size_t bytes = RoundUp(limit ? limit : PhysicalMemory(), kPage);
  void* base = mmap(nullptr, bytes, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) {
    return ResourceExhausted("cannot reserve addresses for ",
                             HumanBytes(bytes), ": ", strerror(errno));
  }
  return std::unique_ptr<Arena>(
      new Arena(static_cast<char*>(base), limit ? limit : bytes));
}

Arena::~Arena() { munmap(base_, RoundUp(limit_, kPage)); }

Status Arena::Grow(size_t bytes) {
  if (bytes <= size_) return Ok();
  if (bytes > limit_) {
    return ResourceExhausted("a plan needs ", HumanBytes(bytes), " (", bytes,
                             " bytes), the limit is ", HumanBytes(limit_));
  }
  const size_t usable = std::min(RoundUp(bytes, kPage), RoundUp(limit_, kPage));
  if (mprotect(base_, usable, PROT_READ | PROT_WRITE) != 0) {
    return ResourceExhausted("the system refuses ", HumanBytes(usable), ": ",
                             strerror(errno));
  }
  // Advice only: a kernel without huge pages may ignore it.
  if (usable >= kHugePage) (void)madvise(base_, usable, MADV_HUGEPAGE);
  size_ = bytes;
  return Ok();
}

}  // namespace lockstep
