// SPDX-License-Identifier: Apache-2.0
#pragma once

// CUDA C++ for NVRTC, compiled by the host's compiler: what stands before it,
// and the compiler's options.

namespace lockstep::stand_in {

// What CUDA's compilers know without a header.
inline constexpr char kHostCuda[] = R"(
#include <math.h>
#include <bit>
#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <type_traits>
#define __CUDACC__ 1
#define __host__
#define __device__
#define __global__
#define __launch_bounds__(threads)
struct Place {
  unsigned x;
};
static thread_local Place threadIdx, blockIdx, blockDim, gridDim;
)";

// No product and sum in one instruction: kernels for GPUs have none either.
inline constexpr const char* kHostCudaOptions[] = {
    "-std=c++20", "-O1", "-ffp-contract=off", "-w", "-shared", "-fPIC"};

}  // namespace lockstep::stand_in
