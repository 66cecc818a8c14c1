// SPDX-License-Identifier: Apache-2.0
#pragma once

// For prepare functions of CUDA kernels that make primitives of a library.
//
//   const GpuScope scope(p);
//   LS_RETURN_IF_ERROR(scope.status());

#include "runtime/device/cuda/cuda_hardware.h"
#include "runtime/device/cuda/cuda_status.h"
#include "runtime/device/device_set.h"
#include "runtime/op/kernel.h"

namespace lockstep::gpu {

// Makes the GPU that a kernel is prepared for this thread's, while it lives.
class GpuScope {
 public:
  explicit GpuScope(const PrepareContext& p)
      : scope_(p.device().memory != nullptr
                   ? CudaIndex(p.device().memory->hardware())
                   : -1) {}
  const Status& status() const { return scope_.status(); }

 private:
  CudaDeviceScope scope_;
};

// Parts of a kernel's scratch memory, each aligned for any library.
class ScratchParts {
 public:
  // Where a part of so many bytes begins.
  size_t Add(size_t bytes) {
    const size_t at = bytes_;
    bytes_ += (bytes + 255) / 256 * 256;
    return at;
  }
  size_t bytes() const { return bytes_; }

 private:
  size_t bytes_ = 0;
};

}  // namespace lockstep::gpu
