// SPDX-License-Identifier: Apache-2.0
#pragma once

// Memory and queues of hardware that is the host's: its own, and the virtual
// GPUs'. Internal to runtime/device.

#include <cstdlib>
#include <cstring>

#include "runtime/core/allocator.h"
#include "runtime/device/hardware.h"

namespace lockstep {

// Does everything at once.
class HostQueue final : public Queue {
 public:
  Status Copy(void* to, const void* from, size_t bytes) override {
    if (bytes > 0) std::memcpy(to, from, bytes);
    return Ok();
  }
};

inline Result<void*> AllocateHost(size_t bytes) {
  if (void* data = AllocateHostBlock(bytes)) return data;
  return ResourceExhausted("the system refuses ", HumanBytes(bytes));
}

inline void FreeHost(void* data, size_t) { std::free(data); }

}  // namespace lockstep
