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
              HasSubstr("must have rank 4"));
  EXPECT_THAT(error(x, Nearest(Size(0, 3))),
              HasSubstr("output dimensions must be positive"));
  EXPECT_THAT(error(x, Bilinear(Tensor::Of<int32_t>({1}, {3}))),
              HasSubstr("have 2 elements"));
  EXPECT_THAT(error(Tensor(kFloat, Shape{1, 0, 2, 1}), Bilinear(Size(3, 3))),
              HasSubstr("non-zero size"));
  EXPECT_THAT(error(x, Bilinear(Size(3, 3), {.align_corners = true,
                                             .half_pixel_centers = true})),
              HasSubstr("align_corners must be False"));
}

}  // namespace
}  // namespace lockstep::testing
