// SPDX-License-Identifier: Apache-2.0

// Which ops of neural networks run on a GPU.

#include "ops/nn/gpu.h"
#include "runtime/op/gpu_kernel.h"

namespace lockstep {
namespace {

#define LS_GPU_FLOATS(Op, ...)                      \
  const GpuKernels k##Op = GpuKernels({#Op}).Types( \
      "T", kGpuFloats, LS_CUDA(gpu::Op __VA_OPT__(, ) __VA_ARGS__))

LS_GPU_FLOATS(Elu);
LS_GPU_FLOATS(EluGrad);
LS_GPU_FLOATS(LeakyRelu, gpu::PrepareLeakyRelu);
LS_GPU_FLOATS(LeakyReluGrad, gpu::PrepareLeakyRelu);
LS_GPU_FLOATS(Relu);
LS_GPU_FLOATS(Relu6);
LS_GPU_FLOATS(Relu6Grad);
LS_GPU_FLOATS(ReluGrad);
LS_GPU_FLOATS(Selu);
LS_GPU_FLOATS(SeluGrad);
LS_GPU_FLOATS(Softplus);
LS_GPU_FLOATS(SoftplusGrad);
LS_GPU_FLOATS(Softsign);
LS_GPU_FLOATS(SoftsignGrad);

const GpuKernels kBiasAdd =
    GpuKernels({"BiasAdd", "BiasAddV1"})
        .Types("T", kGpuFloats, LS_CUDA(gpu::BiasAdd, gpu::PrepareBias));
LS_GPU_FLOATS(BiasAddGrad, gpu::PrepareBiasGrad);

LS_GPU_FLOATS(Softmax, gpu::PrepareSoftmax);
LS_GPU_FLOATS(LogSoftmax, gpu::PrepareSoftmax);
LS_GPU_FLOATS(SoftmaxCrossEntropyWithLogits, gpu::PrepareSoftmaxXent);
LS_GPU_FLOATS(SparseSoftmaxCrossEntropyWithLogits);

const GpuKernels kInTopK =
    GpuKernels({"InTopK", "InTopKV2"})
        .Types("T", {kInt32, kInt64}, LS_CUDA(gpu::InTopK));

// Statistics are floats.
GpuKernels BatchNorms(std::initializer_list<const char*> ops,
                      GpuFunctions functions) {
  GpuKernels norm(ops);
  for (DType t : {kFloat, kHalf, kBfloat16}) {
    norm.Where({{"T", t}, {"U", kFloat}}, functions);
  }
  return norm;
}
const GpuKernels kNorm =
    GpuKernels({"FusedBatchNorm"})
        .Types("T", {kFloat},
               LS_CUDA(gpu::FusedBatchNorm, gpu::PrepareBatchNorm));
const GpuKernels kNorms =
    BatchNorms({"FusedBatchNormV2", "FusedBatchNormV3"},
               LS_CUDA(gpu::FusedBatchNorm, gpu::PrepareBatchNorm));
const GpuKernels kNormGrad =
    GpuKernels({"FusedBatchNormGrad"})
        .Types("T", {kFloat},
               LS_CUDA(gpu::FusedBatchNormGrad, gpu::PrepareBatchNormGrad));
const GpuKernels kNormGrads =
    BatchNorms({"FusedBatchNormGradV2", "FusedBatchNormGradV3"},
               LS_CUDA(gpu::FusedBatchNormGrad, gpu::PrepareBatchNormGrad));

}  // namespace
}  // namespace lockstep
