// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/session_devices.h"

#include <algorithm>
#include <atomic>
#include <charconv>

#include "runtime/core/strings.h"
#include "runtime/device/virtual_gpu.h"

namespace lockstep {
namespace {

uint64_t NextSession() {
  static std::atomic<uint64_t> next = 1;
  return next++;
}

// The number asked for by device_count, else `otherwise`; at most `most`.
int CountOf(const SessionOptions& options, const char* type, int otherwise,
            int most) {
  auto it = options.device_count.find(type);
  const int wanted = it == options.device_count.end() ? otherwise : it->second;
  return std::clamp(wanted, 0, most);
}

Result<std::vector<int>> ParseList(const std::string& list, int count) {
  std::vector<int> numbers;
  for (const std::string& part : Split(list, ',')) {
    int n = -1;
    const auto [end, error] =
        std::from_chars(part.data(), part.data() + part.size(), n);
    if (error != std::errc() || end != part.data() + part.size() || n < 0 ||
        n >= count || std::ranges::find(numbers, n) != numbers.end()) {
      return InvalidArgument("visible_device_list '", list,
                             "' must be different numbers below ", count,
                             ", the number of GPUs, has '", part, "'");
    }
    numbers.push_back(n);
  }
  return numbers;
}

size_t GpuLimit(const GpuOptions& options, const Hardware& gpu) {
  size_t limit = gpu.memory_bytes();
  if (options.per_process_gpu_memory_fraction > 0) {
    limit = static_cast<size_t>(options.per_process_gpu_memory_fraction *
                                static_cast<double>(limit));
  }
  if (options.memory_limit > 0) {
    limit = std::min<size_t>(limit, options.memory_limit);
  }
  return limit;
}

}  // namespace

Result<std::vector<std::shared_ptr<Hardware>>> VisibleGpus(
    const SessionOptions& options) {
  const GpuOptions& gpu = options.gpu_options;
  const std::vector<std::shared_ptr<Hardware>> all =
      gpu.hardware.empty() ? VirtualGpus(gpu.virtual_gpus) : gpu.hardware;
  if (gpu.visible_device_list.empty()) return all;
  LS_ASSIGN_OR_RETURN(
      const std::vector<int> numbers,
      ParseList(gpu.visible_device_list, static_cast<int>(all.size())));
  std::vector<std::shared_ptr<Hardware>> visible;
  for (int n : numbers) visible.push_back(all[static_cast<size_t>(n)]);
  return visible;
}

Result<DeviceSet> MakeSessionDevices(const SessionOptions& options) {
  const uint64_t session = NextSession();
  const std::string name = options.session_name.empty()
                               ? StrCat("session ", session)
                               : StrCat("session '", options.session_name, "'");
  DeviceSet devices;
  const auto device_name = [&](const char* type, int index) {
    return DeviceName{.job = "worker", .replica = {}, .task = options.task,
                      .type = type, .index = index};
  };
  // All CPU devices are the one machine: they share its memory.
  LS_ASSIGN_OR_RETURN(
      const std::shared_ptr<DeviceMemory> host,
      DeviceMemory::Create(HostHardware(), "/cpu:0",
                           {.session = session,
                            .session_name = name,
                            .limit = options.cpu_memory_limit}));
  const int cpus = std::max(1, CountOf(options, "CPU", 1, 1024));
  for (int i = 0; i < cpus; ++i) {
    devices.Add({.name = device_name("CPU", i), .memory = host});
  }
  LS_ASSIGN_OR_RETURN(const auto gpus, VisibleGpus(options));
  const int count = CountOf(options, "GPU", static_cast<int>(gpus.size()),
                            static_cast<int>(gpus.size()));
  const double fraction = options.gpu_options.per_process_gpu_memory_fraction;
  if (fraction < 0 || fraction > 1) {
    return InvalidArgument("per_process_gpu_memory_fraction must be between 0 "
                           "and 1, is ", fraction);
  }
  for (int i = 0; i < count; ++i) {
    const DeviceName full = device_name("GPU", i);
    const std::shared_ptr<Hardware>& gpu = gpus[static_cast<size_t>(i)];
    const size_t limit = GpuLimit(options.gpu_options, *gpu);
    LS_ASSIGN_OR_RETURN(
        std::shared_ptr<DeviceMemory> memory,
        DeviceMemory::Create(
            gpu, full.Short(),
            {.session = session,
             .session_name = name,
             .limit = limit,
             .reserve = limit < gpu->memory_bytes() &&
                        !options.gpu_options.allow_growth}));
    devices.Add({.name = full, .memory = std::move(memory)});
  }
  return devices;
}

}  // namespace lockstep
