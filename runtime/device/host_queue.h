// SPDX-License-Identifier: Apache-2.0
#pragma once

// Memory and queues of hardware that is the host's: its own, and the virtual
// GPUs'. Internal to runtime/device.

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "runtime/core/allocator.h"
#include "runtime/core/strings.h"
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

// All but its kind, name and size.
class HostBacked : public Hardware {
 public:
  HostBacked(std::string description, size_t bytes)
      : description_(std::move(description)), bytes_(bytes) {}

  const std::string& description() const override { return description_; }
  size_t memory_bytes() const override { return bytes_; }
  Result<void*> Allocate(size_t bytes) override {
    if (void* data = AllocateHostBlock(bytes)) return data;
    return ResourceExhausted("the system refuses ", HumanBytes(bytes));
  }
  void Free(void* data, size_t) override { std::free(data); }
  Result<std::unique_ptr<Arena>> MakeArena(size_t limit) override {
    return MakeHostArena(limit);
  }
  Result<std::unique_ptr<Queue>> MakeQueue(QueueKind) override {
    return std::unique_ptr<Queue>(std::make_unique<HostQueue>());
  }
  Status Copy(void* to, const void* from, size_t bytes) override {
    return HostQueue().Copy(to, from, bytes);
  }

 private:
  const std::string description_;
  const size_t bytes_;
};

}  // namespace lockstep
