// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a record of a run (TraceKind::kRun) has for bytes: whether the ops of
// the run are recorded too, and how many runs of the same name came before it
// since the last one that was recorded. It stands for them.

#include <cstdint>

namespace lockstep {

inline constexpr uint64_t kMostRunsBefore = 63;

constexpr uint64_t RunBytes(bool ops, uint64_t before) {
  return before << 1 | (ops ? 1 : 0);
}
constexpr bool RunHasOps(uint64_t bytes) { return (bytes & 1) != 0; }
// Files may be damaged.
constexpr uint64_t RunsBefore(uint64_t bytes) {
  return bytes >> 1 < kMostRunsBefore ? bytes >> 1 : kMostRunsBefore;
}

}  // namespace lockstep
