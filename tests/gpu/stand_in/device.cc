// SPDX-License-Identifier: Apache-2.0
// What a program asks about GPUs: two of H100's kind, by the least that it may
// rely on. They have numbers and UUIDs that CUDA_VISIBLE_DEVICES hides as it
// does those of others.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "tests/gpu/stand_in/handles.h"
#include "tests/gpu/stand_in/memory.h"
#include "tests/gpu/stand_in/streams.h"

namespace lockstep::stand_in {
namespace {

// By numbers; the first that is none there is ends the list, as in CUDA.
const std::vector<int>& Visible() {
  static const std::vector<int> visible = [] {
    std::vector<int> gpus;
    const char* list = std::getenv("CUDA_VISIBLE_DEVICES");
    for (int i = 0; list == nullptr && i < PhysicalGpus(); ++i) {
      gpus.push_back(i);
    }
    while (list != nullptr && *list != '\0') {
      char* end = nullptr;
      const long gpu = std::strtol(list, &end, 10);
      if (end == list || gpu < 0 || gpu >= PhysicalGpus()) break;
      gpus.push_back(static_cast<int>(gpu));
      list = *end == ',' ? end + 1 : end;
    }
    return gpus;
  }();
  return visible;
}

}  // namespace

int VisibleGpus() { return static_cast<int>(Visible().size()); }
int PhysicalGpu(int device) { return Visible()[static_cast<size_t>(device)]; }

}  // namespace lockstep::stand_in

using namespace lockstep::stand_in;  // NOLINT: what follows is C

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = VisibleGpus();
  return Noted(*count == 0 ? cudaErrorNoDevice : cudaSuccess);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= VisibleGpus()) {
    return Noted(cudaErrorInvalidDevice);
  }
  *properties = {};
  std::snprintf(properties->name, sizeof(properties->name),
                "GPU stand-in (no GPU)");
  std::memcpy(properties->uuid.bytes, "stand-in GPU \0\0", 16);
  properties->uuid.bytes[15] = static_cast<char>('0' + PhysicalGpu(device));
  properties->totalGlobalMem = GpuBytes();
  properties->major = 9;
  properties->minor = 0;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr what,
                                   int device) {
  if (device < 0 || device >= VisibleGpus()) {
    return Noted(cudaErrorInvalidDevice);
  }
  switch (what) {
    case cudaDevAttrComputeCapabilityMajor: *value = 9; return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor: *value = 0; return cudaSuccess;
    default: return Noted(cudaErrorInvalidValue);
  }
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = kGreatestPriority;
  return cudaSuccess;
}

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorNotReady: return "cudaErrorNotReady";
    case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
    case cudaErrorIllegalAddress: return "cudaErrorIllegalAddress";
    default: return "another error";
  }
}
const char* cudaGetErrorString(cudaError_t error) {
  thread_local char text[64];
  std::snprintf(text, sizeof(text), "error %d of the GPU stand-in", error);
  return text;
}

}  // extern "C"
