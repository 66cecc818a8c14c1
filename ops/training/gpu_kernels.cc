// SPDX-License-Identifier: Apache-2.0

// Which updates of variables run on a GPU: all dense ones.

#include "ops/training/gpu.h"
#include "runtime/op/gpu_kernel.h"

namespace lockstep {
namespace {

#define LS_GPU_APPLY(Name)                               \
  const GpuKernels k##Name =                             \
      GpuKernels({"Apply" #Name, "ResourceApply" #Name}) \
          .Types("T", kGpuFloats,                        \
                 LS_CUDA(gpu::Apply##Name, gpu::PrepareApply))
#define LS_GPU_RESOURCE_APPLY(Name)       \
  const GpuKernels k##Name =              \
      GpuKernels({"ResourceApply" #Name}) \
          .Types("T", kGpuFloats,         \
                 LS_CUDA(gpu::Apply##Name, gpu::PrepareApply))
LS_GPU_APPLY(AdaMax);
LS_GPU_APPLY(Adadelta);
LS_GPU_APPLY(Adagrad);
LS_GPU_APPLY(AdagradDA);
LS_GPU_APPLY(AdagradV2);
LS_GPU_APPLY(Adam);
LS_GPU_APPLY(AddSign);
LS_GPU_APPLY(CenteredRMSProp);
LS_GPU_APPLY(Ftrl);
LS_GPU_APPLY(FtrlV2);
LS_GPU_APPLY(GradientDescent);
LS_GPU_APPLY(Momentum);
LS_GPU_APPLY(PowerSign);
LS_GPU_APPLY(ProximalAdagrad);
LS_GPU_APPLY(ProximalGradientDescent);
LS_GPU_APPLY(RMSProp);
LS_GPU_RESOURCE_APPLY(AdamWithAmsgrad);
LS_GPU_RESOURCE_APPLY(KerasMomentum);

const GpuKernels kGrouped =
    GpuKernels({"_GroupedUpdate"})
        .Always(LS_CUDA(gpu::GroupedUpdate, gpu::PrepareGroupedUpdate));

}  // namespace
}  // namespace lockstep
