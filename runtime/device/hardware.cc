// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/hardware.h"

#include <vector>

#include "runtime/core/strings.h"
#include "runtime/device/host_queue.h"

namespace lockstep {
namespace {

class Host final : public HostBacked {
 public:
  Host() : HostBacked("host", PhysicalMemory()) {}
  DeviceKind kind() const override { return kCpu; }
  bool host_memory() const override { return true; }
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
