// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "ops/math/math.h"
#include "ops/nn/nn.h"
#include "runtime/graph/gradients.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;
using Outputs = std::vector<Output>;

// 2 sin(1.3 i) as [1,1,2,6]; what is wanted of it is TensorFlow's.
Tensor Waves() {
  Tensor x(kFloat, Shape{1, 1, 2, 6});
  for (size_t i = 0; i < 12; ++i) {
    x.flat<float>()[i] = 2 * std::sin(1.3f * static_cast<float>(i));
  }
  return x;
}

// LRN and the gradient of sum(cos(x) y), cos(x) being constant.
BuildFn Lrn(int64_t radius) {
  return [=](const Scope& s, const Outputs& in) {
    const Output y = ops::LRN(s, in[0], radius, 1.5f, 0.4f, 0.75f);
    Outputs d;
    const Status status =
        AddGradients(s, {y}, {in[0]}, &d, {ops::Cos(s, in[0])});
    EXPECT_TRUE(status.ok()) << status.ToString();
    return Outputs{y, d[0]};
  };
}

TEST(LrnTest, ValuesAndGradients) {
  const auto near = Evaluate({Waves()}, Lrn(1));
  ExpectValues(near[0], {1, 1, 2, 6},
               {0, 0.767848372, 0.353468448, -0.4927302, -0.678941667,
                0.197559163, 0.823488414, 0.2117064, -0.622074068, -0.559060812,
                0.282928318, 0.798723638});
  ExpectValues(near[1], {1, 1, 2, 6},
               {0.440287143, -0.0985882431, 0.212864459, 0.115908228,
                0.00595553219, 0.391375721, -0.0920652673, 0.286024421,
                0.0143164853, 0.0643888116, 0.253065825, -0.100009665});
  // All channels.
  const auto wide = Evaluate({Waves()}, Lrn(5));
  ExpectValues(wide[0], {1, 1, 2, 6},
               {0, 0.537287951, 0.2874479, -0.383504003, -0.49262166,
                0.119952679, 0.45798105, 0.146354437, -0.379681826,
                -0.349483192, 0.192709267, 0.452582181});
  ExpectValues(wide[1], {1, 1, 2, 6},
               {0.278804123, -0.116401941, 0.13305001, 0.0677621365,
                -0.036771778, 0.249120757, -0.0771951228, 0.189820617,
                -0.0340518579, -0.00271801278, 0.160426781, -0.0724614188});
}

TEST(LrnTest, SixteenBitsEmptyAndWrongRank) {
  const auto half = Evaluate({ToDType(Waves(), kHalf)}, Lrn(1));
  EXPECT_NEAR(Values(half[0])[1], 0.7678, 1e-3);
  EXPECT_EQ(Evaluate({Tensor(kFloat, Shape{0, 1, 1, 3})}, Lrn(1))[0].shape(),
            Shape({0, 1, 1, 3}));
  const auto wrong = RunGraph({Tensor(kFloat, Shape{2, 3})},
                              [](const Scope& s, const Outputs& in) {
                                return Outputs{ops::LRN(s, in[0])};
                              });
  EXPECT_EQ(wrong.code(), Code::kInvalidArgument);
  EXPECT_THAT(wrong.status().message(), HasSubstr("must be 4-dimensional"));
}

}  // namespace
}  // namespace lockstep::testing
