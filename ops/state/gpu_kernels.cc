// SPDX-License-Identifier: Apache-2.0

// Which variables live on a GPU, and what is done to them there. Reference
// variables of int32 do not, as in TensorFlow; behind a handle they do.

#include "ops/state/gpu.h"
#include "runtime/op/gpu_kernel.h"

namespace lockstep {
namespace {

constexpr std::initializer_list<DType> kNumbers = {kHalf, kBfloat16, kFloat,
                                                   kDouble, kInt64};

const GpuKernels kVariable =
    GpuKernels({"Variable", "VariableV2"}).Types("dtype", kGpuTypes);
const GpuKernels kRefIdentity =
    GpuKernels({"RefIdentity"}).Types("T", kGpuTypes);
const GpuKernels kIsVariableInitialized = GpuKernels({"IsVariableInitialized"})
                                              .HostMemory({"is_initialized"})
                                              .Shared("dtype", kGpuTypes);
const GpuKernels kAssign =
    GpuKernels({"Assign"})
        .Types("T", kGpuTypes, LS_CUDA(gpu::Assign, gpu::PrepareAssign));
const GpuKernels kAssignAdd =
    GpuKernels({"AssignAdd"})
        .Types("T", kNumbers, LS_CUDA(gpu::AssignAdd, gpu::PrepareAssign));
const GpuKernels kAssignSub =
    GpuKernels({"AssignSub"})
        .Types("T", kNumbers, LS_CUDA(gpu::AssignSub, gpu::PrepareAssign));

const GpuKernels kHandle = GpuKernels({"VarHandleOp", "ReadVariableOp"})
                               .Types("dtype", kGpuTypes)
                               .Types("dtype", {kInt32});
const GpuKernels kVarIsInitialized = GpuKernels({"VarIsInitializedOp"})
                                         .HostMemory({"is_initialized"})
                                         .SharedAlways();
const GpuKernels kVariableShape = GpuKernels({"VariableShape"})
                                      .HostMemory({"output"})
                                      .Shared("out_type", {kInt32, kInt64});
const GpuKernels kDisableCopyOnRead =
    GpuKernels({"DisableCopyOnRead"}).SharedAlways();
const GpuKernels kAssignVariable =
    GpuKernels({"AssignVariableOp"})
        .Types("dtype", kGpuTypes, LS_CUDA(gpu::Assign, gpu::PrepareAssign))
        .Types("dtype", {kInt32}, LS_CUDA(gpu::Assign, gpu::PrepareAssign));
const GpuKernels kAssignAddVariable =
    GpuKernels({"AssignAddVariableOp"})
        .Types("dtype", kNumbers, LS_CUDA(gpu::AssignAdd, gpu::PrepareAssign))
        .Types("dtype", {kInt32}, LS_CUDA(gpu::AssignAdd, gpu::PrepareAssign));
const GpuKernels kAssignSubVariable =
    GpuKernels({"AssignSubVariableOp"})
        .Types("dtype", kNumbers, LS_CUDA(gpu::AssignSub, gpu::PrepareAssign))
        .Types("dtype", {kInt32}, LS_CUDA(gpu::AssignSub, gpu::PrepareAssign));

#define LS_GPU_SCATTER(Op)                                   \
  const GpuKernels k##Op = GpuKernels({#Op}).Types(          \
      "T", kNumbers, LS_CUDA(gpu::Op, gpu::PrepareScatter)); \
  const GpuKernels kResource##Op =                           \
      GpuKernels({"Resource" #Op})                           \
          .Types("dtype", kNumbers, LS_CUDA(gpu::Op, gpu::PrepareScatter))
LS_GPU_SCATTER(ScatterAdd);
LS_GPU_SCATTER(ScatterSub);
LS_GPU_SCATTER(ScatterUpdate);

}  // namespace
}  // namespace lockstep
