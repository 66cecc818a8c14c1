// SPDX-License-Identifier: Apache-2.0

// Which convolutions and poolings run on a GPU.

#include "ops/conv/gpu.h"
#include "runtime/op/gpu_kernel.h"

namespace lockstep {
namespace {

const GpuKernels kConv2D =
    GpuKernels({"Conv2D"})
        .Types("T", kGpuFloats, LS_CUDA(gpu::Conv2D, gpu::PrepareConv2D));
const GpuKernels kFusedConv2D =
    GpuKernels({"_FusedConv2D"})
        .Where({{"T", kFloat}, {"Tout", kFloat}},
               LS_CUDA(gpu::Conv2D, gpu::PrepareConv2D));
const GpuKernels kConv2DBackpropInput =
    GpuKernels({"Conv2DBackpropInput"})
        .HostMemory({"input_sizes"})
        .Types("T", kGpuFloats, LS_CUDA(gpu::Conv2D, gpu::PrepareConv2D));
const GpuKernels kConv2DBackpropFilter =
    GpuKernels({"Conv2DBackpropFilter"})
        .HostMemory({"filter_sizes"})
        .Types("T", kGpuFloats, LS_CUDA(gpu::Conv2D, gpu::PrepareConv2D));

const GpuKernels kAvgPool =
    GpuKernels({"AvgPool"})
        .Types("T", kGpuFloats, LS_CUDA(gpu::AvgPool, gpu::PreparePool));
const GpuKernels kAvgPoolGrad =
    GpuKernels({"AvgPoolGrad"})
        .HostMemory({"orig_input_shape"})
        .Types("T", kGpuFloats, LS_CUDA(gpu::AvgPoolGrad, gpu::PreparePool));
const GpuKernels kMaxPool =
    GpuKernels({"MaxPool"})
        .Types("T", kGpuFloats, LS_CUDA(gpu::MaxPool, gpu::PreparePool));
const GpuKernels kMaxPoolGrad =
    GpuKernels({"MaxPoolGrad"})
        .Types("T", kGpuFloats, LS_CUDA(gpu::MaxPoolGrad, gpu::PreparePool));
const GpuKernels kMaxPoolIndex =
    GpuKernels({"_MaxPoolIndex"})
        .Always(LS_CUDA(gpu::MaxPoolIndex, gpu::PreparePool));
const GpuKernels kMaxPoolIndexGrad =
    GpuKernels({"_MaxPoolIndexGrad"})
        .Always(LS_CUDA(gpu::MaxPoolIndexGrad, gpu::PreparePool));

}  // namespace
}  // namespace lockstep
