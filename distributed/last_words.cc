// SPDX-License-Identifier: Apache-2.0
#include "distributed/last_words.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>

#include "runtime/core/strings.h"

namespace lockstep {
namespace {

using Flag = std::atomic_ref<uint8_t>;
static_assert(Flag::is_always_lock_free);

}  // namespace

LastWords::LastWords(int size) : size_(static_cast<size_t>(size)) {}

LastWords::~LastWords() {
  if (noted_ != nullptr) munmap(noted_, size_);
  if (file_ >= 0) close(file_);
}

int LastWords::Open() {
  file_ = memfd_create("lockstep-words", MFD_CLOEXEC);
  if (file_ < 0) return -1;
  if (ftruncate(file_, static_cast<off_t>(size_)) == 0 && Map(file_)) {
    return file_;
  }
  close(file_);
  return file_ = -1;
}

bool LastWords::Join(int32_t process, int file) {
  if (file < 0) return false;
  const int there =
      open(StrCat("/proc/", process, "/fd/", file).c_str(), O_RDWR | O_CLOEXEC);
  if (there < 0) return false;
  struct stat is = {};
  const bool mapped = fstat(there, &is) == 0 &&
                      is.st_size == static_cast<off_t>(size_) && Map(there);
  close(there);
  return mapped;
}

bool LastWords::Map(int file) {
  void* memory =
      mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) return false;
  noted_ = static_cast<uint8_t*>(memory);
  return true;
}

void LastWords::Note(int rank) {
  if (noted_ != nullptr) Flag(noted_[rank]).store(1);
}

bool LastWords::Noted(int rank) const {
  return noted_ != nullptr && Flag(noted_[rank]).load() != 0;
}

}  // namespace lockstep
