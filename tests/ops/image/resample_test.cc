// SPDX-License-Identifier: Apache-2.0
#include "ops/ops.h"
#include "runtime/graph/gradients.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;

Tensor Size(int32_t height, int32_t width) {
  return Tensor::Of<int32_t>({2}, {height, width});
}
BuildFn Resize(const std::string& op, const Tensor& size,
               const std::string& flag = "") {
  return [=](const Scope& s, const std::vector<Output>& in) {
    NodeBuilder node = s.Op(op);
    node.In(in[0]).In(size);
    if (!flag.empty()) node.Attr(flag, true);
    return std::vector<Output>{node.Out()};
  };
}
// By 0.5 and 0.6, moved by 0.25 and -0.5.
BuildFn Scaled(const std::string& kernel, bool antialias = true,
               const Tensor& scale = Tensor::Of<float>({2}, {0.5, 0.6})) {
  return [=](const Scope& s, const std::vector<Output>& in) {
    return std::vector<Output>{s.Op("ScaleAndTranslate")
                                   .In(in[0])
                                   .In(Size(2, 2))
                                   .In(scale)
                                   .In(Tensor::Of<float>({2}, {0.25, -0.5}))
                                   .Attr("kernel_type", kernel)
                                   .Attr("antialias", antialias)
                                   .Out()};
  };
}
const Tensor kFour = Tensor::Of<float>({1, 2, 2, 1}, {1, 2, 3, 4});
const Tensor kTwelve =
    Tensor::Of<float>({1, 3, 4, 1}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});

// All values are TensorFlow's.
TEST(ResampleTest, Bicubic) {
  const auto resized = [](const std::string& flag) {
    return EvaluateOne({kFour}, Resize("ResizeBicubic", Size(3, 3), flag));
  };
  ExpectValues(resized(""), {1, 3, 3, 1},
               {1, 1.6855378, 2.1111112, 2.3710756, 3.0566134, 3.482187,
                3.2222221, 3.9077604, 4.3333335});
  ExpectValues(resized("half_pixel_centers"), {1, 3, 3, 1},
               {0.80233335, 1.3682222, 1.9341109, 1.934111, 2.5, 3.0658884,
                3.0658882, 3.6317773, 4.1976657});
  ExpectValues(resized("align_corners"), {1, 3, 3, 1},
               {1, 1.5, 2, 2, 2.5, 3, 3, 3.5, 4});
}

TEST(ResampleTest, Area) {
  const auto resized = [](const Tensor& size, const std::string& flag = "") {
    return EvaluateOne({kTwelve}, Resize("ResizeArea", size, flag));
  };
  ExpectValues(resized(Size(2, 3)), {1, 2, 3, 1},
               {1.5833335, 2.8333335, 4.083333, 6.916667, 8.166667, 9.416666});
  ExpectValues(
      resized(Size(4, 2)), {1, 4, 2, 1},
      {0.5, 2.5, 3.1666667, 5.1666667, 5.8333333, 7.8333333, 8.5, 10.5});
  ExpectValues(resized(Size(2, 2), "align_corners"), {1, 2, 2, 1},
               {3, 5, 9, 11});
}

TEST(ResampleTest, Kernels) {
  const std::vector<std::pair<std::string, std::vector<double>>> cases = {
      {"lanczos1", {2.332593, 3.8583801, 8.0253887, 9.551177}},
      {"lanczos3", {2.582571, 4.361588, 7.5579205, 9.3369389}},
      {"gaussian", {3.2138433, 4.5462928, 7.1850553, 8.5175047}},
      {"box", {2.3333335, 3.8333335, 7.666667, 9.166667}},
      {"triangle", {2.4509802, 3.9761906, 7.7843137, 9.3095245}},
      {"keyscubic", {2.5473824, 4.1761961, 7.6673818, 9.296196}},
      {"mitchellcubic", {2.8927553, 4.3867207, 7.399797, 8.8937626}}};
  for (const auto& [kernel, want] : cases) {
    SCOPED_TRACE(kernel);
    ExpectValues(EvaluateOne({kTwelve}, Scaled(kernel)), {1, 2, 2, 1}, want,
                 4e-6);
  }
}

