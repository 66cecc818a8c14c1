// SPDX-License-Identifier: Apache-2.0

// Which products of matrices run on a GPU: all by cuBLASLt.

#include "ops/linalg/gpu.h"
#include "runtime/op/gpu_kernel.h"

namespace lockstep {
namespace {

const GpuKernels kMatMul =
    GpuKernels({"MatMul"})
        .Types("T", kGpuFloats, LS_CUDA(gpu::MatMul, gpu::PrepareMatMul));
const GpuKernels kFusedMatMul =
    GpuKernels({"_FusedMatMul"})
        .Where({{"T", kFloat}, {"Tout", kFloat}},
               LS_CUDA(gpu::MatMul, gpu::PrepareFusedMatMul));
const GpuKernels kBatchMatMul =
    GpuKernels({"BatchMatMul", "BatchMatMulV2"})
        .Types("T", kGpuFloats, LS_CUDA(gpu::MatMul, gpu::PrepareBatchMatMul));

GpuKernels BatchMatMulV3() {
  GpuKernels product({"BatchMatMulV3"});
  for (DType t : kGpuFloats) {
    product.Where({{"Ta", t}, {"Tb", t}, {"Tout", t}},
                  LS_CUDA(gpu::MatMul, gpu::PrepareBatchMatMul));
  }
  return product;
}
const GpuKernels kBatchMatMulV3 = BatchMatMulV3();

}  // namespace
}  // namespace lockstep
