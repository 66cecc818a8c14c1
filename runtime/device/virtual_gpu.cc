// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/virtual_gpu.h"

#include "runtime/core/strings.h"
#include "runtime/device/host_queue.h"

namespace lockstep {
namespace {

class VirtualGpu final : public HostBacked {
 public:
  VirtualGpu(int number, size_t bytes)
      : HostBacked(StrCat("virtual GPU ", number), bytes) {}
  DeviceKind kind() const override { return kGpu; }
  bool is_virtual() const override { return true; }
  // Not for others, as if it were a GPU's.
  bool host_memory() const override { return false; }
};

}  // namespace

std::vector<std::shared_ptr<Hardware>> VirtualGpus(
    const VirtualGpuOptions& options) {
  static std::mutex& mutex = *new std::mutex;
  static auto& made =
      *new std::map<std::pair<int, size_t>, std::shared_ptr<Hardware>>;
  std::lock_guard lock(mutex);
  std::vector<std::shared_ptr<Hardware>> gpus;
  for (int i = 0; i < options.count; ++i) {
    std::shared_ptr<Hardware>& gpu = made[{i, options.bytes}];
    if (!gpu) gpu = std::make_shared<VirtualGpu>(i, options.bytes);
    gpus.push_back(gpu);
  }
  return gpus;
}

}  // namespace lockstep
