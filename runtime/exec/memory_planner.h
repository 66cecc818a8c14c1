// SPDX-License-Identifier: Apache-2.0
#pragma once

// Gives every buffer of a static plan an offset in one arena, so that buffers
// that are alive at the same time never overlap.
//
// Greedy by size: the largest first, each at the lowest offset that is free
// during its life (Pisarchyk and Lee, "Efficient memory management for deep
// neural net inference", 2020). Offsets are multiples of 64 bytes.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lockstep {

struct BufferRequest {
  size_t bytes = 0;
  int first_step = 0;  // written
  int last_step = 0;   // last read; >= first_step
  size_t offset = 0;   // out
};

struct MemoryPlan {
  size_t arena_bytes = 0;
  // The largest sum of bytes alive at one step: no plan can do better.
  size_t lower_bound_bytes = 0;
};

MemoryPlan PlanMemory(std::vector<BufferRequest>* buffers);

}  // namespace lockstep
