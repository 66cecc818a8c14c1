// SPDX-License-Identifier: Apache-2.0
#pragma once

// Compiles CUDA C++ as the program runs, by NVRTC. The library is looked for
// when it is first needed; nothing links with it, so all else works without.
// Thread-safe.
//
//   LS_ASSIGN_OR_RETURN(const std::string code, CompileCuda(source, 90));

#include <string>

#include "runtime/core/status.h"

namespace lockstep {

// OK when NVRTC is there; UNAVAILABLE with the loader's reason when not.
Status FindNvrtc();

// Code for GPUs of a compute capability (90 for sm_90): machine code, or PTX,
// which the driver compiles, where the GPU is newer than NVRTC. INTERNAL with
// the compiler's messages when it does not accept the source. Products and sums
// are rounded each by itself, as those of the kernels that are compiled before
// (cmake/LockstepCuda.cmake).
Result<std::string> CompileCuda(const std::string& source, int capability);

}  // namespace lockstep
