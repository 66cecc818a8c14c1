// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/hardware.h"

#include <vector>

#include "runtime/core/strings.h"
#include "runtime/device/host_queue.h"

namespace lockstep {
namespace {

class Host final : public Hardware {
 public:
  DeviceKind kind() const override { return kCpu; }
  const std::string& description() const override { return description_; }
  size_t memory_bytes() const override { return bytes_; }
  bool host_memory() const override { return true; }

  Result<void*> Allocate(size_t bytes) override { return AllocateHost(bytes); }
  void Free(void* data, size_t bytes) override { FreeHost(data, bytes); }
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
  const std::string description_ = "host";
  const size_t bytes_ = PhysicalMemory();
};

}  // namespace

Status Hardware::SetShare(uint64_t session, const std::string& name,
                          size_t bytes) {
  std::lock_guard lock(mutex_);
  size_t others = 0;
  std::vector<std::string> holders;
  for (const auto& [number, share] : shares_) {
    if (number == session) continue;
    others += share.bytes;
    holders.push_back(StrCat(share.name, " holds ", share.bytes, " bytes (",
                             HumanBytes(share.bytes), ")"));
  }
  if (bytes > 0 && others + bytes > memory_bytes()) {
    return ResourceExhausted(
        name, " needs ", bytes, " bytes (", HumanBytes(bytes), ") of ",
        description(), ", which has ", memory_bytes(), " (",
        HumanBytes(memory_bytes()), ")",
        holders.empty() ? "" : StrCat("; ", Join(holders, ", ")));
  }
  if (bytes == 0) {
    shares_.erase(session);
  } else {
    shares_[session] = {name, bytes};
  }
  return Ok();
}

size_t Hardware::TotalShares() const {
  std::lock_guard lock(mutex_);
  size_t total = 0;
  for (const auto& [number, share] : shares_) total += share.bytes;
  return total;
}

const std::shared_ptr<Hardware>& HostHardware() {
  // Never destroyed: tensors may be freed until the process ends.
  static const auto& host = *new std::shared_ptr<Hardware>(new Host);
  return host;
}

}  // namespace lockstep
