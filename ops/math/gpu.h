// SPDX-License-Identifier: Apache-2.0
#pragma once

// The kernels for element-wise arithmetic on CUDA, as gpu_kernels.cc lists
// them. For that list; defined in a build with CUDA only.

#include "runtime/op/op_def.h"

namespace lockstep::gpu {

Status PrepareAddN(PrepareContext& p);
Status PrepareBroadcast(PrepareContext& p);
Status PrepareClip(PrepareContext& p);
Status PrepareSelect(PrepareContext& p);

Status Abs(KernelContext& k);
Status Acos(KernelContext& k);
Status Acosh(KernelContext& k);
Status Add(KernelContext& k);
Status AddN(KernelContext& k);
Status Asin(KernelContext& k);
Status Asinh(KernelContext& k);
Status Atan(KernelContext& k);
Status Atan2(KernelContext& k);
Status Atanh(KernelContext& k);
Status Cast(KernelContext& k);
Status Ceil(KernelContext& k);
Status ClipByValue(KernelContext& k);
Status Cos(KernelContext& k);
Status Cosh(KernelContext& k);
Status Div(KernelContext& k);
Status DivNoNan(KernelContext& k);
Status Equal(KernelContext& k);
Status Erf(KernelContext& k);
Status Erfc(KernelContext& k);
Status Exp(KernelContext& k);
Status Expm1(KernelContext& k);
Status Floor(KernelContext& k);
Status FloorDiv(KernelContext& k);
Status FloorMod(KernelContext& k);
Status Greater(KernelContext& k);
Status GreaterEqual(KernelContext& k);
Status IsFinite(KernelContext& k);
Status IsInf(KernelContext& k);
Status IsNan(KernelContext& k);
Status Less(KernelContext& k);
Status LessEqual(KernelContext& k);
Status Log(KernelContext& k);
Status Log1p(KernelContext& k);
Status LogicalAnd(KernelContext& k);
Status LogicalNot(KernelContext& k);
Status LogicalOr(KernelContext& k);
Status Maximum(KernelContext& k);
Status Minimum(KernelContext& k);
Status Mul(KernelContext& k);
Status MulNoNan(KernelContext& k);
Status Neg(KernelContext& k);
Status NotEqual(KernelContext& k);
Status Pow(KernelContext& k);
Status RealDiv(KernelContext& k);
Status Reciprocal(KernelContext& k);
Status ReciprocalGrad(KernelContext& k);
Status Rint(KernelContext& k);
Status Rsqrt(KernelContext& k);
Status RsqrtGrad(KernelContext& k);
Status Select(KernelContext& k);
Status Sigmoid(KernelContext& k);
Status SigmoidGrad(KernelContext& k);
Status Sign(KernelContext& k);
Status Sin(KernelContext& k);
Status Sinh(KernelContext& k);
Status Sqrt(KernelContext& k);
Status SqrtGrad(KernelContext& k);
Status Square(KernelContext& k);
Status SquaredDifference(KernelContext& k);
Status Sub(KernelContext& k);
Status Tan(KernelContext& k);
Status Tanh(KernelContext& k);
Status TanhGrad(KernelContext& k);
Status TruncateDiv(KernelContext& k);
Status TruncateMod(KernelContext& k);
Status Xdivy(KernelContext& k);
Status Xlog1py(KernelContext& k);
Status Xlogy(KernelContext& k);

}  // namespace lockstep::gpu
