// SPDX-License-Identifier: Apache-2.0
#pragma once

// The kernels for arrays on CUDA, as gpu_kernels.cc lists them; those that are
// strided copies are the CPU's, on a stream. Defined in a build with CUDA only.

#include "runtime/core/tensor.h"
#include "runtime/op/op_def.h"

namespace lockstep::gpu {

Status PrepareGather(PrepareContext& p);
Status PrepareOneHot(PrepareContext& p);

Status Copy(KernelContext& k);
Status Fill(KernelContext& k);
Status Gather(KernelContext& k);
Status OneHot(KernelContext& k);
Status Ones(KernelContext& k);

// All elements of `y` = the one at `value`, also in the stream's memory; for
// kernels that the CPU shares. INTERNAL in a build without CUDA.
#if defined(LOCKSTEP_CUDA) || defined(LOCKSTEP_GPU_LOOPS)
Status FillWith(const void* value, Tensor& y, void* stream);
#else
inline Status FillWith(const void*, Tensor&, void*) {
  return Internal("a build without CUDA has no streams");
}
#endif

}  // namespace lockstep::gpu
