// SPDX-License-Identifier: Apache-2.0
#pragma once

// LS_HOST_DEVICE before a function: compiled for GPUs too where the compiler
// is CUDA's, for sources that the CPU's and the GPUs' kernels share. LS_DEVICE:
// for GPUs alone there; of the lambdas that kernels are.

#ifdef __CUDACC__
#define LS_HOST_DEVICE __host__ __device__
#define LS_DEVICE __device__
#else
#define LS_DEVICE
#define LS_HOST_DEVICE
#endif
