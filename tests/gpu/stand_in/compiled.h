// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the stand-in for NVRTC makes of a kernel: an object of this type, named
// by the prefix and the kernel's name, in a shared object. The code that
// nvrtcGetCUBIN gives is the shared object behind its size.

#include <cstddef>

namespace lockstep::stand_in {

inline constexpr char kCompiledPrefix[] = "Compiled";

struct CompiledKernel {
  size_t parameters;
  const size_t* sizes;
  void (*run)(unsigned blocks, unsigned threads, void** arguments);
};

}  // namespace lockstep::stand_in
