// SPDX-License-Identifier: Apache-2.0

// What mixed precision may do to which op: TensorFlow's lists for bfloat16 on
// CPUs, but for sums and means, for MaxPool, whose kernels with positions are
// for floats, and for products that oneDNN does not make here (Einsum,
// convolutions of volumes).

#include "runtime/op/precision.h"

#include "ops/dnnl/dnnl.h"

namespace lockstep {
namespace {

const Bfloat16Products kAvailable(detail::DnnlHasBfloat16);

const PrecisionList kAllow(
    Precision::kAllow,
    "MatMul BatchMatMul BatchMatMulV2 Conv2D Conv2DBackpropInput "
    "Conv2DBackpropFilter DepthwiseConv2dNative "
    "DepthwiseConv2dNativeBackpropInput "
    "DepthwiseConv2dNativeBackpropFilter");

const PrecisionList kInfer(
    Precision::kInfer,
    "Add AddN AddV2 AvgPool AvgPoolGrad BiasAdd BiasAddV1 BiasAddGrad "
    "Elu EluGrad Erf Erfc FusedBatchNormGradV2 FusedBatchNormGradV3 "
    "FusedBatchNormV2 FusedBatchNormV3 LeakyRelu LeakyReluGrad Log "
    "Log1p LogSoftmax Mul RealDiv Reciprocal Rsqrt Selu SeluGrad "
    "Sigmoid SigmoidGrad Softmax Softplus SoftplusGrad Softsign "
    "SoftsignGrad Sqrt Square SquaredDifference Sub Tanh TanhGrad");

const PrecisionList kClear(
    Precision::kClear,
    "Abs BatchToSpaceND BroadcastTo Ceil CheckNumerics Concat ConcatV2 "
    "DepthToSpace ExpandDims Floor Gather GatherNd GatherV2 Identity "
    "Max Maximum Min Minimum MirrorPad MirrorPadGrad Neg OnesLike Pack "
    "Pad PadV2 PreventGradient Relu Relu6 Relu6Grad ReluGrad Reshape "
    "ReverseV2 Round Select SelectV2 Sign Slice Snapshot SpaceToBatchND "
    "SpaceToDepth Split SplitV Squeeze StopGradient StridedSlice "
    "StridedSliceGrad Tile Transpose Unpack ZerosLike");

const PrecisionList kDeny(Precision::kDeny,
                          "Exp Expm1 L2Loss Pow SoftmaxCrossEntropyWithLogits "
                          "SparseSoftmaxCrossEntropyWithLogits");

}  // namespace
}  // namespace lockstep
