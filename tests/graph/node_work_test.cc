// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/node_work.h"

#include <gtest/gtest.h>

#include "ops/ops.h"

namespace lockstep {
namespace {

class NodeWorkTest : public ::testing::Test {
 protected:
  Output Fed(const Shape& shape) {
    return ops::Placeholder(root_, kFloat, shape);
  }
  Graph graph_;
  Scope root_{&graph_};
};

TEST_F(NodeWorkTest, AProductCountsTheSameHoweverItIsTransposed) {
  const Output a = Fed({3, 5}), at = Fed({5, 3}), b = Fed({5, 7});
  const NodeWork plain = WorkOf(*ops::MatMul(root_, a, b).node);
  EXPECT_DOUBLE_EQ(plain.flops, 2.0 * 3 * 5 * 7);
  EXPECT_DOUBLE_EQ(plain.bytes, 4.0 * (3 * 5 + 5 * 7 + 3 * 7));
  const Output transposed = ops::MatMul(root_, at, b, /*transpose_a=*/true);
  EXPECT_DOUBLE_EQ(WorkOf(*transposed.node).flops, plain.flops);
  const Output many = ops::BatchMatMul(root_, Fed({4, 3, 5}), Fed({4, 5, 7}));
  EXPECT_DOUBLE_EQ(WorkOf(*many.node).flops, 4 * plain.flops);
  ASSERT_TRUE(root_.ok()) << root_.status().ToString();
}

TEST_F(NodeWorkTest, AConvolutionAndItsGradientsCountTheSame) {
  const Output x = Fed({2, 8, 8, 3}), filter = Fed({3, 3, 3, 16});
  const Output y = ops::Conv2D(root_, x, filter, {1, 1, 1, 1}, "SAME");
  const double flops = 2.0 * (2 * 8 * 8 * 16) * (3 * 3 * 3);
  EXPECT_DOUBLE_EQ(WorkOf(*y.node).flops, flops);
  const Output dx =
      ops::Conv2DBackpropInput(root_, Tensor::Vector<int32_t>({2, 8, 8, 3}),
                               filter, y, {1, 1, 1, 1}, "SAME");
  const Output dw = ops::Conv2DBackpropFilter(
      root_, x, Tensor::Vector<int32_t>({3, 3, 3, 16}), y, {1, 1, 1, 1},
      "SAME");
  EXPECT_DOUBLE_EQ(WorkOf(*dx.node).flops, flops);
  EXPECT_DOUBLE_EQ(WorkOf(*dw.node).flops, flops);
  ASSERT_TRUE(root_.ok()) << root_.status().ToString();
}

TEST_F(NodeWorkTest, AnOperandThatIsReadTwiceCountsOnce) {
  const Output x = Fed({100});
  EXPECT_DOUBLE_EQ(WorkOf(*ops::Mul(root_, x, x).node).bytes, 800);
  EXPECT_DOUBLE_EQ(WorkOf(*ops::Mul(root_, x, Fed({100})).node).bytes, 1200);
  EXPECT_DOUBLE_EQ(WorkOf(*ops::Relu(root_, x).node).flops, 100);
}

TEST_F(NodeWorkTest, AnUpdateReadsAndWritesTheVariableAndItsSlots) {
  const Output w = ops::InitializedVariable(root_, Tensor(kFloat, Shape{50}));
  ops::AdamOptimizer adam(0.001f);
  adam.Minimize(root_, ops::Sum(root_, ops::Square(root_, w), {0}), {w});
  ASSERT_TRUE(root_.ok()) << root_.status().ToString();
  for (const Node* n : graph_.nodes()) {
    if (n->op() != "ApplyAdam") continue;
    // The gradient is read; variable, m and v are read and written.
    EXPECT_DOUBLE_EQ(WorkOf(*n).bytes, 4.0 * 50 * 7);
    return;
  }
  FAIL() << "no update";
}

TEST_F(NodeWorkTest, SizesThatAreNotKnownCountAsAsked) {
  const Output x = Fed({-1, 10});
  EXPECT_DOUBLE_EQ(WorkOf(*ops::Relu(root_, x).node, 64).bytes,
                   2 * 64 * 10 * 4.0);
}

}  // namespace
}  // namespace lockstep
