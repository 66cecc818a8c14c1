// SPDX-License-Identifier: Apache-2.0
// Runs take denormals for zero (runtime/core/denormals.h). What TensorFlow 2.21
// gives for these graphs is zeros, too, and the denormals of `Identity`.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "ops/ops.h"
#include "runtime/exec/session.h"

namespace lockstep {
namespace {

constexpr float kDenormal = 1e-40f;

Tensor Filled(int64_t count, float value) {
  Tensor t(kFloat, Shape{count});
  std::ranges::fill(t.flat<float>(), value);
  return t;
}

int64_t NotZero(const Tensor& t) {
  return std::ranges::count_if(t.flat<float>(), [](float x) {
    return x != 0;  // denormals are not
  });
}

TEST(DenormalsTest, ARunFlushesThemOnAllThreads) {
  Graph graph;
  const Scope root(&graph);
  const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{-1});
  ops::Mul(root.WithName("small"), x, 1e-10f);
  ops::Add(root.WithName("more"), x, 0.0f);
  ops::Exp(root.WithName("exp"), x);
  ops::Identity(root.WithName("same"), x);
  const Output row = ops::Reshape(root, x, Tensor::Vector<int32_t>({1, -1}));
  ops::MatMul(root.WithName("product"), ops::Mul(root, row, 1e-10f), row,
              /*transpose_a=*/true);
  for (const int threads : {1, 2, 4}) {
    SessionOptions options;
    options.intra_op_threads = threads;
    auto session = *Session::Create(graph, options);
    for (const int64_t count : {5, 300'000}) {
      const auto run = [&](const char* fetch, float value) {
        auto y = session->RunOne({{"x:0", Filled(count, value)}}, fetch);
        EXPECT_TRUE(y.ok()) << y.status().ToString();
        return y.ok() ? NotZero(*y) : -1;
      };
      EXPECT_EQ(run("small:0", 1e-30f), 0);
      EXPECT_EQ(run("more:0", kDenormal), 0);
      EXPECT_EQ(run("exp:0", -100), 0);
      EXPECT_EQ(run("same:0", kDenormal), count);
    }
    auto product = session->RunOne({{"x:0", Filled(600, 1e-15f)}}, "product:0");
    ASSERT_TRUE(product.ok()) << product.status().ToString();
    EXPECT_EQ(NotZero(*product), 0);
  }
}

TEST(DenormalsTest, TheCallersModeIsItsOwn) {
  Graph graph;
  const Scope root(&graph);
  const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{-1});
  ops::Mul(root.WithName("y"), x, 2.0f);
  auto session = *Session::Create(graph, {});
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(session->RunOne({{"x:0", Filled(300'000, 1)}}, "y:0").ok());
    volatile float small = std::numeric_limits<float>::min();
    EXPECT_NE(small * 0.5f, 0);
  }
}

// Folded when the plan is made as when it runs.
TEST(DenormalsTest, ConstantsFoldToZero) {
  Graph graph;
  const Scope root(&graph);
  ops::Mul(root.WithName("y"), Output(ops::Const(root, 1e-30f)), 1e-10f);
  for (const bool optimize : {true, false}) {
    SessionOptions options;
    options.optimize = optimize;
    auto session = *Session::Create(graph, options);
    EXPECT_EQ(NotZero(*session->RunOne({}, "y:0")), 0);
  }
}

}  // namespace
}  // namespace lockstep
