// SPDX-License-Identifier: Apache-2.0
#pragma once

// The kernels for reductions on CUDA, as gpu_kernels.cc lists them. For
// that list; defined in a build with CUDA only.

#include "runtime/op/op_def.h"

namespace lockstep::gpu {

Status PrepareArgExtreme(PrepareContext& p);
Status PrepareL2Loss(PrepareContext& p);
Status PrepareReduction(PrepareContext& p);

Status All(KernelContext& k);
Status Any(KernelContext& k);
Status ArgMax(KernelContext& k);
Status ArgMin(KernelContext& k);
Status L2Loss(KernelContext& k);
Status Max(KernelContext& k);
Status Mean(KernelContext& k);
Status Min(KernelContext& k);
Status Prod(KernelContext& k);
Status Sum(KernelContext& k);
Status UnsortedSegmentMax(KernelContext& k);
Status UnsortedSegmentMin(KernelContext& k);
Status UnsortedSegmentProd(KernelContext& k);
Status UnsortedSegmentSum(KernelContext& k);

}  // namespace lockstep::gpu
