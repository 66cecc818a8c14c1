// SPDX-License-Identifier: Apache-2.0
#pragma once

// The kernels for neural networks on CUDA, as gpu_kernels.cc lists them. For
// that list; defined in a build with CUDA only.

#include "runtime/op/op_def.h"

namespace lockstep::gpu {

Status PrepareBatchNorm(PrepareContext& p);
Status PrepareBatchNormGrad(PrepareContext& p);
Status PrepareBias(PrepareContext& p);
Status PrepareBiasGrad(PrepareContext& p);
Status PrepareLeakyRelu(PrepareContext& p);
Status PrepareSoftmax(PrepareContext& p);
Status PrepareSoftmaxXent(PrepareContext& p);

Status BiasAdd(KernelContext& k);
Status BiasAddGrad(KernelContext& k);
Status Elu(KernelContext& k);
Status EluGrad(KernelContext& k);
Status FusedBatchNorm(KernelContext& k);
Status FusedBatchNormGrad(KernelContext& k);
Status InTopK(KernelContext& k);
Status LeakyRelu(KernelContext& k);
Status LeakyReluGrad(KernelContext& k);
Status LogSoftmax(KernelContext& k);
Status Relu(KernelContext& k);
Status Relu6(KernelContext& k);
Status Relu6Grad(KernelContext& k);
Status ReluGrad(KernelContext& k);
Status Selu(KernelContext& k);
Status SeluGrad(KernelContext& k);
Status Softmax(KernelContext& k);
Status SoftmaxCrossEntropyWithLogits(KernelContext& k);
Status Softplus(KernelContext& k);
Status SoftplusGrad(KernelContext& k);
Status Softsign(KernelContext& k);
Status SoftsignGrad(KernelContext& k);
Status SparseSoftmaxCrossEntropyWithLogits(KernelContext& k);

}  // namespace lockstep::gpu
