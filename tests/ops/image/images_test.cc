// SPDX-License-Identifier: Apache-2.0
#include "ops/array/array.h"
#include "ops/conv/conv.h"
#include "ops/image/image.h"
#include "tests/testing/op_test.h"

namespace lockstep {
namespace {

// Values and errors are TensorFlow's.

TEST(ColorTest, ThereAndBack) {
  const Tensor rgb = F({4, 3}, {.1, .6, .4, .9, .2, .2, .3, .3, .3, 0, 0, 0});
  OpCase(
      [](const Scope& s, const Outputs& in) { return ops::RGBToHSV(s, in[0]); })
      .In(rgb)
      .Within(1e-6)
      .Want(F({4, 3},
              {.43333334, .8333333, .6, 0, .7777778, .9, 0, 0, .3, 0, 0, 0}));
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::HSVToRGB(s, ops::RGBToHSV(s, in[0]));
  })
      .In(rgb)
      .Within(1e-6)
      .Want(rgb);
}

TEST(ColorTest, Gradient) {
  OpCase(
      [](const Scope& s, const Outputs& in) { return ops::RGBToHSV(s, in[0]); })
      .In(Doubles({4, 5, 3}, 0.1, 1, 3))
      .Gradient();
}

TEST(ColorTest, Adjust) {
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::AdjustHue(s, in[0], in[1]);
  })
      .In(F({1, 2, 3}, {.9, .2, .2, .1, .5, .3}))
      .In(F({}, {1.0f / 3}))
      .Within(1e-6)
      .Want(F({1, 2, 3}, {.2, .9, .2, .3, .1, .5}));
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::AdjustSaturation(s, in[0], in[1]);
  })
      .In(F({1, 1, 3}, {.8, .4, .6}))
      .In(F({}, {0.5f}))
      .Within(1e-6)
      .Want(F({1, 1, 3}, {.8, .6, .7}));
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::AdjustContrast(s, in[0], in[1]);
  })
      .In(F({1, 2, 2}, {1, 10, 3, 20}))
      .In(F({}, {2}))
      .Want(F({1, 2, 2}, {0, 5, 4, 25}));
}

TEST(ColorTest, NeedsThreeChannels) {
  OpCase([](const Scope& s, const Outputs& in) {
    return ops::AdjustHue(s, in[0], 0.1f);
  })
      .In(F({1, 1, 2}, {1, 2}))
      .WantError(Code::kInvalidArgument,
                 "must have 3 channels but instead has 2");
}

OpCase Crop(const std::string& method) {
  return OpCase([method](const Scope& s, const Outputs& in) {
    return ops::CropAndResize(s, in[0], in[1], in[2], {2, 2}, method, -1);
  });
}
const Tensor kImage = F({1, 2, 2, 1}, {1, 2, 3, 4});

TEST(CropAndResizeTest, Values) {
  Crop("bilinear")
      .In(kImage)
      .In(F({3, 4}, {0, 0, 1, 1, 0, 0, .5, .5, .5, .5, 1.5, 1}))
      .Constant(I({3}, {0, 0, 0}))
      .Want(F({3, 2, 2, 1}, {1, 2, 3, 4, 1, 1.5, 2, 2.5, 2.5, 3, -1, -1}));
  Crop("nearest")
      .In(kImage)
      .In(F({1, 4}, {1, 1, .2, .6}))
      .Constant(I({1}, {0}))
      .Want(F({1, 2, 2, 1}, {4, 4, 2, 2}));
  Crop("bilinear")
      .In(kImage)
      .In(F({1, 4}, {0, 0, 1, 1}))
      .Constant(I({1}, {1}))
      .WantError(Code::kOutOfRange,
                 "box_index has values outside [0, batch_size)");
}

// The op gives floats, so its steps are taken where it is linear and exact.
TEST(CropAndResizeTest, Gradients) {
  Graph graph;
  Scope s(&graph);
  const Output image = ops::Const(s, kImage);
  const Output boxes = ops::Const(s, F({1, 4}, {.25, .5, .75, .75}));
  const Output y =
      ops::CropAndResize(s, image, boxes, Tensor(I({1}, {0})), {2, 2});
  std::vector<Output> dx;
  ASSERT_TRUE(AddGradients(s, {y}, {image, boxes}, &dx).ok());
  auto session = Session::Create(graph);
  ASSERT_TRUE(session.ok());
  EXPECT_TRUE(SameTensor(*(*session)->RunOne({}, dx[0].name()),
                         F({1, 2, 2, 1}, {.75, 1.25, .75, 1.25}), 1e-6));
  // Down a pixel is 2 more and right 1; each side moves two of four.
  EXPECT_TRUE(SameTensor(*(*session)->RunOne({}, dx[1].name()),
                         F({1, 4}, {4, 2, 4, 2}), 1e-6));
}

