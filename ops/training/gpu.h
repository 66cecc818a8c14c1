// SPDX-License-Identifier: Apache-2.0
#pragma once

// The kernels for updates of variables on CUDA, as gpu_kernels.cc lists them.
// For that list; defined in a build with CUDA only.

#include "runtime/op/op_def.h"

namespace lockstep::gpu {

Status PrepareApply(PrepareContext& p);
Status PrepareGroupedUpdate(PrepareContext& p);
Status GroupedUpdate(KernelContext& k);

Status ApplyAdaMax(KernelContext& k);
Status ApplyAdadelta(KernelContext& k);
Status ApplyAdagrad(KernelContext& k);
Status ApplyAdagradDA(KernelContext& k);
Status ApplyAdagradV2(KernelContext& k);
Status ApplyAdam(KernelContext& k);
Status ApplyAdamWithAmsgrad(KernelContext& k);
Status ApplyAddSign(KernelContext& k);
Status ApplyCenteredRMSProp(KernelContext& k);
Status ApplyFtrl(KernelContext& k);
Status ApplyFtrlV2(KernelContext& k);
Status ApplyGradientDescent(KernelContext& k);
Status ApplyKerasMomentum(KernelContext& k);
Status ApplyMomentum(KernelContext& k);
Status ApplyPowerSign(KernelContext& k);
Status ApplyProximalAdagrad(KernelContext& k);
Status ApplyProximalGradientDescent(KernelContext& k);
Status ApplyRMSProp(KernelContext& k);

}  // namespace lockstep::gpu
