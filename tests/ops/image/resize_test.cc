// SPDX-License-Identifier: Apache-2.0
#include "ops/array/array.h"
#include "ops/image/image.h"
#include "runtime/graph/gradients.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using ops::ResizeAttrs;
using ::testing::HasSubstr;

Tensor Size(int32_t height, int32_t width) {
  return Tensor::Of<int32_t>({2}, {height, width});
}
BuildFn Nearest(const Tensor& size, const ResizeAttrs& attrs = {}) {
  return [=](const Scope& s, const std::vector<Output>& in) {
    return std::vector<Output>{
        ops::ResizeNearestNeighbor(s, in[0], size, attrs)};
  };
}
BuildFn Bilinear(const Tensor& size, const ResizeAttrs& attrs = {}) {
  return [=](const Scope& s, const std::vector<Output>& in) {
    return std::vector<Output>{ops::ResizeBilinear(s, in[0], size, attrs)};
  };
}
const Tensor kImage = Tensor::Of<double>({1, 2, 2, 1}, {1, 2, 3, 4});
const ResizeAttrs kCentres{.half_pixel_centers = true};
const ResizeAttrs kCorners{.align_corners = true};

// The values are TensorFlow's.
TEST(ResizeTest, Nearest) {
  for (const DType t : {kFloat, kDouble, kHalf, kBfloat16, kUint8, kInt64}) {
    const Tensor x = ToDType(kImage, t);
    ExpectValues(EvaluateOne({x}, Nearest(Size(3, 4))), {1, 3, 4, 1},
                 {1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4});
    ExpectValues(EvaluateOne({x}, Nearest(Size(3, 3), kCentres)), {1, 3, 3, 1},
                 {1, 2, 2, 3, 4, 4, 3, 4, 4});
    ExpectValues(EvaluateOne({x}, Nearest(Size(3, 3), kCorners)), {1, 3, 3, 1},
                 {1, 2, 2, 3, 4, 4, 3, 4, 4});
    ExpectValues(EvaluateOne({x}, Nearest(Size(1, 1))), {1, 1, 1, 1}, {1});
  }
}

TEST(ResizeTest, Bilinear) {
  for (const DType t : {kFloat, kDouble, kHalf, kUint8, kInt32}) {
    const Tensor x = ToDType(kImage, t);
    const Tensor y = EvaluateOne({x}, Bilinear(Size(3, 3), kCorners));
    EXPECT_EQ(y.dtype(), kFloat);
    ExpectValues(y, {1, 3, 3, 1}, {1, 1.5, 2, 2, 2.5, 3, 3, 3.5, 4});
    ExpectValues(EvaluateOne({x}, Bilinear(Size(4, 2), kCentres)), {1, 4, 2, 1},
                 {1, 2, 1.5, 2.5, 2.5, 3.5, 3, 4});
    ExpectValues(EvaluateOne({x}, Bilinear(Size(4, 2))), {1, 4, 2, 1},
                 {1, 2, 2, 3, 3, 4, 3, 4});
  }
}

