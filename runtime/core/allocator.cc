// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/allocator.h"

#include <sys/mman.h>

#include <cstdlib>

namespace lockstep {

void* AllocateHostBlock(size_t bytes) {
  constexpr size_t kHugePage = size_t{2} << 20;
  const size_t alignment = bytes >= kHugePage ? kHugePage : kTensorAlignment;
  const size_t rounded = AllocationSize(bytes);
  void* data = nullptr;
  if (posix_memalign(&data, alignment, rounded) != 0) return nullptr;
  // Advice only: a kernel without huge pages refuses it, which is fine.
  if (bytes >= kHugePage) (void)madvise(data, rounded, MADV_HUGEPAGE);
  return data;
}

}  // namespace lockstep
