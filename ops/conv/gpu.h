// SPDX-License-Identifier: Apache-2.0
#pragma once

// The kernels for convolution and pooling on CUDA, as gpu_kernels.cc lists
// them. For that list; defined in a build with CUDA only.

#include "runtime/op/op_def.h"

namespace lockstep::gpu {

Status PrepareConv2D(PrepareContext& p);
Status PreparePool(PrepareContext& p);

Status AvgPool(KernelContext& k);
Status AvgPoolGrad(KernelContext& k);
Status Conv2D(KernelContext& k);
Status MaxPool(KernelContext& k);
Status MaxPoolGrad(KernelContext& k);
Status MaxPoolIndex(KernelContext& k);
Status MaxPoolIndexGrad(KernelContext& k);

}  // namespace lockstep::gpu
