// SPDX-License-Identifier: Apache-2.0
#pragma once

// The kernel of fused element-wise ops on CUDA, as gpu_kernels.cc lists it. For
// that list; defined in a build with CUDA only.

#include "runtime/op/op_def.h"

namespace lockstep::gpu {

Status PrepareFused(PrepareContext& p);
Status Fused(KernelContext& k);

}  // namespace lockstep::gpu
