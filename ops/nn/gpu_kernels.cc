// SPDX-License-Identifier: Apache-2.0

// Which ops of neural networks run on a GPU.

#include "ops/nn/gpu.h"
#include "runtime/op/gpu_kernel.h"

namespace lockstep {
namespace {

#define LS_GPU_FLOATS(Op, ...)                      \
  const GpuKernels k##Op = GpuKernels({#Op}).Types( \
      "T", kGpuFloats, LS_CUDA(gpu::Op __VA_OPT__(, ) __VA_ARGS__))

#define LS_GPU_ELEMENTS(Op, functor)                                 \
  const GpuKernels k##Op = GpuKernels({#Op}).Element(functor).Types( \
      "T", kGpuFloats, LS_CUDA(gpu::Op))

LS_GPU_ELEMENTS(Elu, "InValueType<EluFn>");
LS_GPU_ELEMENTS(EluGrad, "EluGradFn");
LS_GPU_FLOATS(LeakyRelu, gpu::PrepareLeakyRelu);
LS_GPU_FLOATS(LeakyReluGrad, gpu::PrepareLeakyRelu);
LS_GPU_ELEMENTS(Relu, "InValueType<ReluFn>");
LS_GPU_ELEMENTS(Relu6, "InValueType<Relu6Fn>");
LS_GPU_ELEMENTS(Relu6Grad, "Relu6GradFn");
LS_GPU_ELEMENTS(ReluGrad, "ReluGradFn");
LS_GPU_ELEMENTS(Selu, "InValueType<SeluFn>");
LS_GPU_ELEMENTS(SeluGrad, "SeluGradFn");
LS_GPU_ELEMENTS(Softplus, "InValueType<SoftplusFn>");
LS_GPU_ELEMENTS(SoftplusGrad, "SoftplusGradFn");
LS_GPU_ELEMENTS(Softsign, "InValueType<SoftsignFn>");
LS_GPU_ELEMENTS(SoftsignGrad, "SoftsignGradFn");

const GpuKernels kBiasAdd =
    GpuKernels({"BiasAdd", "BiasAddV1"})
        .Element("AddFn")
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
