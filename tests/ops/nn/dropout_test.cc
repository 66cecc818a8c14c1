// SPDX-License-Identifier: Apache-2.0
#include "ops/nn/nn.h"
#include "tests/testing/graph_run.h"

namespace lockstep {
namespace {

constexpr int64_t kElements = 4096;

// The two dropouts of one graph, of ones.
std::vector<Tensor> TwoDropouts(int64_t graph_seed) {
  Tensor ones(kFloat, Shape{kElements});
  std::ranges::fill(ones.flat<float>(), 1.0f);
  return testing::Evaluate(
      {ones}, [&](const Scope& scope, const std::vector<Output>& in) {
        const Scope s = scope.WithSeed(graph_seed);
        return std::vector<Output>{ops::Dropout(s, in[0], 0.25f),
                                   ops::Dropout(s, in[0], 0.25f)};
      });
}

TEST(DropoutTest, DropsThatPartAndScalesTheRest) {
  const Tensor y = TwoDropouts(0)[0];
  int64_t dropped = 0;
  for (const float v : y.flat<float>()) {
    dropped += v == 0;
    EXPECT_TRUE(v == 0 || v == 1 / 0.75f) << v;
  }
  EXPECT_NEAR(static_cast<double>(dropped) / kElements, 0.25, 0.03);
}

TEST(DropoutTest, TwoOfOneGraphDropDifferentElements) {
  for (const int64_t seed : {0, 7}) {
    const auto y = TwoDropouts(seed);
    EXPECT_FALSE(BitwiseEqual(y[0], y[1])) << "graph seed " << seed;
  }
}

TEST(DropoutTest, ASeedFixesWhatIsDropped) {
  EXPECT_TRUE(BitwiseEqual(TwoDropouts(7)[0], TwoDropouts(7)[0]));
  EXPECT_FALSE(BitwiseEqual(TwoDropouts(7)[0], TwoDropouts(8)[0]));
}

}  // namespace
}  // namespace lockstep
