// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/memory_spaces.h"

#include <algorithm>

#include "runtime/device/device_name.h"

namespace lockstep {
namespace {

constexpr std::string_view kGpuPart = "/device:GPU:";

// Takes the operands of the named arguments off the GPU.
void KeepOnHost(const Node& n, const std::vector<ArgDef>& args,
                const std::vector<std::string>& names,
                std::vector<bool>* on_gpu) {
  for (size_t a = 0; a < args.size(); ++a) {
    if (std::ranges::find(names, args[a].name) == names.end()) continue;
    auto range = ArgRange(n.def(), args, n.attrs(), static_cast<int>(a));
    if (!range.ok()) continue;
    for (int i = 0; i < range->second; ++i) {
      (*on_gpu)[static_cast<size_t>(range->first + i)] = false;
    }
  }
}

}  // namespace

bool IsOnGpu(const Node& node) {
  return node.assigned_device().find(kGpuPart) != std::string::npos;
}

bool WorksOnGpu(const Node& node) {
  if (!IsOnGpu(node)) return false;
  const KernelDef* kernel = node.def().FindKernel(kGpu, node.attrs());
  return kernel == nullptr || !kernel->on_host;
}

OperandMemory OperandMemoryOf(const Node& node) {
  const bool any = node.op() != "_Feed" && WorksOnGpu(node);
  const KernelDef* kernel =
      any ? node.def().FindKernel(kGpu, node.attrs()) : nullptr;
  OperandMemory memory;
  memory.input_on_gpu.assign(static_cast<size_t>(node.num_inputs()), any);
  memory.output_on_gpu.assign(static_cast<size_t>(node.num_outputs()), any);
  if (kernel && !kernel->host_memory.empty()) {
    KeepOnHost(node, node.def().inputs, kernel->host_memory,
               &memory.input_on_gpu);
    KeepOnHost(node, node.def().outputs, kernel->host_memory,
               &memory.output_on_gpu);
  }
  return memory;
}

std::string SpaceName(const Node& node, bool on_gpu) {
  const std::string& device = node.assigned_device();
  const size_t at = device.find(kGpuPart);
  if (on_gpu || at == std::string::npos) return device;
  return device.substr(0, at) + "/device:CPU:0";
}

}  // namespace lockstep
