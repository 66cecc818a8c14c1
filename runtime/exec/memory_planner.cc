// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/memory_planner.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "runtime/core/allocator.h"

namespace lockstep {
namespace {

size_t LargestLiveSum(const std::vector<BufferRequest>& buffers) {
  std::map<int, int64_t> change;
  for (const BufferRequest& b : buffers) {
    const int64_t bytes = static_cast<int64_t>(AlignedSize(b.bytes));
    change[b.first_step] += bytes;
    change[b.last_step + 1] -= bytes;
  }
  int64_t live = 0, largest = 0;
  for (const auto& [step, delta] : change) {
    live += delta;
    largest = std::max(largest, live);
  }
  return static_cast<size_t>(largest);
}

}  // namespace

MemoryPlan PlanMemory(std::vector<BufferRequest>* buffers) {
  std::vector<size_t> by_size(buffers->size());
  std::iota(by_size.begin(), by_size.end(), size_t{0});
  std::ranges::stable_sort(by_size, [&](size_t a, size_t b) {
    return (*buffers)[a].bytes > (*buffers)[b].bytes;
  });
  MemoryPlan plan;
  plan.lower_bound_bytes = LargestLiveSum(*buffers);
  std::vector<const BufferRequest*> placed;  // sorted by offset
  for (size_t i : by_size) {
    BufferRequest& b = (*buffers)[i];
    const size_t bytes = AlignedSize(b.bytes);
    size_t offset = 0;
    for (const BufferRequest* p : placed) {
      if (p->last_step < b.first_step || p->first_step > b.last_step) continue;
      if (p->offset >= offset + bytes) break;  // the gap before `p` is enough
      offset = std::max(offset, p->offset + AlignedSize(p->bytes));
    }
    b.offset = offset;
    placed.insert(
        std::ranges::upper_bound(placed, offset, {}, &BufferRequest::offset),
        &b);
    plan.arena_bytes = std::max(plan.arena_bytes, offset + bytes);
  }
  return plan;
}

}  // namespace lockstep
