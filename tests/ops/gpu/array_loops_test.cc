// SPDX-License-Identifier: Apache-2.0
// Rows, images and copies: the arithmetic of the GPU's kernels, compiled as
// loops, against the CPU's (see loops_test.cc).
#include <gtest/gtest.h>

#include "ops/array/gpu.h"
#include "ops/conv/conv_op.h"
#include "ops/conv/gpu.h"
#include "ops/conv/gpu_direct.h"
#include "ops/conv/gpu_layout.h"
#include "tests/ops/gpu/loops.h"
#include "tests/testing/graph_run.h"

namespace lockstep {
namespace {

using testing::Ints;
using testing::KernelCase;
using testing::Numbers;

AttrValue Four(int64_t h, int64_t w) {
  return std::vector<int64_t>{1, h, w, 1};
}

TEST(GpuArrayLoopsTest, GatherOneHotFill) {
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

TEST(GpuArrayLoopsTest, Pooling) {
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

TEST(GpuArrayLoopsTest, FiltersAreTurnedForCudnnAndBack) {
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

TEST(GpuArrayLoopsTest, ImagesAreEnlargedAndCut) {
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
                     .nchw = false,
                     .large_nchw = false};
  ASSERT_TRUE(
      gpu::EnlargeImage(nullptr, m, kFloat, image.data(), large.data()).ok());
  testing::ExpectValues(large, {12}, {0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0});
  ASSERT_TRUE(
      gpu::CutImage(nullptr, m, kFloat, large.data(), back.data()).ok());
  testing::ExpectValues(back, {4}, {1, 2, 3, 4});
  m.nchw = m.large_nchw = true;
  ASSERT_TRUE(
      gpu::EnlargeImage(nullptr, m, kFloat, image.data(), large.data()).ok());
  testing::ExpectValues(large, {12}, {0, 0, 0, 1, 2, 0, 0, 0, 0, 3, 4, 0});
  // From channels that are last to channels that are first, and back.
  m.nchw = false;
  ASSERT_TRUE(
      gpu::EnlargeImage(nullptr, m, kFloat, image.data(), large.data()).ok());
  testing::ExpectValues(large, {12}, {0, 0, 0, 1, 3, 0, 0, 0, 0, 2, 4, 0});
  back.CopyFrom(Tensor::Of<float>({4}, {9, 9, 9, 9}));
  ASSERT_TRUE(
      gpu::CutImage(nullptr, m, kFloat, large.data(), back.data()).ok());
  testing::ExpectValues(back, {4}, {1, 2, 3, 4});
  m.nchw = true;
  m.large_nchw = false;
  ASSERT_TRUE(
      gpu::EnlargeImage(nullptr, m, kFloat, image.data(), large.data()).ok());
  testing::ExpectValues(large, {12}, {0, 0, 0, 0, 0, 0, 1, 3, 2, 4, 0, 0});
}

TEST(GpuArrayLoopsTest, SeveralImagesChangeTheirChannelsPlace) {
  const Tensor image = Numbers(kFloat, {2, 3, 4, 5}, 0, 119);
  Tensor first(kFloat, {2, 5, 3, 4});
  const gpu::ImageLayout m{2, 3, 4, 5, 3, 4, 0, 0, false, true};
  ASSERT_TRUE(
      gpu::EnlargeImage(nullptr, m, kFloat, image.data(), first.data()).ok());
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t at = 0; at < 12; ++at) {
      for (int64_t c = 0; c < 5; ++c) {
        EXPECT_EQ(
            first.flat<float>()[static_cast<size_t>((n * 5 + c) * 12 + at)],
            image.flat<float>()[static_cast<size_t>((n * 12 + at) * 5 + c)]);
      }
    }
  }
}

// By the op's name, as the kernel that calls cuDNN has it.
Status PrepareDirect(PrepareContext& p) {
  const detail::ConvRoles roles = detail::RolesOf(p.def().name);
  LS_ASSIGN_OR_RETURN(const detail::ConvDims dims,
                      detail::PreparedConvDims(p, roles));
  p.MakeState<std::pair<detail::ConvKind, detail::ConvDims>>(roles.kind(),
                                                             dims);
  return Ok();
}
Status RunDirect(KernelContext& k) {
  const auto& [kind, dims] =
      k.state<std::pair<detail::ConvKind, detail::ConvDims>>();
  return gpu::DirectConv(k, kind, dims);
}

TEST(GpuArrayLoopsTest, ConvolutionsElementByElement) {
  const GpuFunctions direct = {RunDirect, PrepareDirect};
  struct Case {
    DType type;
    const char* padding;
    int64_t stride, dilation, groups;
    bool nchw = false;
  };
  for (const Case& c :
       {Case{kFloat, "SAME", 1, 1, 1}, Case{kFloat, "SAME", 2, 1, 1},
        Case{kDouble, "VALID", 1, 2, 1}, Case{kDouble, "SAME", 2, 1, 2},
        Case{kFloat, "SAME", 1, 2, 2}, Case{kFloat, "SAME", 2, 1, 2, true},
        Case{kHalf, "SAME", 1, 1, 1}, Case{kBfloat16, "VALID", 1, 1, 1}}) {
    SCOPED_TRACE(StrCat(DTypeName(c.type), " ", c.padding, " ", c.stride, " ",
                        c.dilation, " ", c.groups));
    const Shape shape = c.nchw ? Shape{2, 4, 7, 6} : Shape{2, 7, 6, 4};
    const Tensor image = Numbers(c.type, shape, -1, 1, 1);
    const Tensor filter = Numbers(c.type, {3, 2, 4 / c.groups, 6}, -1, 1, 2);
    const bool same = std::string(c.padding) == "SAME";
    const int64_t h = same ? (7 + c.stride - 1) / c.stride : 7 - 2 * c.dilation;
    const int64_t w = same ? (6 + c.stride - 1) / c.stride : 6 - c.dilation;
    const Tensor dy = Numbers(
        c.type, c.nchw ? Shape{2, 6, h, w} : Shape{2, h, w, 6}, -1, 1, 3);
    const double within = c.type == kHalf       ? 2e-2
                          : c.type == kBfloat16 ? 2e-1
                                                : 1e-4;
    const auto expect = [&](KernelCase k) {
      const auto four = [&c](int64_t n) {
        return c.nchw ? std::vector<int64_t>{1, 1, n, n}
                      : std::vector<int64_t>{1, n, n, 1};
      };
      k.Attr("strides", four(c.stride))
          .Attr("dilations", four(c.dilation))
          .Attr("data_format", std::string(c.nchw ? "NCHW" : "NHWC"))
          .Attr("padding", std::string(c.padding))
          .ExpectLikeCpu(direct, within);
    };
    expect(KernelCase("Conv2D", {image, filter}));
    expect(KernelCase(
        "Conv2DBackpropInput",
        {c.nchw ? Ints({2, 4, 7, 6}) : Ints({2, 7, 6, 4}), filter, dy}));
    expect(KernelCase(
        "Conv2DBackpropFilter",
        {image, Ints({3, 2, static_cast<int32_t>(4 / c.groups), 6}), dy}));
  }
}

TEST(GpuArrayLoopsTest, StridedCopiesAreTheSameOnAStream) {
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

}  // namespace
}  // namespace lockstep
