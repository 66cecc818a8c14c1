// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/device/hardware.h"

namespace lockstep {

// Whether neighbouring element-wise ops can be one kernel on a GPU: on CUDA
// where NVRTC is there to compile it, on a virtual one always.
bool CompilesElements(const Hardware& hardware);

}  // namespace lockstep
