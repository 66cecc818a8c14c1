// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/virtual_gpu.h"

#include "runtime/core/strings.h"
#include "runtime/device/host_queue.h"

namespace lockstep {
namespace {

class VirtualGpu final : public Hardware {
 public:
  VirtualGpu(int number, size_t bytes)
      : description_(StrCat("virtual GPU ", number)), bytes_(bytes) {}

  DeviceKind kind() const override { return kGpu; }
  bool is_virtual() const override { return true; }
  const std::string& description() const override { return description_; }
  size_t memory_bytes() const override { return bytes_; }
  // Not for others, as if it were a GPU's.
  bool host_memory() const override { return false; }

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
  const std::string description_;
  const size_t bytes_;
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
