// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether the library can compile kernels of its own on this machine, which
// fusion of element-wise ops asks for. A function of any thread.
//
//   const bool one_kernel = CompilesElements(hardware);

#include "runtime/device/hardware.h"

namespace lockstep {

// Whether neighbouring element-wise ops can be one kernel on a GPU: on CUDA
// where NVRTC is there to compile it, on a virtual one always. The first call
// loads NVRTC.
bool CompilesElements(const Hardware& hardware);

}  // namespace lockstep
