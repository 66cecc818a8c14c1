// SPDX-License-Identifier: Apache-2.0
// The arithmetic of the GPU's kernels, compiled as loops, against the CPU's
// kernels. What only a GPU shows (launches, groups of threads, libraries) is
// not tested here.
#include <gtest/gtest.h>

#include "ops/array/gpu.h"
#include "ops/conv/gpu.h"
#include "ops/conv/gpu_layout.h"
#include "ops/math/gpu.h"
#include "ops/nn/gpu.h"
#include "ops/random/gpu.h"
#include "ops/reduce/gpu.h"
#include "ops/state/gpu.h"
#include "ops/training/gpu.h"
#include "tests/ops/gpu/run_kernel.h"
#include "tests/testing/graph_run.h"

namespace lockstep {
namespace {

using testing::KernelCase;
using testing::Numbers;
using testing::Operand;

constexpr DType kFloats[] = {kHalf, kBfloat16, kFloat, kDouble};

double Tolerance(DType type) {
  return type == kHalf       ? 2e-3
         : type == kBfloat16 ? 2e-2
         : type == kFloat    ? 1e-5
                             : 1e-12;
}

Tensor Ints(std::vector<int32_t> v) { return Tensor::Vector(v); }
Tensor Longs(std::vector<int64_t> v) { return Tensor::Vector(v); }
AttrValue Four(int64_t h, int64_t w) {
  return std::vector<int64_t>{1, h, w, 1};
}

TEST(GpuLoopsTest, UnaryFunctions) {
#define LS_CASE(Op) \
  { #Op, gpu::Op }
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

TEST(GpuLoopsTest, GatherOneHotFill) {
  const GpuFunctions gather = {gpu::Gather, gpu::PrepareGather};
  for (DType t : {kFloat, kHalf, kDouble, kInt32}) {
    KernelCase("GatherV2", {Numbers(t, {4, 3, 2}, 0, 50), Ints({2, 0, 3, 3}),
                            Tensor(int32_t{0})})
        .ExpectLikeCpu(gather, 0);
    KernelCase("GatherV2",
               {Numbers(t, {4, 3, 2}, 0, 50),
                Tensor::Of<int64_t>({2, 2}, {2, 0, 1, 1}), Tensor(int32_t{1})})
        .ExpectLikeCpu(gather, 0);
  }
  KernelCase("GatherV2",
             {Numbers(kFloat, {2, 3, 2}),
              Tensor::Of<int32_t>({2, 2}, {2, 0, 1, 1}), Tensor(int32_t{1})})
      .Attr("batch_dims", int64_t{1})
      .ExpectLikeCpu(gather, 0);
  for (int64_t axis : {-1, 0, 1}) {
    KernelCase("OneHot", {Tensor::Of<int32_t>({2, 3}, {0, 2, 9, 1, -1, 2}),
                          Tensor(int32_t{3}), Tensor(5.0f), Tensor(-1.0f)})
        .Attr("axis", axis)
        .ExpectLikeCpu({gpu::OneHot, gpu::PrepareOneHot}, 0);
  }
  KernelCase("Fill", {Ints({2, 3}), Tensor(4.5f)})
      .ExpectLikeCpu({gpu::Fill}, 0);
  KernelCase("OnesLike", {Numbers(kHalf, {3})}).ExpectLikeCpu({gpu::Ones}, 0);
}

TEST(GpuLoopsTest, Pooling) {
  for (const char* padding : {"SAME", "VALID"}) {
    for (const auto& [size, stride] :
         {std::pair{2, 2}, std::pair{3, 2}, std::pair{3, 1}, std::pair{2, 3}}) {
      const auto with = [&, size = size, stride = stride](KernelCase c) {
        return c.Attr("ksize", Four(size, size))
            .Attr("strides", Four(stride, stride))
            .Attr("padding", std::string(padding));
      };
      const Tensor image = Numbers(kFloat, {2, 7, 6, 3});
      const bool same = std::string(padding) == "SAME";
      const auto out = [&, size = size, stride = stride](int64_t n) {
        return same ? (n + stride - 1) / stride : (n - size) / stride + 1;
      };
      const Shape pooled{2, out(7), out(6), 3};
      const Tensor dy = Numbers(kFloat, pooled, -1, 1, 2);
      with(KernelCase("MaxPool", {image}))
          .ExpectLikeCpu({gpu::MaxPool, gpu::PreparePool}, 0);
      with(KernelCase("AvgPool", {image}))
          .ExpectLikeCpu({gpu::AvgPool, gpu::PreparePool}, 1e-6);
      with(KernelCase("MaxPoolGrad", {image, Numbers(kFloat, pooled), dy}))
          .ExpectLikeCpu({gpu::MaxPoolGrad, gpu::PreparePool}, 1e-6);
      with(KernelCase("AvgPoolGrad", {Ints({2, 7, 6, 3}), dy}))
          .ExpectLikeCpu({gpu::AvgPoolGrad, gpu::PreparePool}, 1e-6);
      with(KernelCase("_MaxPoolIndex", {image}))
          .ExpectLikeCpu({gpu::MaxPoolIndex, gpu::PreparePool}, 0);
      with(KernelCase("_MaxPoolIndexGrad", {Numbers(kUint8, pooled, 0, 4), dy}))
          .Attr("shape", Shape{2, 7, 6, 3})
          .ExpectLikeCpu({gpu::MaxPoolIndexGrad, gpu::PreparePool}, 1e-6);
    }
  }
}

TEST(GpuLoopsTest, FiltersAreTurnedForCudnnAndBack) {
  const Tensor filter =
      Tensor::Of<float>({3, 2}, {0, 1, 2, 3, 4, 5});  // [c, k] of 1 x 1
  Tensor turned(kFloat, {6}), back(kFloat, {6});
  const gpu::FilterLayout f{.rs = 1, .c = 3, .k = 2, .nchw = false};
  ASSERT_TRUE(
      gpu::TurnFilter(nullptr, f, kFloat, filter.data(), turned.data()).ok());
  testing::ExpectValues(turned, {6}, {0, 2, 4, 1, 3, 5});
  // [r s, c, k] = [2, 3, 1] with channels first.
  const gpu::FilterLayout nchw{.rs = 2, .c = 3, .k = 1, .nchw = true};
  ASSERT_TRUE(
      gpu::TurnFilter(nullptr, nchw, kFloat, filter.data(), turned.data())
          .ok());
  testing::ExpectValues(turned, {6}, {0, 3, 1, 4, 2, 5});
  ASSERT_TRUE(
      gpu::TurnFilterBack(nullptr, nchw, kFloat, turned.data(), back.data())
          .ok());
  testing::ExpectValues(back, {6}, {0, 1, 2, 3, 4, 5});
}

TEST(GpuLoopsTest, ImagesAreEnlargedAndCut) {
  const Tensor image =
      Tensor::Of<float>({1, 1, 2, 2}, {1, 2, 3, 4});  // two channels
  Tensor large(kFloat, {12}), back(kFloat, {4});
  gpu::ImageLayout m{.n = 1,
                     .h = 1,
                     .w = 2,
                     .c = 2,
                     .large_h = 2,
                     .large_w = 3,
                     .top = 1,
                     .left = 0,
                     .nchw = false};
  ASSERT_TRUE(
      gpu::EnlargeImage(nullptr, m, kFloat, image.data(), large.data()).ok());
  testing::ExpectValues(large, {12}, {0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0});
  ASSERT_TRUE(
      gpu::CutImage(nullptr, m, kFloat, large.data(), back.data()).ok());
  testing::ExpectValues(back, {4}, {1, 2, 3, 4});
  m.nchw = true;
  ASSERT_TRUE(
      gpu::EnlargeImage(nullptr, m, kFloat, image.data(), large.data()).ok());
  testing::ExpectValues(large, {12}, {0, 0, 0, 1, 2, 0, 0, 0, 0, 3, 4, 0});
}

TEST(GpuLoopsTest, StridedCopiesAreTheSameOnAStream) {
  for (DType t : {kFloat, kHalf, kDouble, kUint8}) {
    const Tensor x = Numbers(t, {3, 4, 5}, 0, 90);
    KernelCase("Transpose", {x, Ints({2, 0, 1})}).ExpectSameOnStream();
    KernelCase("Transpose", {x, Ints({1, 0, 2})}).ExpectSameOnStream();
    KernelCase("Slice", {x, Ints({1, 0, 2}), Ints({2, 3, -1})})
        .ExpectSameOnStream();
    KernelCase("StridedSlice",
               {x, Ints({0, 3, 4}), Ints({3, 0, 0}), Ints({2, -1, -2})})
        .ExpectSameOnStream();
    KernelCase("StridedSliceGrad",
               {Ints({3, 4, 5}), Ints({0, 1, 0}), Ints({3, 3, 5}),
                Ints({2, 1, 2}), Numbers(t, {2, 2, 3}, 0, 90)})
        .ExpectSameOnStream();
    KernelCase("Pad", {x, Tensor::Of<int32_t>({3, 2}, {1, 0, 0, 2, 1, 1})})
        .ExpectSameOnStream();
    KernelCase("Tile", {x, Ints({2, 1, 3})}).ExpectSameOnStream();
    KernelCase("ReverseV2", {x, Ints({0, 2})}).ExpectSameOnStream();
    KernelCase("BroadcastTo", {Numbers(t, {4, 1}, 0, 90), Ints({3, 4, 5})})
        .ExpectSameOnStream();
    KernelCase("ConcatV2", {x, x, Tensor(int32_t{1})})
        .Sequence(0, 2)
        .ExpectSameOnStream();
    KernelCase("Pack", {x, x})
        .Sequence(0, 2)
        .Attr("axis", int64_t{1})
        .ExpectSameOnStream();
    KernelCase("Unpack", {x})
        .Attr("axis", int64_t{1})
        .Attr("num", int64_t{4})
        .ExpectSameOnStream();
    KernelCase("Split", {Tensor(int32_t{1}), x})
        .Attr("num_split", int64_t{2})
        .ExpectSameOnStream();
    KernelCase("ZerosLike", {x}).ExpectSameOnStream();
  }
}

TEST(GpuLoopsTest, Variables) {
  const Tensor start = Numbers(kFloat, {4, 3});
  const auto variable = [&] { return Operand::Variable(start); };
  for (const auto& [op, run] : std::vector<std::pair<const char*, RunFn>>{
           LS_CASE(Assign), LS_CASE(AssignAdd), LS_CASE(AssignSub)}) {
    KernelCase(op, {variable(), Numbers(kFloat, {4, 3}, -1, 1, 2)})
        .ExpectLikeCpu({run, gpu::PrepareAssign}, 1e-6);
  }
  for (const auto& [op, run] : std::vector<std::pair<const char*, RunFn>>{
           LS_CASE(ScatterAdd), LS_CASE(ScatterSub), LS_CASE(ScatterUpdate)}) {
    const GpuFunctions gpu = {run, gpu::PrepareScatter};
    KernelCase(op, {variable(), Ints({2, 0, 2}), Numbers(kFloat, {3, 3})})
        .ExpectLikeCpu(gpu, 1e-6);
    KernelCase(StrCat("Resource", op),
               {variable(), Longs({3, 3, 1}), Numbers(kFloat, {3, 3})})
        .Attr("dtype", kFloat)
        .ExpectLikeCpu(gpu, 1e-6);
  }
}

// Variable, slots, then the hyper-parameters in order, "g" the gradient's.
struct Update {
  const char* name;
  RunFn run;
  int slots;
  std::vector<double> hyper;  // NaN: the gradient
};

// Several updates, of sizes around those of a launch's parts, and more than a
// launch has room for.
TEST(GpuLoopsTest, GroupedUpdates) {
  const auto group = [](const char* op, int slots, size_t updates,
                        const std::vector<double>& hyper, AttrMap attrs) {
    const int64_t sizes[] = {5, 0, 4096, 1, 4097, 10000};
    std::vector<Operand> operands;
    for (size_t u = 0; u < updates; ++u) {
      const Shape shape{sizes[u % std::size(sizes)]};
      for (int i = 0; i <= slots; ++i) {
        operands.push_back(Operand::Variable(
            Numbers(kFloat, shape, 0.1, 1, u + static_cast<uint64_t>(i))));
      }
      for (const double h : hyper) {
        operands.push_back(h != h ? Numbers(kFloat, shape, -1, 1, 9 + u)
                                  : testing::ToDType(Tensor(h), kFloat));
      }
    }
    attrs["T"] = kFloat;
    const size_t count = operands.size();
    KernelCase("_GroupedUpdate", std::move(operands))
        .Sequence(0, count)
        .Attr("update", FunctionRef{op, std::make_shared<AttrMap>(attrs)})
        .ExpectLikeCpu({gpu::GroupedUpdate, gpu::PrepareGroupedUpdate}, 1e-6);
  };
  const double g = std::numeric_limits<double>::quiet_NaN();
  for (const size_t updates : {1u, 2u, 7u, 64u, 65u, 131u}) {
    group("ApplyGradientDescent", 0, updates, {0.1, g}, {});
    group("ApplyMomentum", 1, updates, {0.1, g, 0.9}, {{"use_nesterov", true}});
    group("ApplyAdam", 2, updates, {0.9, 0.99, 0.01, 0.9, 0.999, 1e-7, g}, {});
  }
}

TEST(GpuLoopsTest, Updates) {
  const double g = std::numeric_limits<double>::quiet_NaN();
#define LS_UPDATE(Name) "ResourceApply" #Name, gpu::Apply##Name
  const Update updates[] = {
      {LS_UPDATE(GradientDescent), 0, {0.1, g}},
      {LS_UPDATE(Momentum), 1, {0.1, g, 0.9}},
      {LS_UPDATE(KerasMomentum), 1, {0.1, g, 0.9}},
      {LS_UPDATE(Adam), 2, {0.9, 0.99, 0.01, 0.9, 0.999, 1e-7, g}},
      {LS_UPDATE(AdamWithAmsgrad), 3, {0.9, 0.99, 0.01, 0.9, 0.999, 1e-7, g}},
      {LS_UPDATE(AdaMax), 2, {0.9, 0.01, 0.9, 0.999, 1e-7, g}},
      {LS_UPDATE(RMSProp), 2, {0.01, 0.9, 0.5, 1e-7, g}},
      {LS_UPDATE(CenteredRMSProp), 3, {0.01, 0.9, 0.5, 1.0, g}},
      {LS_UPDATE(Adagrad), 1, {0.1, g}},
      {LS_UPDATE(AdagradV2), 1, {0.1, 1e-3, g}},
      {LS_UPDATE(ProximalAdagrad), 1, {0.1, 0.01, 0.02, g}},
      {LS_UPDATE(Adadelta), 2, {0.1, 0.9, 1e-6, g}},
      {LS_UPDATE(Ftrl), 2, {g, 0.1, 0.01, 0.02, -0.5}},
      {LS_UPDATE(FtrlV2), 2, {g, 0.1, 0.01, 0.02, 0.03, -0.4}},
      {LS_UPDATE(AddSign), 1, {0.1, 1, 0.5, 0.9, g}},
      {LS_UPDATE(PowerSign), 1, {0.1, 1, 0.5, 0.9, g}},
      {LS_UPDATE(ProximalGradientDescent), 0, {0.1, 0.01, 0.02, g}}};
  for (const Update& u : updates) {
    for (DType t : {kFloat, kDouble, kHalf}) {
      std::vector<Operand> operands;
      for (int i = 0; i <= u.slots; ++i) {
        operands.push_back(Operand::Variable(
            Numbers(t, {5, 3}, 0.1, 1, static_cast<uint64_t>(i))));
      }
      for (const double h : u.hyper) {
        operands.push_back(h != h ? Numbers(t, {5, 3}, -1, 1, 9)
                                  : testing::ToDType(Tensor(h), t));
      }
      KernelCase(u.name, operands)
          .ExpectLikeCpu({u.run, gpu::PrepareApply}, Tolerance(t));
    }
  }
  KernelCase(
      "ResourceApplyAdagradDA",
      {Operand::Variable(Numbers(kFloat, {4})),
       Operand::Variable(Numbers(kFloat, {4})),
       Operand::Variable(Numbers(kFloat, {4}, 0.1, 1)), Numbers(kFloat, {4}),
       Tensor(0.1f), Tensor(0.01f), Tensor(0.02f), Tensor(int64_t{5})})
      .ExpectLikeCpu({gpu::ApplyAdagradDA, gpu::PrepareApply}, 1e-5);
}

}  // namespace
}  // namespace lockstep
