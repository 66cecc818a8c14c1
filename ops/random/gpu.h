// SPDX-License-Identifier: Apache-2.0
#pragma once

// The kernels for random numbers on CUDA, as gpu_kernels.cc lists them. For
// that list; defined in a build with CUDA only.

#include "runtime/op/op_def.h"

namespace lockstep::gpu {

Status PrepareRandom(PrepareContext& p);

Status RandomStandardNormal(KernelContext& k);
Status RandomUniform(KernelContext& k);
Status RandomUniformInt(KernelContext& k);
Status TruncatedNormal(KernelContext& k);

}  // namespace lockstep::gpu
