// SPDX-License-Identifier: Apache-2.0

// Which ops that make and move arrays are on a GPU. Sizes, axes and paddings
// are the host's; so is int32, but where it is gathered, moved or selected as
// data.

#include "ops/array/gpu.h"
#include "runtime/op/gpu_kernel.h"

namespace lockstep {
namespace {

// No step is run for these.
const GpuKernels kConst =
    GpuKernels({"Const"}).Types("dtype", kGpuTypes).OnHost("dtype", {kInt32});
const GpuKernels kPlaceholder = GpuKernels({"Placeholder"})
                                    .Types("dtype", kGpuTypes)
                                    .OnHost("dtype", {kInt32});
const GpuKernels kAliases =
    GpuKernels({"GuaranteeConst", "Identity", "PreventGradient", "Snapshot",
                "Squeeze", "StopGradient"})
        .Types("T", kGpuTypes)
        .OnHost("T", {kInt32});
const GpuKernels kReshape = GpuKernels({"Reshape"})
                                .HostMemory({"shape"})
                                .Types("T", kGpuTypes)
                                .OnHost("T", {kInt32});
const GpuKernels kExpandDims = GpuKernels({"ExpandDims"})
                                   .HostMemory({"dim"})
                                   .Types("T", kGpuTypes)
                                   .OnHost("T", {kInt32});

const GpuKernels kNothing =
    GpuKernels({"ControlTrigger", "NoOp"}).SharedAlways();
const GpuKernels kPlaceholderWithDefault =
    GpuKernels({"PlaceholderWithDefault"})
        .Types("dtype", kGpuTypes, LS_CUDA(gpu::Copy))
        .OnHost("dtype", {kInt32});

// Shapes are read, values are not.
const GpuKernels kShape = GpuKernels({"Rank", "Shape", "ShapeN", "Size"})
                              .HostMemory({"output"})
                              .Shared("T", kGpuTypes)
                              .Shared("T", {kInt32});
const GpuKernels kShapeArithmetic =
    GpuKernels({"BroadcastArgs", "BroadcastGradientArgs", "InvertPermutation"})
        .OnHost("T", {kInt32, kInt64});
const GpuKernels kConcatOffset =
    GpuKernels({"ConcatOffset"}).OnHost("shape_type", {kInt32, kInt64});
const GpuKernels kRange =
    GpuKernels({"Range"}).OnHost("Tidx", {kInt32, kInt64, kFloat, kDouble});
const GpuKernels kLinSpace =
    GpuKernels({"LinSpace"}).OnHost("T", {kFloat, kDouble});
const GpuKernels kStitch = GpuKernels({"DynamicStitch"}).OnHost("T", {kInt32});
const GpuKernels kUnique =
    GpuKernels({"Unique", "UniqueV2"}).OnHost("T", {kInt32, kInt64});

const GpuKernels kFill = GpuKernels({"Fill"})
                             .HostMemory({"dims"})
                             .Types("T", kGpuTypes, LS_CUDA(gpu::Fill))
                             .OnHost("T", {kInt32});
const GpuKernels kZerosLike =
    GpuKernels({"ZerosLike"}).Shared("T", kGpuTypes).OnHost("T", {kInt32});
const GpuKernels kOnesLike = GpuKernels({"OnesLike"})
                                 .Types("T", kGpuTypes, LS_CUDA(gpu::Ones))
                                 .OnHost("T", {kInt32});

// int32 on the host.
const GpuKernels kConcat = GpuKernels({"Concat"})
                               .HostMemory({"concat_dim"})
                               .Shared("T", kGpuTypes)
                               .OnHost("T", {kInt32});
const GpuKernels kConcatV2 = GpuKernels({"ConcatV2"})
                                 .HostMemory({"axis"})
                                 .Shared("T", kGpuTypes)
                                 .OnHost("T", {kInt32});
const GpuKernels kPack =
    GpuKernels({"Pack"}).Shared("T", kGpuTypes).OnHost("T", {kInt32});
const GpuKernels kUnpack =
    GpuKernels({"Unpack"}).Shared("T", kGpuTypes).OnHost("T", {kInt32});
const GpuKernels kSplit = GpuKernels({"Split"})
                              .HostMemory({"split_dim"})
                              .Shared("T", kGpuTypes)
                              .OnHost("T", {kInt32});
const GpuKernels kSplitV = GpuKernels({"SplitV"})
                               .HostMemory({"size_splits", "split_dim"})
                               .Shared("T", kGpuTypes)
                               .OnHost("T", {kInt32});
const GpuKernels kSlice = GpuKernels({"Slice"})
                              .HostMemory({"begin", "size"})
                              .Shared("T", kGpuTypes)
                              .OnHost("T", {kInt32});
const GpuKernels kStridedSlice = GpuKernels({"StridedSlice"})
                                     .HostMemory({"begin", "end", "strides"})
                                     .Shared("T", kGpuTypes)
                                     .OnHost("T", {kInt32});
const GpuKernels kStridedSliceGrad =
    GpuKernels({"StridedSliceGrad"})
        .HostMemory({"shape", "begin", "end", "strides"})
        .Shared("T", kGpuTypes)
        .OnHost("T", {kInt32});
const GpuKernels kPad = GpuKernels({"Pad"})
                            .HostMemory({"paddings"})
                            .Shared("T", kGpuTypes)
                            .OnHost("T", {kInt32});
const GpuKernels kPadV2 = GpuKernels({"PadV2"})
                              .HostMemory({"paddings"})
                              .Shared("T", kGpuTypes)
                              .OnHost("T", {kInt32});

// int32 on the device.
#define LS_GPU_MOVE(Op, ARG)                           \
  const GpuKernels k##Op = GpuKernels({#Op})           \
                               .HostMemory({ARG})      \
                               .Shared("T", kGpuTypes) \
                               .Shared("T", {kInt32})
LS_GPU_MOVE(BroadcastTo, "shape");
LS_GPU_MOVE(ReverseV2, "axis");
LS_GPU_MOVE(Tile, "multiples");
LS_GPU_MOVE(Transpose, "perm");

const GpuKernels kGather =
    GpuKernels({"Gather"})
        .Types("Tparams", kGpuTypes, LS_CUDA(gpu::Gather, gpu::PrepareGather))
        .Types("Tparams", {kInt32}, LS_CUDA(gpu::Gather, gpu::PrepareGather));
const GpuKernels kGatherV2 =
    GpuKernels({"GatherV2"})
        .HostMemory({"axis"})
        .Types("Tparams", kGpuTypes, LS_CUDA(gpu::Gather, gpu::PrepareGather))
        .Types("Tparams", {kInt32}, LS_CUDA(gpu::Gather, gpu::PrepareGather));
const GpuKernels kResourceGather =
    GpuKernels({"ResourceGather"})
        .Types("dtype", kGpuTypes, LS_CUDA(gpu::Gather, gpu::PrepareGather))
        .Types("dtype", {kInt32}, LS_CUDA(gpu::Gather, gpu::PrepareGather));

// `TI` is the indices' type.
GpuKernels OneHots() {
  GpuKernels one_hot({"OneHot"});
  one_hot.HostMemory({"depth"});
  for (DType t : {kHalf, kBfloat16, kFloat, kDouble, kInt32, kInt64, kBool}) {
    for (DType index : {kUint8, kInt32, kInt64}) {
      one_hot.Where({{"T", t}, {"TI", index}},
                    LS_CUDA(gpu::OneHot, gpu::PrepareOneHot));
    }
  }
  return one_hot;
}
const GpuKernels kOneHot = OneHots();

}  // namespace
}  // namespace lockstep
