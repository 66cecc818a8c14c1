// SPDX-License-Identifier: Apache-2.0
#pragma once

// The kernels for variables on CUDA, as gpu_kernels.cc lists them. For
// that list; defined in a build with CUDA only.

#include "runtime/op/op_def.h"

namespace lockstep::gpu {

Status PrepareAssign(PrepareContext& p);
Status PrepareScatter(PrepareContext& p);

Status Assign(KernelContext& k);
Status AssignAdd(KernelContext& k);
Status AssignSub(KernelContext& k);
Status ScatterAdd(KernelContext& k);
Status ScatterSub(KernelContext& k);
Status ScatterUpdate(KernelContext& k);

}  // namespace lockstep::gpu
