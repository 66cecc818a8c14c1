// SPDX-License-Identifier: Apache-2.0
#pragma once

// SharedHost: host memory that other processes of this machine can map, so
// that ranks read each other's tensors where they are. It is one anonymous
// file (memfd_create) that takes memory only where it is used, and is gone
// with the last process that has it, however that ends. Thread-safe.
//
//   LS_ASSIGN_OR_RETURN(auto host, SharedHost::Make(/*shares=*/ranks));
//   session_options.host = host;
//   // elsewhere, told of process and file number:
//   LS_ASSIGN_OR_RETURN(auto peer, SharedHostView::Open(pid, host->file()));
//   peer->base() + host->Offset(tensor.data());

#include <cstdint>
#include <map>

#include "runtime/device/host_queue.h"

namespace lockstep {

class SharedHost final : public HostBacked,
                         public std::enable_shared_from_this<SharedHost> {
 public:
  // `shares`: processes that map each other's, which decides how many addresses
  // one may take. RESOURCE_EXHAUSTED or UNIMPLEMENTED where the system does not
  // give such a file or that many addresses.
  static Result<std::shared_ptr<SharedHost>> Make(int shares);
  ~SharedHost() override;

  DeviceKind kind() const override { return kCpu; }
  bool host_memory() const override { return true; }
  Result<void*> Allocate(size_t bytes) override;
  void Free(void* data, size_t bytes) override;
  Result<std::unique_ptr<Arena>> MakeArena(size_t limit) override;

  // Gives the whole pages of the range back to the system; they read as zeros
  // when they are next used. Nothing else changes.
  void Forget(void* data, size_t bytes);

  char* base() const { return base_; }
  int file() const { return file_; }
  // A random number that the file begins with.
  uint64_t mark() const;
  // Whether all of [data, data + bytes) is in the file, and where.
  bool Contains(const void* data, size_t bytes) const;
  uint64_t Offset(const void* data) const;

 private:
  class Part;
  SharedHost(int file, char* base, size_t bytes);
  // The offset of a free range of the file; 0 when there is none.
  size_t Take(size_t bytes, size_t alignment);
  void GiveBack(size_t offset, size_t bytes);
  void Punch(size_t offset, size_t bytes);

  const int file_;
  char* const base_;
  const size_t bytes_;
  std::mutex mutex_;
  std::map<size_t, size_t> free_;  // offset -> bytes; guarded by mutex_
};

// Another process's SharedHost, mapped here.
class SharedHostView {
 public:
  // NOT_FOUND when this process may not open it, or it is not the file that
  // begins with `mark` (a process of another machine or container).
  static Result<std::unique_ptr<SharedHostView>> Open(int process, int file,
                                                      uint64_t mark);
  ~SharedHostView();
  SharedHostView(const SharedHostView&) = delete;
  SharedHostView& operator=(const SharedHostView&) = delete;

  char* base() const { return base_; }

 private:
  SharedHostView(char* base, size_t bytes) : base_(base), bytes_(bytes) {}
  char* const base_;
  const size_t bytes_;
};

}  // namespace lockstep
