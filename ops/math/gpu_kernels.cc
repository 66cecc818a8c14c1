// SPDX-License-Identifier: Apache-2.0

// Which element-wise ops run on a GPU. Integers are divided by the host alone:
// it says so when a divisor is zero.

#include "ops/math/gpu.h"
#include "runtime/op/gpu_kernel.h"

namespace lockstep {
namespace {

constexpr std::initializer_list<DType> kNumbers = {kHalf, kBfloat16, kFloat,
                                                   kDouble, kInt64};
constexpr std::initializer_list<DType> kNumbersAndBool = {
    kHalf, kBfloat16, kFloat, kDouble, kInt64, kBool};

#define LS_GPU_UNARY(Op)                                              \
  const GpuKernels k##Op = GpuKernels({#Op}).Element(#Op "Fn").Types( \
      "T", kGpuFloats, LS_CUDA(gpu::Op))
#define LS_GPU_UNARY_NUMBERS(Op)                                       \
  const GpuKernels k##Op = GpuKernels({#Op})                           \
                               .Element(#Op "Fn")                      \
                               .Types("T", kNumbers, LS_CUDA(gpu::Op)) \
                               .OnHost("T", {kInt32})
#define LS_GPU_BINARY(Op, functor)                                   \
  const GpuKernels k##Op = GpuKernels({#Op}).Element(functor).Types( \
      "T", kGpuFloats, LS_CUDA(gpu::Op, gpu::PrepareBroadcast))
#define LS_GPU_BINARY_AND_HOST(Op, functor)                                \
  const GpuKernels k##Op =                                                 \
      GpuKernels({#Op})                                                    \
          .Element(functor)                                                \
          .Types("T", kGpuFloats, LS_CUDA(gpu::Op, gpu::PrepareBroadcast)) \
          .OnHost("T", {kInt32})
#define LS_GPU_BINARY_NUMBERS(Op, TYPES)                              \
  const GpuKernels k##Op =                                            \
      GpuKernels({#Op})                                               \
          .Element(#Op "Fn")                                          \
          .Types("T", TYPES, LS_CUDA(gpu::Op, gpu::PrepareBroadcast)) \
          .OnHost("T", {kInt32})

LS_GPU_UNARY_NUMBERS(Abs);
LS_GPU_UNARY_NUMBERS(Neg);
LS_GPU_UNARY_NUMBERS(Sign);
LS_GPU_UNARY_NUMBERS(Square);
LS_GPU_UNARY(Acos);
LS_GPU_UNARY(Acosh);
LS_GPU_UNARY(Asin);
LS_GPU_UNARY(Asinh);
LS_GPU_UNARY(Atan);
LS_GPU_UNARY(Atanh);
LS_GPU_UNARY(Ceil);
LS_GPU_UNARY(Cos);
LS_GPU_UNARY(Cosh);
LS_GPU_UNARY(Erf);
LS_GPU_UNARY(Erfc);
LS_GPU_UNARY(Exp);
LS_GPU_UNARY(Expm1);
LS_GPU_UNARY(Floor);
LS_GPU_UNARY(IsFinite);
LS_GPU_UNARY(IsInf);
LS_GPU_UNARY(IsNan);
LS_GPU_UNARY(Log);
LS_GPU_UNARY(Log1p);
LS_GPU_UNARY(Reciprocal);
LS_GPU_UNARY(Rint);
LS_GPU_UNARY(Rsqrt);
LS_GPU_UNARY(Sigmoid);
LS_GPU_UNARY(Sin);
LS_GPU_UNARY(Sinh);
LS_GPU_UNARY(Sqrt);
LS_GPU_UNARY(Tan);
LS_GPU_UNARY(Tanh);
const GpuKernels kInv = GpuKernels({"Inv"})
                            .Element("ReciprocalFn")
                            .Types("T", kGpuFloats, LS_CUDA(gpu::Reciprocal));
const GpuKernels kRound = GpuKernels({"Round"}).Element("RintFn").Types(
    "T", kGpuFloats, LS_CUDA(gpu::Rint));

LS_GPU_BINARY_NUMBERS(Maximum, kNumbers);
LS_GPU_BINARY_NUMBERS(Minimum, kNumbers);
LS_GPU_BINARY_NUMBERS(Mul, kNumbers);
LS_GPU_BINARY_NUMBERS(SquaredDifference, kNumbers);
LS_GPU_BINARY_NUMBERS(Sub, kNumbers);
LS_GPU_BINARY_NUMBERS(Greater, kNumbers);
LS_GPU_BINARY_NUMBERS(GreaterEqual, kNumbers);
LS_GPU_BINARY_NUMBERS(Less, kNumbers);
LS_GPU_BINARY_NUMBERS(LessEqual, kNumbers);
LS_GPU_BINARY_NUMBERS(Equal, kNumbersAndBool);
LS_GPU_BINARY_NUMBERS(NotEqual, kNumbersAndBool);
LS_GPU_BINARY_AND_HOST(Div, "DivFn");
LS_GPU_BINARY_AND_HOST(FloorDiv, "FloorDivFn");
LS_GPU_BINARY_AND_HOST(FloorMod, "FloorModFn");
LS_GPU_BINARY_AND_HOST(RealDiv, "DivFn");
LS_GPU_BINARY_AND_HOST(TruncateDiv, "TruncateDivFn");
LS_GPU_BINARY_AND_HOST(TruncateMod, "ModFn");
LS_GPU_BINARY(Atan2, "Atan2Fn");
LS_GPU_BINARY(DivNoNan, "DivNoNanFn");
LS_GPU_BINARY(MulNoNan, "MulNoNanFn");
LS_GPU_BINARY(Pow, "PowFn");
LS_GPU_BINARY(Xdivy, "GuardedFn<Xdivy>");
LS_GPU_BINARY(Xlog1py, "GuardedFn<Xlog1py>");
LS_GPU_BINARY(Xlogy, "GuardedFn<Xlogy>");
const GpuKernels kAdd =
    GpuKernels({"Add", "AddV2"})
        .Element("AddFn")
        .Types("T", kNumbers, LS_CUDA(gpu::Add, gpu::PrepareBroadcast))
        .OnHost("T", {kInt32});
const GpuKernels kMod =
    GpuKernels({"Mod"})
        .Element("ModFn")
        .Types("T", kGpuFloats,
               LS_CUDA(gpu::TruncateMod, gpu::PrepareBroadcast))
        .OnHost("T", {kInt32});
const GpuKernels kLogicalAnd =
    GpuKernels({"LogicalAnd"})
        .Element("AndFn")
        .Always(LS_CUDA(gpu::LogicalAnd, gpu::PrepareBroadcast));
const GpuKernels kLogicalOr =
    GpuKernels({"LogicalOr"})
        .Element("OrFn")
        .Always(LS_CUDA(gpu::LogicalOr, gpu::PrepareBroadcast));
const GpuKernels kLogicalNot = GpuKernels({"LogicalNot"})
                                   .Element("NotFn")
                                   .Always(LS_CUDA(gpu::LogicalNot));

// Of a result and the gradient by it.
LS_GPU_BINARY(ReciprocalGrad, "ReciprocalGradFn");
LS_GPU_BINARY(RsqrtGrad, "RsqrtGradFn");
LS_GPU_BINARY(SigmoidGrad, "SigmoidGradFn");
LS_GPU_BINARY(SqrtGrad, "SqrtGradFn");
LS_GPU_BINARY(TanhGrad, "TanhGradFn");
const GpuKernels kInvGrad =
    GpuKernels({"InvGrad"})
        .Element("ReciprocalGradFn")
        .Types("T", kGpuFloats,
               LS_CUDA(gpu::ReciprocalGrad, gpu::PrepareBroadcast));

const GpuKernels kAddN =
    GpuKernels({"AddN", "AccumulateNV2"})
        .Element("AddFn")
        .Types("T", kNumbers, LS_CUDA(gpu::AddN, gpu::PrepareAddN))
        .OnHost("T", {kInt32});
const GpuKernels kClip =
    GpuKernels({"ClipByValue"})
        .Types("T", kNumbers, LS_CUDA(gpu::ClipByValue, gpu::PrepareClip));

const GpuKernels kSelect =
    GpuKernels({"Select", "SelectV2"})
        .Element("SelectFn")
        .Types("T", kGpuTypes, LS_CUDA(gpu::Select, gpu::PrepareSelect))
        .Types("T", {kInt32}, LS_CUDA(gpu::Select, gpu::PrepareSelect));

// int32 is in the device's memory here, as in TensorFlow: labels come so.
GpuKernels CastKernels() {
  constexpr DType kCast[] = {kHalf,  kBfloat16, kFloat, kDouble,
                             kInt32, kInt64,    kUint8, kBool};
  GpuKernels cast({"Cast"});
  cast.Element("CastTo<%>");
  for (DType from : kCast) {
    for (DType to : kCast) {
      cast.Where({{"SrcT", from}, {"DstT", to}}, LS_CUDA(gpu::Cast));
    }
  }
  return cast;
}
const GpuKernels kCast = CastKernels();

}  // namespace
}  // namespace lockstep
