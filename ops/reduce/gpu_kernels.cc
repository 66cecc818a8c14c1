// SPDX-License-Identifier: Apache-2.0

// Which reductions run on a GPU.

#include "ops/reduce/gpu.h"
#include "runtime/op/gpu_kernel.h"

namespace lockstep {
namespace {

constexpr std::initializer_list<DType> kNumbers = {kHalf, kBfloat16, kFloat,
                                                   kDouble, kInt64};

#define LS_GPU_REDUCTION(Op)                                             \
  const GpuKernels k##Op =                                               \
      GpuKernels({#Op})                                                  \
          .HostMemory({"reduction_indices"})                             \
          .Types("T", kNumbers, LS_CUDA(gpu::Op, gpu::PrepareReduction)) \
          .OnHost("T", {kInt32})
LS_GPU_REDUCTION(Max);
LS_GPU_REDUCTION(Min);
LS_GPU_REDUCTION(Prod);
LS_GPU_REDUCTION(Sum);
const GpuKernels kMean =
    GpuKernels({"Mean"})
        .HostMemory({"reduction_indices"})
        .Types("T", kGpuFloats, LS_CUDA(gpu::Mean, gpu::PrepareReduction))
        .OnHost("T", {kInt32});
const GpuKernels kAll = GpuKernels({"All"})
                            .HostMemory({"reduction_indices"})
                            .Always(LS_CUDA(gpu::All, gpu::PrepareReduction));
const GpuKernels kAny = GpuKernels({"Any"})
                            .HostMemory({"reduction_indices"})
                            .Always(LS_CUDA(gpu::Any, gpu::PrepareReduction));
const GpuKernels kL2Loss =
    GpuKernels({"L2Loss"})
        .Types("T", kGpuFloats, LS_CUDA(gpu::L2Loss, gpu::PrepareL2Loss));

// Their results are in the device's memory, int32 too.
const GpuKernels kArgMax =
    GpuKernels({"ArgMax"})
        .HostMemory({"dimension"})
        .Types("T", kNumbers, LS_CUDA(gpu::ArgMax, gpu::PrepareArgExtreme));
const GpuKernels kArgMin =
    GpuKernels({"ArgMin"})
        .HostMemory({"dimension"})
        .Types("T", kNumbers, LS_CUDA(gpu::ArgMin, gpu::PrepareArgExtreme));

#define LS_GPU_SEGMENTS(Op)                                            \
  const GpuKernels k##Op = GpuKernels({#Op})                           \
                               .HostMemory({"num_segments"})           \
                               .Types("T", kNumbers, LS_CUDA(gpu::Op)) \
                               .OnHost("T", {kInt32})
LS_GPU_SEGMENTS(UnsortedSegmentMax);
LS_GPU_SEGMENTS(UnsortedSegmentMin);
LS_GPU_SEGMENTS(UnsortedSegmentProd);
LS_GPU_SEGMENTS(UnsortedSegmentSum);

}  // namespace
}  // namespace lockstep