// Rows are made in bands, and few channels by loops of their own: each channel
// is as it is alone, and each image.
TEST(ResampleTest, ManyRowsAndChannels) {
  const BuildFn f = Resize("ResizeBicubic", Size(37, 9), "half_pixel_centers");
  for (const int64_t channels : {1, 2, 3, 4, 5}) {
    SCOPED_TRACE(channels);
    const Tensor x = Numbers(kFloat, {2, 11, 7, channels});
    const Tensor y = EvaluateOne({x}, f);
    for (int64_t n = 0; n < 2; ++n) {
      for (int64_t c = 0; c < channels; ++c) {
        const auto plane = [&](const Tensor& all, int64_t size) {
          Tensor one(kFloat, {1, all.shape().dim(1), all.shape().dim(2), 1});
          for (int64_t i = 0; i < size; ++i) {
            one.flat<float>()[static_cast<size_t>(i)] =
                all.flat<float>()[static_cast<size_t>(
                    (n * size + i) * channels + c)];
          }
          return one;
        };
        ExpectClose(plane(y, 37 * 9), EvaluateOne({plane(x, 77)}, f), 1e-5);
      }
    }
  }
}

// Outputs are linear in the images: <dx, x> = <dy, y> for any dy, and each
// element of dx by a difference, which has no error but rounding.
TEST(ResampleTest, Gradients) {
  const Tensor x = Numbers(kFloat, {2, 3, 4, 2});
  for (const BuildFn& f :
       {Resize("ResizeBicubic", Size(5, 7)),
        Resize("ResizeBicubic", Size(2, 2)),
        Resize("ResizeBicubic", Size(5, 3), "half_pixel_centers"),
        Scaled("lanczos3"), Scaled("triangle", false)}) {
    const Tensor y = EvaluateOne({x}, f);
    const Tensor dy = Numbers(kFloat, y.shape(), -1, 1, 2);
    const Tensor dx = EvaluateOne({x, dy}, [&](const Scope& s, const auto& in) {
      std::vector<Output> dx;
      EXPECT_TRUE(AddGradients(s, f(s, {in[0]}), {in[0]}, &dx, {in[1]}).ok());
      return dx;
    });
    const auto dot = [](const Tensor& a, const Tensor& b) {
      double sum = 0;
      for (size_t i = 0; i < Values(a).size(); ++i) {
        sum += Values(a)[i] * Values(b)[i];
      }
      return sum;
    };
    EXPECT_NEAR(dot(dx, x), dot(dy, y), 1e-4);
    for (const size_t i : {0u, 13u, 47u}) {
      Tensor moved = x.Clone();
      moved.flat<float>()[i] += 1;
      EXPECT_NEAR(dot(dy, EvaluateOne({moved}, f)) - dot(dy, y), Values(dx)[i],
                  1e-4);
    }
  }
}

TEST(ResampleTest, NothingAndBadUse) {
  ExpectValues(EvaluateOne({Tensor(kFloat, Shape{0, 2, 2, 1})},
                           Resize("ResizeBicubic", Size(3, 3))),
               {0, 3, 3, 1}, {});
  const auto error = [](const BuildFn& f) {
    return RunGraph({kTwelve}, f).status().message();
  };
  EXPECT_THAT(error(Resize("ResizeArea", Size(0, 3))),
              HasSubstr("output dimensions must be positive"));
  EXPECT_THAT(error(Scaled("sinc")), HasSubstr("Unrecognized kernel type"));
  EXPECT_THAT(error(Scaled("box", true, Tensor::Of<float>({2}, {1, 0}))),
              HasSubstr("scale must be positive"));
  EXPECT_THAT(error(Scaled("box", true, Tensor::Of<float>({1}, {1}))),
              HasSubstr("2 elements"));
}

}  // namespace
}  // namespace lockstep::testing
