// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "ops/array/array.h"
#include "ops/conv/conv.h"
#include "ops/reduce/reduce.h"
#include "runtime/graph/gradients.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using Outputs = std::vector<Output>;

Tensor Images() {
  Tensor x(kFloat, Shape{2, 4, 4, 1});
  for (size_t i = 0; i < 32; ++i) {
    x.flat<float>()[i] =
        std::round(std::sin(2.1f * static_cast<float>(i)) * 10);
  }
  return x;
}

BuildFn Argmax(const std::string& padding, bool batch) {
  return [=](const Scope& s, const Outputs& in) {
    const auto y = ops::MaxPoolWithArgmax(s, in[0], {1, 3, 2, 1}, {1, 2, 2, 1},
                                          padding, batch);
    return Outputs{y.output, y.argmax};
  };
}

// Recorded from TensorFlow.
TEST(MaxPoolWithArgmaxTest, IndicesWithinImagesAndBatches) {
  const auto valid = Evaluate({Images()}, Argmax("VALID", false));
  ExpectValues(valid[0], {2, 1, 2, 1}, {9, 8, 8, 8});
  ExpectValues(valid[1], {2, 1, 2, 1}, {1, 7, 0, 3});
  EXPECT_EQ(valid[1].dtype(), kInt64);
  const auto same = Evaluate({Images()}, Argmax("SAME", true));
  ExpectValues(same[0], {2, 2, 2, 1}, {9, 8, 8, 8, 8, 8, 8, 8});
  ExpectValues(same[1], {2, 2, 2, 1}, {1, 7, 13, 10, 16, 19, 25, 31});
}

TEST(MaxPoolWithArgmaxTest, GradientsGoWhereTheIndexSays) {
  const Tensor x = Numbers(kDouble, {2, 5, 5, 3});
  for (const bool batch : {false, true}) {
    const BuildFn pool = [=](const Scope& s, const Outputs& in) {
      return Outputs{Argmax("SAME", batch)(s, in)[0]};
    };
    ExpectGradients({x}, pool);
    ExpectGradients({x}, [=](const Scope& s, const Outputs& in) {
      Outputs d;
      const Output loss = ops::L2Loss(s, pool(s, in)[0]);
      EXPECT_TRUE(AddGradients(s, {loss}, {in[0]}, &d).ok());
      return Outputs{ops::L2Loss(s, d[0])};
    });
  }
}

TEST(MaxPoolWithArgmaxTest, AnIndexOutsideIsRefused) {
  const auto r = RunGraph(
      {Images(), Tensor::Of<float>({2, 1, 2, 1}, {1, 2, 3, 4})},
      [](const Scope& s, const Outputs& in) {
        return Outputs{s.Op("MaxPoolGradWithArgmax")
                           .In(in[0])
                           .In(in[1])
                           .In(Tensor::Of<int64_t>({2, 1, 2, 1}, {0, 1, 2, 16}))
                           .Attr("ksize", std::vector<int64_t>{1, 3, 2, 1})
                           .Attr("strides", std::vector<int64_t>{1, 2, 2, 1})
                           .Attr("padding", "VALID")
                           .Out()};
      });
  EXPECT_EQ(r.code(), Code::kInvalidArgument);
  EXPECT_THAT(r.status().message(), HasSubstr("argmax[3] = 16"));
}

TEST(MaxPoolV2Test, IsMaxPoolWithAWindowFromTheGraph) {
  const Tensor x = Numbers(kDouble, {2, 5, 5, 3});
  const Tensor ksize = Tensor::Of<int32_t>({4}, {1, 2, 3, 1});
  const Tensor strides = Tensor::Of<int32_t>({4}, {1, 2, 1, 1});
  const Tensor want = EvaluateOne({x}, [](const Scope& s, const Outputs& in) {
    return Outputs{ops::MaxPool(s, in[0], {1, 2, 3, 1}, {1, 2, 1, 1}, "SAME")};
  });
  const BuildFn fed = [](const Scope& s, const Outputs& in) {
    return Outputs{ops::MaxPoolV2(s, in[0], in[1], in[2], "SAME")};
  };
  ExpectClose(EvaluateOne({x, ksize, strides}, fed), want, 0);
  const BuildFn constant = [=](const Scope& s, const Outputs& in) {
    return Outputs{ops::MaxPoolV2(s, in[0], ksize, strides, "SAME")};
  };
  ExpectGradients({x}, constant);
  ExpectGradients({x}, [=](const Scope& s, const Outputs& in) {
    Outputs d;
    const Output loss = ops::L2Loss(s, constant(s, in)[0]);
    EXPECT_TRUE(AddGradients(s, {loss}, {in[0]}, &d).ok());
    return Outputs{ops::L2Loss(s, d[0])};
  });
}

}  // namespace
}  // namespace lockstep::testing
