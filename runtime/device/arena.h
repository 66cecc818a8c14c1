// SPDX-License-Identifier: Apache-2.0
#pragma once

// Arena: one range of a device's memory that the plans of a session share. Its
// base never moves, so plans keep addresses into it while it grows.
// Not thread-safe: the runs of a session take turns.
//
//   LS_ASSIGN_OR_RETURN(auto arena, MakeHostArena(limit));
//   LS_RETURN_IF_ERROR(arena->Grow(plan_bytes));
//   char* activation = arena->base() + offset;

#include <cstddef>
#include <memory>

#include "runtime/core/status.h"

namespace lockstep {

class Arena {
 public:
  virtual ~Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Makes at least `bytes` usable; never shrinks. RESOURCE_EXHAUSTED with both
  // figures when that is over the limit or the system refuses.
  Status Grow(size_t bytes);
  char* base() const { return base_; }
  size_t size() const { return size_; }
  size_t limit() const { return limit_; }

 protected:
  Arena(char* base, size_t limit) : base_(base), limit_(limit) {}
  // Makes `bytes`, more than size(), usable.
  virtual Status Extend(size_t bytes) = 0;

 private:
  char* base_;
  size_t size_ = 0;
  size_t limit_;
};

// The machine's memory, all processes together.
size_t PhysicalMemory();

// Reserves addresses for `limit` bytes (0: as much as the machine has) of the
// host's memory and takes none yet.
Result<std::unique_ptr<Arena>> MakeHostArena(size_t limit);

}  // namespace lockstep
