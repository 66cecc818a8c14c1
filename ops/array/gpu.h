// SPDX-License-Identifier: Apache-2.0
#pragma once

// The kernels for arrays on CUDA, as gpu_kernels.cc lists them. For
// that list; defined in a build with CUDA only.

#include "runtime/op/op_def.h"

namespace lockstep::gpu {

Status PrepareBroadcastTo(PrepareContext& p);
Status PrepareGather(PrepareContext& p);
Status PrepareOneHot(PrepareContext& p);
Status PreparePad(PrepareContext& p);
Status PrepareReverse(PrepareContext& p);
Status PrepareSlice(PrepareContext& p);
Status PrepareStridedSlice(PrepareContext& p);
Status PrepareStridedSliceGrad(PrepareContext& p);
Status PrepareTile(PrepareContext& p);
Status PrepareTranspose(PrepareContext& p);

Status Concat(KernelContext& k);
Status Copy(KernelContext& k);
Status DoNothing(KernelContext& k);
Status Fill(KernelContext& k);
Status Gather(KernelContext& k);
Status OneHot(KernelContext& k);
Status Ones(KernelContext& k);
Status Pack(KernelContext& k);
Status Pad(KernelContext& k);
Status ShapeOf(KernelContext& k);
Status Split(KernelContext& k);
Status Strided(KernelContext& k);
Status Tile(KernelContext& k);
Status Unpack(KernelContext& k);
Status Zeros(KernelContext& k);

}  // namespace lockstep::gpu
