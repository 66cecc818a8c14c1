// SPDX-License-Identifier: Apache-2.0
#pragma once

// Allocator: where tensors get memory that is counted, limited, or not the
// host's. A tensor keeps its allocator alive. Thread-safe.
//
//   Allocator* memory = ...;   // a DeviceMemory, say
//   LS_ASSIGN_OR_RETURN(Tensor x, Tensor::Make(kFloat, {2, 3}, memory));

#include <cstddef>
#include <memory>

#include "runtime/core/status.h"

namespace lockstep {

inline constexpr size_t kTensorAlignment = 64;

// `bytes`, up to the next multiple of the alignment: where what comes behind
// them begins.
constexpr size_t AlignedSize(size_t bytes) {
  return (bytes + kTensorAlignment - 1) / kTensorAlignment * kTensorAlignment;
}
// What a block of `bytes` takes: a multiple of the alignment, never zero.
constexpr size_t AllocationSize(size_t bytes) {
  return AlignedSize(bytes > 0 ? bytes : 1);
}

// AllocationSize(bytes) bytes of the heap, aligned; std::free gives them back.
// Null when there is no memory. Large blocks start at a huge page, and the
// kernel is asked for huge pages: far fewer TLB misses in matrix products.
void* AllocateHostBlock(size_t bytes);

class Allocator : public std::enable_shared_from_this<Allocator> {
 public:
  virtual ~Allocator() = default;
  // AllocationSize(bytes) bytes, aligned to kTensorAlignment.
  // RESOURCE_EXHAUSTED with need, use and limit.
  virtual Result<void*> Allocate(size_t bytes) = 0;
  // `bytes` as they were asked for.
  virtual void Free(void* data, size_t bytes) = 0;
  // Whether the host's processors can read and write what it allocates.
  virtual bool host_memory() const = 0;
};

}  // namespace lockstep
