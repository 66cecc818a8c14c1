// SPDX-License-Identifier: Apache-2.0

// Which random ops run on a GPU: from the words that the CPU's kernels use.

#include "ops/random/gpu.h"
#include "runtime/op/gpu_kernel.h"

namespace lockstep {
namespace {

#define LS_GPU_RANDOM(Op)                                                 \
  const GpuKernels k##Op = GpuKernels({#Op}).HostMemory({"shape"}).Types( \
      "dtype", kGpuFloats, LS_CUDA(gpu::Op, gpu::PrepareRandom))
LS_GPU_RANDOM(RandomStandardNormal);
LS_GPU_RANDOM(RandomUniform);
LS_GPU_RANDOM(TruncatedNormal);
const GpuKernels kRandomUniformInt =
    GpuKernels({"RandomUniformInt"})
        .HostMemory({"shape", "minval", "maxval"})
        .Types("Tout", {kInt32, kInt64},
               LS_CUDA(gpu::RandomUniformInt, gpu::PrepareRandom));

}  // namespace
}  // namespace lockstep
