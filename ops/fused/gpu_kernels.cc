// SPDX-License-Identifier: Apache-2.0

// Fused element-wise ops run on a GPU where it can compile them
// (CompilesElements); FuseElements makes none elsewhere.

#include "ops/fused/gpu.h"
#include "runtime/op/gpu_kernel.h"

namespace lockstep {
namespace {

const GpuKernels kFused =
    GpuKernels({"_Fused"}).Always(LS_CUDA(gpu::Fused, gpu::PrepareFused));

}  // namespace
}  // namespace lockstep