TEST(ExtractImagePatchesTest, ValuesAndGradient) {
  const auto patches = [](const std::string& padding, int64_t rate) {
    return OpCase([=](const Scope& s, const Outputs& in) {
      return ops::ExtractImagePatches(s, in[0], {1, 2, 2, 1}, {1, 1, 1, 1},
                                      {1, rate, rate, 1}, padding);
    });
  };
  const Tensor x = F({1, 3, 2, 1}, {1, 2, 3, 4, 5, 6});
  patches("VALID", 1).In(x).Want(F({1, 2, 1, 4}, {1, 2, 3, 4, 3, 4, 5, 6}));
  patches("SAME", 1).In(x).Want(
      F({1, 3, 2, 4}, {1, 2, 3, 4, 2, 0, 4, 0, 3, 4, 5, 6,
                       4, 0, 6, 0, 5, 6, 0, 0, 6, 0, 0, 0}));
  const Tensor many = Doubles({2, 4, 5, 2});
  const auto gradient = [&](const std::string& padding, int64_t rate) {
    Graph graph;
    Scope s(&graph);
    const Output in = ops::Const(s, many);
    const Output y = ops::ExtractImagePatches(s, in, {1, 2, 2, 1}, {1, 1, 2, 1},
                                              {1, rate, rate, 1}, padding);
    std::vector<Output> dx;
    ASSERT_TRUE(AddGradients(s, {y}, {in}, &dx, {y}).ok());
    auto session = Session::Create(graph);
    ASSERT_TRUE(session.ok());
    // <dx, x> = <y, y>, since y is linear in x.
    double left = 0, right = 0;
    const Tensor d = *(*session)->RunOne({}, dx[0].name());
    const Tensor v = *(*session)->RunOne({}, y.name());
    for (size_t i = 0; i < d.flat<double>().size(); ++i) {
      left += d.flat<double>()[i] * many.flat<double>()[i];
    }
    for (const double e : v.flat<double>()) right += e * e;
    EXPECT_NEAR(left, right, 1e-12 * right);
  };
  for (const int64_t rate : {1, 2}) {
    gradient("SAME", rate);
    gradient("VALID", rate);
  }
}

TEST(Dilation2DTest, ValuesAndGradients) {
  const auto dilate = [](const std::string& padding, int64_t rate = 1) {
    return OpCase([=](const Scope& s, const Outputs& in) {
      return ops::Dilation2D(s, in[0], in[1], {1, 1, 1, 1}, {1, rate, rate, 1},
                             padding);
    });
  };
  const Tensor filter = F({2, 2, 1}, {.4, .3, .1, 0});
  const Tensor x = F({1, 2, 2, 1}, {.1, .2, .3, .4});
  dilate("SAME").In(x).In(filter).Within(1e-6).Want(
      F({1, 2, 2, 1}, {.5, .6, .7, .8}));
  dilate("VALID").In(x).In(filter).Within(1e-6).Want(F({1, 1, 1, 1}, {.5}));
  dilate("SAME", 2)
      .In(Doubles({2, 5, 4, 2}, -1, 1, 5))
      .In(Doubles({2, 3, 2}, -1, 1, 6))
      .Gradient();
  dilate("VALID")
      .In(x)
      .In(F({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8}))
      .WantError(Code::kInvalidArgument, "must have the same depth: 1 vs 2");
}

TEST(NonMaxSuppressionTest, KeepsTheBestOfEachGroup) {
  const Tensor boxes =
      F({6, 4}, {0, 0,  1, 1,  1, 1.1,  0, .1,   0, -.1, 1, .9,
                 0, 10, 1, 11, 0, 10.1, 1, 11.1, 0, 100, 1, 101});
  const Tensor scores = F({6}, {.9, .75, .6, .95, .5, .3});
  const auto keep = [&](int32_t most, float iou, float score) {
    return OpCase([=](const Scope& s, const Outputs& in) {
             return ops::NonMaxSuppression(s, in[0], in[1], most, iou, score);
           })
        .In(boxes)
        .In(scores);
  };
  keep(3, .5, 0).Want(I({3}, {3, 0, 5}));
  keep(2, .5, 0).Want(I({2}, {3, 0}));
  keep(9, .5, .4).Want(I({2}, {3, 0}));
  keep(9, 1, 0).Want(I({6}, {3, 0, 1, 2, 4, 5}));
  keep(0, .5, 0).Want(I({0}, {}));
  keep(3, 1.5, 0).WantError(Code::kInvalidArgument,
                            "iou_threshold must be in [0, 1]");
}

// There and back through both ops.
OpCase ThroughPng(int64_t channels, int64_t compression = -1) {
  return OpCase([=](const Scope& s, const Outputs& in) {
    const Output png =
        s.Op("EncodePng").In(in[0]).Attr("compression", compression).Out();
    return s.Op("DecodePng").In(png).Attr("channels", channels).Out();
  });
}

TEST(PngOpsTest, PixelsInTheChannelsAskedFor) {
  const Tensor red = Tensor::Of<uint8_t>({1, 1, 3}, {255, 0, 0});
  ThroughPng(0).In(red).Want(red);
  ThroughPng(1).In(red).Want(Tensor::Of<uint8_t>({1, 1, 1}, {76}));
  ThroughPng(4).In(red).Want(Tensor::Of<uint8_t>({1, 1, 4}, {255, 0, 0, 255}));
}

TEST(PngOpsTest, Mistakes) {
  const Tensor red = Tensor::Of<uint8_t>({1, 1, 3}, {255, 0, 0});
  ThroughPng(2).In(red).WantError(Code::kInvalidArgument,
                                  "channels must be 0, 1, 3, or 4, got 2");
  ThroughPng(0, 10).In(red).WantError(Code::kInvalidArgument,
                                      "range [-1, 9], got 10");
  ThroughPng(0)
      .In(Tensor(kUint8, Shape{2, 2, 5}))
      .WantError(Code::kInvalidArgument, "1, 2, 3, or 4 channels, got 5");
  ThroughPng(0)
      .In(Tensor(kUint8, Shape{0, 2, 3}))
      .WantError(Code::kInvalidArgument, "at least one pixel");
  OpCase([](const Scope& s, const Outputs& in) {
    return s.Op("DecodePng").In(in[0]).Out();
  })
      .In(Tensor(std::string("no picture")))
      .WantError(Code::kInvalidArgument, "Invalid PNG");
}

}  // namespace
}  // namespace lockstep
