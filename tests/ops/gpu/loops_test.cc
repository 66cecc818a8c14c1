// SPDX-License-Identifier: Apache-2.0
// The arithmetic of the GPU's kernels, compiled as loops, against the CPU's
// kernels. What only a GPU shows (launches, groups of threads, libraries) is
// not tested here.
#include "tests/ops/gpu/loops.h"

#include <gtest/gtest.h>

#include "ops/math/gpu.h"
#include "ops/nn/gpu.h"
#include "ops/random/gpu.h"
#include "ops/reduce/gpu.h"
#include "tests/testing/graph_run.h"

namespace lockstep {
namespace {

using testing::Ints;
using testing::KernelCase;
using testing::kFloats;
using testing::Longs;
using testing::Numbers;
using testing::Operand;
using testing::Tolerance;

TEST(GpuLoopsTest, UnaryFunctions) {
  const std::pair<const char*, RunFn> functions[] = {
      LS_CASE(Abs),      LS_CASE(Asin),    LS_CASE(Atan),       LS_CASE(Ceil),
      LS_CASE(Cos),      LS_CASE(Erf),     LS_CASE(Exp),        LS_CASE(Expm1),
      LS_CASE(Floor),    LS_CASE(Neg),     LS_CASE(Reciprocal), LS_CASE(Rint),
      LS_CASE(Sigmoid),  LS_CASE(Sign),    LS_CASE(Sin),        LS_CASE(Sinh),
      LS_CASE(Square),   LS_CASE(Tanh),    LS_CASE(IsFinite),   LS_CASE(IsNan),
      LS_CASE(Elu),      LS_CASE(Relu),    LS_CASE(Relu6),      LS_CASE(Selu),
      LS_CASE(Softplus), LS_CASE(Softsign)};
  for (const auto& [op, run] : functions) {
    for (DType t : kFloats) {
      KernelCase(op, {Numbers(t, {3, 7}, -0.9, 0.9)})
          .ExpectLikeCpu({run}, Tolerance(t));
    }
  }
  for (const auto& [op, run] : std::vector<std::pair<const char*, RunFn>>{
           LS_CASE(Log), LS_CASE(Log1p), LS_CASE(Rsqrt), LS_CASE(Sqrt)}) {
    KernelCase(op, {Numbers(kFloat, {5}, 0.1, 9)}).ExpectLikeCpu({run}, 1e-5);
  }
}

TEST(GpuLoopsTest, BinaryFunctionsWithBroadcasting) {
  const std::pair<const char*, RunFn> functions[] = {LS_CASE(Add),
                                                     LS_CASE(Sub),
                                                     LS_CASE(Mul),
                                                     LS_CASE(Div),
                                                     LS_CASE(Maximum),
                                                     LS_CASE(Minimum),
                                                     LS_CASE(SquaredDifference),
                                                     LS_CASE(Less),
                                                     LS_CASE(GreaterEqual),
                                                     LS_CASE(Equal),
                                                     LS_CASE(NotEqual),
                                                     LS_CASE(FloorDiv),
                                                     LS_CASE(FloorMod),
                                                     LS_CASE(DivNoNan),
                                                     LS_CASE(Pow)};
  const std::pair<Shape, Shape> shapes[] = {
      {{4, 3}, {4, 3}}, {{4, 3}, {}},        {{3}, {4, 3}},
      {{4, 1}, {1, 3}}, {{2, 1, 5}, {3, 1}}, {{0, 3}, {3}}};
  for (const auto& [op, run] : functions) {
    for (const auto& [a, b] : shapes) {
      for (DType t : {kFloat, kHalf}) {
        KernelCase(op, {Numbers(t, a, 0.5, 4), Numbers(t, b, 0.5, 4, 2)})
            .ExpectLikeCpu({run, gpu::PrepareBroadcast}, Tolerance(t));
      }
    }
  }
  KernelCase("AddV2", {Longs({1, -2}), Longs({1ll << 40, 3})})
      .ExpectLikeCpu({gpu::Add, gpu::PrepareBroadcast}, 0);
}

TEST(GpuLoopsTest, SelectClipCastAddN) {
  const Tensor condition = Tensor::Of<bool>({2}, {true, false});
  for (DType t : {kFloat, kDouble, kHalf, kInt64, kInt32}) {
    KernelCase("Select", {condition, Numbers(t, {2, 3}, 0, 9),
                          Numbers(t, {2, 3}, 0, 9, 2)})
        .ExpectLikeCpu({gpu::Select, gpu::PrepareSelect}, 0);
  }
  KernelCase("SelectV2",
             {condition, Numbers(kFloat, {3, 1}), Numbers(kFloat, {})})
      .ExpectLikeCpu({gpu::Select, gpu::PrepareSelect}, 0);
  KernelCase("ClipByValue",
             {Numbers(kFloat, {3, 4}, -2, 2), Tensor(-0.5f), Tensor(0.5f)})
      .ExpectLikeCpu({gpu::ClipByValue, gpu::PrepareClip}, 0);
  for (DType from :
       {kHalf, kBfloat16, kFloat, kDouble, kInt32, kInt64, kUint8, kBool}) {
    for (DType to :
         {kHalf, kBfloat16, kFloat, kDouble, kInt32, kInt64, kUint8, kBool}) {
      KernelCase("Cast", {Numbers(from, {2, 5}, 0, 100)})
          .Attr("DstT", to)
          .ExpectLikeCpu({gpu::Cast}, 0);
    }
  }
  // In the place of what is added again after eight others.
  const Tensor again = Numbers(kFloat, {5}, -1, 1);
  std::vector<Operand> many(10, again);
  for (size_t i = 1; i < 9; ++i) many[i] = Numbers(kFloat, {5}, -1, 1, i + 1);
  KernelCase("AddN", many)
      .Sequence(0, many.size())
      .InPlace()
      .ExpectLikeCpu({gpu::AddN, gpu::PrepareAddN}, 0);
  for (size_t n : {1u, 2u, 8u, 9u, 20u}) {
    std::vector<Operand> parts;
    for (size_t i = 0; i < n; ++i) {
      parts.emplace_back(Numbers(kFloat, {5}, -1, 1, i));
    }
    KernelCase("AddN", parts)
        .Sequence(0, n)
        .ExpectLikeCpu({gpu::AddN, gpu::PrepareAddN}, 1e-5);
  }
}

TEST(GpuLoopsTest, GradientsOfActivations) {
  const std::pair<const char*, RunFn> functions[] = {
      LS_CASE(EluGrad),  LS_CASE(ReluGrad),     LS_CASE(Relu6Grad),
      LS_CASE(SeluGrad), LS_CASE(SoftplusGrad), LS_CASE(SoftsignGrad)};
  for (const auto& [op, run] : functions) {
    for (DType t : kFloats) {
      KernelCase(op, {Numbers(t, {9}), Numbers(t, {9}, -1, 1, 2)})
          .ExpectLikeCpu({run}, Tolerance(t));
    }
  }
  for (DType t : kFloats) {
    KernelCase("LeakyRelu", {Numbers(t, {9})})
        .ExpectLikeCpu({gpu::LeakyRelu, gpu::PrepareLeakyRelu}, Tolerance(t));
    KernelCase("LeakyReluGrad", {Numbers(t, {9}), Numbers(t, {9}, -1, 1, 2)})
        .ExpectLikeCpu({gpu::LeakyReluGrad, gpu::PrepareLeakyRelu},
                       Tolerance(t));
    KernelCase("TanhGrad", {Numbers(t, {9}), Numbers(t, {9}, -1, 1, 2)})
        .ExpectLikeCpu({gpu::TanhGrad, gpu::PrepareBroadcast}, Tolerance(t));
  }
}

TEST(GpuLoopsTest, Reductions) {
  const std::pair<const char*, RunFn> functions[] = {
      LS_CASE(Sum), LS_CASE(Mean), LS_CASE(Prod), LS_CASE(Max), LS_CASE(Min)};
  const std::vector<int32_t> axes[] = {{},     {0},    {1},       {2},
                                       {0, 2}, {1, 2}, {0, 1, 2}, {-1}};
  const Shape shapes[] = {{4, 3, 5}, {2, 1, 3}, {1, 700, 40}, {3, 2, 9000}};
  for (const auto& [op, run] : functions) {
    for (const auto& axis : axes) {
      for (const Shape& shape : shapes) {
        KernelCase(op, {Numbers(kFloat, shape, 0.9, 1.1), Ints(axis)})
            .ExpectLikeCpu({run, gpu::PrepareReduction}, 1e-4);
      }
      KernelCase(op, {Numbers(kHalf, {4, 3, 5}), Ints(axis)})
          .Attr("keep_dims", true)
          .ExpectLikeCpu({run, gpu::PrepareReduction}, 2e-3);
    }
    KernelCase(op, {Numbers(kFloat, {0, 3}), Ints({0})})
        .ExpectLikeCpu({run, gpu::PrepareReduction}, 0);
  }
  const Tensor flags = Tensor::Of<bool>({2, 2}, {true, false, true, true});
  KernelCase("All", {flags, Ints({1})})
      .ExpectLikeCpu({gpu::All, gpu::PrepareReduction}, 0);
  KernelCase("Any", {flags, Ints({0})})
      .ExpectLikeCpu({gpu::Any, gpu::PrepareReduction}, 0);
  KernelCase("L2Loss", {Numbers(kFloat, {100, 70})})
      .ExpectLikeCpu({gpu::L2Loss, gpu::PrepareL2Loss}, 1e-5);
  for (const char* format : {"NHWC", "NCHW"}) {
    KernelCase("BiasAdd", {Numbers(kFloat, {2, 4, 3, 4}), Numbers(kFloat, {4})})
        .Attr("data_format", std::string(format))
        .ExpectLikeCpu({gpu::BiasAdd, gpu::PrepareBias}, 0);
    KernelCase("BiasAddGrad", {Numbers(kFloat, {30, 4, 9, 4})})
        .Attr("data_format", std::string(format))
        .ExpectLikeCpu({gpu::BiasAddGrad, gpu::PrepareBiasGrad}, 1e-5);
  }
}

TEST(GpuLoopsTest, ArgExtremesAndSegments) {
  for (const auto& [op, run] : std::vector<std::pair<const char*, RunFn>>{
           LS_CASE(ArgMax), LS_CASE(ArgMin)}) {
    for (int32_t axis : {0, 1, -1}) {
      for (DType to : {kInt32, kInt64}) {
        KernelCase(op, {Numbers(kFloat, {4, 5, 3}), Tensor(axis)})
            .Attr("output_type", to)
            .ExpectLikeCpu({run, gpu::PrepareArgExtreme}, 0);
      }
    }
    KernelCase(op, {Longs({3, 7, 7, 3}), Tensor(int32_t{0})})
        .ExpectLikeCpu({run, gpu::PrepareArgExtreme}, 0);
  }
  const std::pair<const char*, RunFn> segments[] = {
      LS_CASE(UnsortedSegmentSum), LS_CASE(UnsortedSegmentProd),
      LS_CASE(UnsortedSegmentMax), LS_CASE(UnsortedSegmentMin)};
  for (const auto& [op, run] : segments) {
    for (DType t : {kFloat, kHalf, kBfloat16}) {
      KernelCase(
          op, {Numbers(t, {5, 2}), Ints({3, 0, 3, -1, 1}), Tensor(int32_t{4})})
          .ExpectLikeCpu({run}, Tolerance(t));
    }
  }
}

TEST(GpuLoopsTest, CrossEntropiesAndInTopK) {
  for (DType t : kFloats) {
    KernelCase("SoftmaxCrossEntropyWithLogits",
               {Numbers(t, {4, 5}, -3, 3), Numbers(t, {4, 5}, 0, 1, 2)})
        .ExpectLikeCpu(
            {gpu::SoftmaxCrossEntropyWithLogits, gpu::PrepareSoftmaxXent},
            Tolerance(t));
    KernelCase("SparseSoftmaxCrossEntropyWithLogits",
               {Numbers(t, {4, 5}, -3, 3), Ints({0, 4, 2, 2})})
        .ExpectLikeCpu({gpu::SparseSoftmaxCrossEntropyWithLogits},
                       Tolerance(t));
  }
  KernelCase("SoftmaxCrossEntropyWithLogits",
             {Numbers(kFloat, {4, 5}), Numbers(kFloat, {1, 5}, 0, 1, 2)})
      .ExpectLikeCpu(
          {gpu::SoftmaxCrossEntropyWithLogits, gpu::PrepareSoftmaxXent}, 1e-5);
  const Tensor predictions = testing::ToDType(
      Tensor::Of<float>({3, 3}, {1, 2, 3, 5, 5, 0, 1, HUGE_VALF, 2}), kFloat);
  for (int32_t k : {1, 2}) {
    KernelCase("InTopKV2", {predictions, Ints({1, 0, 2}), Tensor(k)})
        .ExpectLikeCpu({gpu::InTopK}, 0);
  }
  KernelCase("InTopK", {predictions, Ints({2, 7, -1})})
      .Attr("k", int64_t{1})
      .ExpectLikeCpu({gpu::InTopK}, 0);
}

TEST(GpuLoopsTest, RandomNumbersAreTheCpus) {
  const std::pair<const char*, RunFn> functions[] = {
      LS_CASE(RandomUniform), LS_CASE(RandomStandardNormal),
      LS_CASE(TruncatedNormal)};
  for (const auto& [op, run] : functions) {
    for (DType t : kFloats) {
      KernelCase(op, {Ints({7, 31})})
          .Attr("dtype", t)
          .Attr("seed", int64_t{7})
          .ExpectLikeCpu({run, gpu::PrepareRandom}, Tolerance(t));
    }
  }
  KernelCase("RandomUniformInt",
             {Ints({101}), Tensor(int32_t{-5}), Tensor(int32_t{17})})
      .ExpectLikeCpu({gpu::RandomUniformInt, gpu::PrepareRandom}, 0);
  KernelCase("RandomUniformInt",
             {Ints({101}), Tensor(int64_t{-5}), Tensor(int64_t{1} << 40)})
      .ExpectLikeCpu({gpu::RandomUniformInt, gpu::PrepareRandom}, 0);
}

}  // namespace
}  // namespace lockstep
