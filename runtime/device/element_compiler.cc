// SPDX-License-Identifier: Apache-2.0
#include "runtime/device/element_compiler.h"

#ifdef LOCKSTEP_CUDA
#include "runtime/device/cuda/cuda_hardware.h"
#include "runtime/device/cuda/nvrtc.h"
#endif

namespace lockstep {

bool CompilesElements(const Hardware& hardware) {
#ifdef LOCKSTEP_CUDA
  if (CudaIndex(hardware) >= 0) return FindNvrtc().ok();
#endif
  return hardware.is_virtual();
}

}  // namespace lockstep
