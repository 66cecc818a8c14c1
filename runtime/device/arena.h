// SPDX-License-Identifier: Apache-2.0
#pragma once

// Arena: the one range of host memory that a session's plans share on a CPU
// device. Its base never moves, so plans keep addresses into it while it grows.
// Not thread-safe: the runs of a session take turns.
//
//   LS_ASSIGN_OR_RETURN(auto arena, Arena::Create(limit));
//   LS_RETURN_IF_ERROR(arena->Grow(plan_bytes));
//   char* activation = arena->base() + offset;

#include <cstddef>
#include <memory>

#include "runtime/core/status.h"

namespace lockstep {

class Arena {
 public:
  // Reserves addresses for `limit` bytes (0: as much as the machine has) and
  // takes no memory yet.
  static Result<std::unique_ptr<Arena>> Create(size_t limit);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Makes at least `bytes` usable; never shrinks. RESOURCE_EXHAUSTED with both
  // figures when that is over the limit or the system refuses.
  Status Grow(size_t bytes);
  char* base() const { return base_; }
  size_t size() const { return size_; }
  size_t limit() const { return limit_; }

 private:
  Arena(char* base, size_t limit) : base_(base), limit_(limit) {}
  char* base_;
  size_t size_ = 0;
  size_t limit_;
};

}  // namespace lockstep