// By the definition, up and down, with more than one image.
TEST(ResizeTest, LargerImages) {
  struct Case {
    int64_t height, width, channels, to_height, to_width;
  };
  for (const Case& c : {Case{7, 5, 3, 16, 11}, Case{20, 9, 2, 6, 4},
                        Case{4, 6, 1, 9, 3}, Case{5, 4, 20, 5, 8}}) {
    const Tensor x = Numbers(kFloat, {3, c.height, c.width, c.channels});
    const Tensor size = Size(static_cast<int32_t>(c.to_height),
                             static_cast<int32_t>(c.to_width));
    const std::vector<double> mixed = Values(EvaluateOne({x}, Bilinear(size)));
    const std::vector<double> near = Values(EvaluateOne({x}, Nearest(size)));
    double worst_mixed = 0, worst_near = 0;
    for (size_t i = 0; i < mixed.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      const int64_t channel = at % c.channels, pixel = at / c.channels;
      const auto source = [](int64_t to, int64_t in, int64_t out) {
        return static_cast<double>(to * in) / static_cast<double>(out);
      };
      const double row =
          source(pixel / c.to_width % c.to_height, c.height, c.to_height);
      const double column = source(pixel % c.to_width, c.width, c.to_width);
      const auto value = [&](int64_t h, int64_t w) {
        h += static_cast<int64_t>(row + 1e-6);
        w += static_cast<int64_t>(column + 1e-6);
        const int64_t image = pixel / c.to_width / c.to_height;
        h = (image * c.height + std::min(h, c.height - 1)) * c.width;
        return static_cast<double>(x.flat<float>()[static_cast<size_t>(
            (h + std::min(w, c.width - 1)) * c.channels + channel)]);
      };
      const double down = row - std::floor(row + 1e-6);
      const double right = column - std::floor(column + 1e-6);
      const double want =
          (value(0, 0) * (1 - right) + value(0, 1) * right) * (1 - down) +
          (value(1, 0) * (1 - right) + value(1, 1) * right) * down;
      worst_mixed = std::max(worst_mixed, std::abs(mixed[i] - want));
      worst_near = std::max(worst_near, std::abs(near[i] - value(0, 0)));
    }
    EXPECT_LT(worst_mixed, 5e-6) << c.height;
    EXPECT_EQ(worst_near, 0) << c.height;
  }
}

TEST(ResizeTest, Gradients) {
  const Tensor x = Numbers(kDouble, {2, 3, 4, 2});
  for (const ResizeAttrs& attrs : {ResizeAttrs{}, kCentres, kCorners}) {
    ExpectGradients({x}, Nearest(Size(5, 7), attrs));
    ExpectGradients({x}, Nearest(Size(2, 2), attrs));
    for (const Tensor& size : {Size(5, 7), Size(2, 2)}) {
      // Linear in x: float's steps are exact but for rounding.
      const Tensor y = EvaluateOne({x}, Bilinear(size, attrs));
      const Tensor dy = Numbers(kFloat, y.shape(), -1, 1, 2);
      const Tensor dx =
          EvaluateOne({x, dy}, [&](const Scope& s, const auto& in) {
            std::vector<Output> dx;
            EXPECT_TRUE(AddGradients(s, Bilinear(size, attrs)(s, {in[0]}),
                                     {in[0]}, &dx, {in[1]})
                            .ok());
            return dx;
          });
      double left = 0, right = 0;
      for (size_t i = 0; i < Values(dx).size(); ++i) {
        left += Values(dx)[i] * Values(x)[i];
      }
      for (size_t i = 0; i < Values(dy).size(); ++i) {
        right += Values(dy)[i] * Values(y)[i];
      }
      EXPECT_NEAR(left, right, 1e-5 * (1 + std::abs(right)));
    }
  }
}

TEST(ResizeTest, NothingAndBadUse) {
  ExpectValues(
      EvaluateOne({Tensor(kFloat, Shape{0, 2, 2, 1})}, Bilinear(Size(3, 3))),
      {0, 3, 3, 1}, {});
  const auto error = [](const Tensor& x, const BuildFn& f) {
    return RunGraph({x}, f).status().message();
  };
  const Tensor x = Numbers(kFloat, {1, 2, 2, 1});
  EXPECT_THAT(error(Numbers(kFloat, {2, 2, 1}), Nearest(Size(3, 3))),
              HasSubstr("must be 4-dimensional"));
  EXPECT_THAT(error(x, Nearest(Size(0, 3))),
              HasSubstr("output dimensions must be positive"));
  EXPECT_THAT(error(x, Bilinear(Tensor::Of<int32_t>({1}, {3}))),
              HasSubstr("must have two elements"));
  EXPECT_THAT(error(Tensor(kFloat, Shape{1, 0, 2, 1}), Bilinear(Size(3, 3))),
              HasSubstr("non-zero size"));
  EXPECT_THAT(error(x, Bilinear(Size(3, 3), {.align_corners = true,
                                             .half_pixel_centers = true})),
              HasSubstr("align_corners must be False"));
}

}  // namespace
}  // namespace lockstep::testing
