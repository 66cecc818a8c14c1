// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/session_devices.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <numeric>

#include "runtime/core/strings.h"
#include "runtime/device/virtual_gpu.h"

#ifdef LOCKSTEP_CUDA
#include "runtime/device/cuda/cuda_hardware.h"
#endif

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

size_t SumOf(const std::vector<uint64_t>& limits) {
  return std::accumulate(limits.begin(), limits.end(), size_t{0});
}

// As asked for, or as many as there is something to split.
VirtualGpuOptions VirtualGpusOf(const GpuOptions& options) {
  VirtualGpuOptions gpus = options.virtual_gpus;
  if (gpus.count > 0) return gpus;
  gpus.count = static_cast<int>(options.virtual_devices.size());
  for (const std::vector<uint64_t>& limits : options.virtual_devices) {
    gpus.bytes = std::max(gpus.bytes, SumOf(limits));
  }
  return gpus;
}

// A device before it has a name.
struct GpuPart {
  std::shared_ptr<Hardware> gpu;
  size_t limit = 0;
};

Result<std::vector<GpuPart>> SplitGpus(
    const GpuOptions& options,
    const std::vector<std::shared_ptr<Hardware>>& gpus) {
  const double fraction = options.per_process_gpu_memory_fraction;
  if (!(fraction >= 0 && fraction <= 1)) {
    return InvalidArgument(
        "per_process_gpu_memory_fraction must be between 0 "
        "and 1, is ",
        fraction);
  }
  if (options.virtual_devices.size() > gpus.size()) {
    return InvalidArgument("virtual_devices splits ",
                           options.virtual_devices.size(), " GPUs, there are ",
                           gpus.size());
  }
  std::vector<GpuPart> parts;
  for (size_t i = 0; i < gpus.size(); ++i) {
    const bool split = i < options.virtual_devices.size() &&
                       !options.virtual_devices[i].empty();
    if (!split) {
      parts.push_back({gpus[i], GpuLimit(options, *gpus[i])});
      continue;
    }
    if (fraction > 0) {
      return InvalidArgument(
          "per_process_gpu_memory_fraction and "
          "virtual_devices exclude each other");
    }
    const size_t sum = SumOf(options.virtual_devices[i]);
    if (sum > gpus[i]->memory_bytes()) {
      return ResourceExhausted("virtual_devices of ", gpus[i]->description(),
                               " need ", HumanBytes(sum), ", it has ",
                               HumanBytes(gpus[i]->memory_bytes()));
    }
    for (uint64_t limit : options.virtual_devices[i]) {
      parts.push_back({gpus[i], limit});
    }
  }
  return parts;
}

}  // namespace

Result<std::vector<std::shared_ptr<Hardware>>> VisibleGpus(
    const SessionOptions& options) {
  const GpuOptions& gpu = options.gpu_options;
  std::vector<std::shared_ptr<Hardware>> all =
      gpu.hardware.empty() ? VirtualGpus(VirtualGpusOf(gpu)) : gpu.hardware;
#ifdef LOCKSTEP_CUDA
  // Virtual ones that are asked for stand in for those that there are.
  if (all.empty()) all = CudaGpus();
#endif
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
    return DeviceName{.job = "worker",
                      .replica = {},
                      .task = options.task,
                      .type = type,
                      .index = index};
  };
  // All CPU devices are the one machine: they share its memory.
  LS_ASSIGN_OR_RETURN(
      const std::shared_ptr<DeviceMemory> host,
      DeviceMemory::Create(options.host ? options.host : HostHardware(),
                           "/cpu:0",
                           {.session = session,
                            .session_name = name,
                            .limit = options.cpu_memory_limit}));
  LS_RETURN_IF_ERROR(host->Hold(options.communication_bytes)
                         .WithContext("buffers for talking to other ranks"));
  const int cpus = std::max(1, CountOf(options, "CPU", 1, 1024));
  for (int i = 0; i < cpus; ++i) {
    devices.Add({.name = device_name("CPU", i), .memory = host});
  }
  LS_ASSIGN_OR_RETURN(const auto gpus, VisibleGpus(options));
  LS_ASSIGN_OR_RETURN(const std::vector<GpuPart> parts,
                      SplitGpus(options.gpu_options, gpus));
  const int all = static_cast<int>(parts.size());
  const int count = CountOf(options, "GPU", all, all);
  for (int i = 0; i < count; ++i) {
    const DeviceName full = device_name("GPU", i);
    const auto& [gpu, limit] = parts[static_cast<size_t>(i)];
    // A number of its own: parts of one GPU are promised one by one.
    LS_ASSIGN_OR_RETURN(
        std::shared_ptr<DeviceMemory> memory,
        DeviceMemory::Create(gpu, full.Short(),
                             {.session = NextSession(),
                              .session_name = name,
                              .limit = limit,
                              .reserve = limit < gpu->memory_bytes() &&
                                         !options.gpu_options.allow_growth}));
    devices.Add({.name = full, .memory = std::move(memory)});
  }
  return devices;
}

}  // namespace lockstep
