// SPDX-License-Identifier: Apache-2.0
#pragma once

// The kernels for products of matrices on CUDA, as gpu_kernels.cc lists them.
// For that list; defined in a build with CUDA only.

#include "runtime/op/op_def.h"

namespace lockstep::gpu {

Status PrepareBatchMatMul(PrepareContext& p);
Status PrepareFusedMatMul(PrepareContext& p);
Status PrepareMatMul(PrepareContext& p);

Status MatMul(KernelContext& k);

}  // namespace lockstep::gpu
