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
#include "runtime/op/scratch_parts.h"

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

}  // namespace lockstep::gpu
