// SPDX-License-Identifier: Apache-2.0
// A weight's gradient and its update as one step.
#include <gtest/gtest.h>

#include "ops/array/array.h"
#include "ops/linalg/linalg.h"
#include "ops/math/math.h"
#include "ops/nn/nn.h"
#include "ops/random/random.h"
#include "ops/reduce/reduce.h"
#include "ops/state/state.h"
#include "ops/training/optimizer.h"
#include "runtime/exec/session.h"
#include "runtime/graph/builder.h"

namespace lockstep {
namespace {

constexpr int64_t kBatch = 24, kIn = 301, kOut = 130;

enum class Kind { kAdam, kMomentum, kGradientDescent };

// One layer y = x w (or x w'), its squares' mean made smaller.
struct Model {
  explicit Model(Kind kind, bool transposed = false, bool see_gradient = false)
      : root(Scope(&graph).WithDevice("/cpu:0")) {
    x = ops::Placeholder(root.WithName("x"), kFloat, {-1, kIn});
    const std::vector<int32_t> shape = transposed
                                           ? std::vector<int32_t>{kOut, kIn}
                                           : std::vector<int32_t>{kIn, kOut};
    w = ops::InitializedVariable(
        root.WithName("w"),
        ops::Sub(
            root,
            ops::RandomUniform(root.WithSeed(3), Tensor::Vector(shape), kFloat),
            0.5f));
    const Output y =
        ops::Tanh(root, ops::MatMul(root, x, w, false, transposed));
    loss = ops::Mean(root, ops::Square(root, ops::Sub(root, y, 0.25f)), {0, 1});
    auto optimizer = Make(kind);
    const auto gradients = optimizer->ComputeGradients(root, loss, {w});
    train = optimizer->ApplyGradients(root, gradients);
    if (see_gradient) gradient = gradients[0].gradient;
    init = ops::VariablesInitializer(root.WithName("init"));
  }

  static std::unique_ptr<ops::Optimizer> Make(Kind kind) {
    switch (kind) {
      case Kind::kAdam: return std::make_unique<ops::AdamOptimizer>(0.01f);
      case Kind::kMomentum:
        return std::make_unique<ops::MomentumOptimizer>(0.1f, 0.9f);
      case Kind::kGradientDescent: break;
    }
    return std::make_unique<ops::GradientDescentOptimizer>(0.1f);
  }

  Graph graph;
  Scope root;
  Output x, w, loss, gradient;
  Node* train = nullptr;
  Node* init = nullptr;
};

using BatchFunction = Tensor (*)(int step);

Tensor Batch(int step, int64_t samples) {
  Tensor x(kFloat, Shape{samples, kIn});
  uint32_t seed = 17 + static_cast<uint32_t>(step);
  for (float& v : x.flat<float>()) {
    seed = seed * 1664525u + 1013904223u;
    v = static_cast<float>(seed >> 8) / (1 << 24) - 0.5f;
  }
  return x;
}
Tensor Batch(int step) { return Batch(step, kBatch); }

// More samples, most of whose elements are 0, or nearly so.
template <bool kNearly>
Tensor SparseBatch(int step) {
  Tensor x = Batch(step, 64);
  for (float& v : x.flat<float>()) {
    if (v < 0.3f) v = kNearly ? 1e-30f : 0;
  }
  return x;
}

// The weights after some steps, with all losses behind them.
Result<std::vector<float>> Train(Model& model, int threads, bool optimize,
                                 std::vector<std::string>* steps = nullptr,
                                 BatchFunction batch = Batch) {
  LS_RETURN_IF_ERROR(model.graph.status());
  SessionOptions options;
  options.intra_op_threads = threads;
  options.optimize = optimize;
  LS_ASSIGN_OR_RETURN(auto session, Session::Create(model.graph, options));
  LS_RETURN_IF_ERROR(session->RunTargets({"init"}));
  std::vector<std::string> fetches = {model.loss.name()};
  if (model.gradient.defined()) fetches.push_back(model.gradient.name());
  std::vector<float> losses;
  for (int step = 0; step < 5; ++step) {
    LS_ASSIGN_OR_RETURN(const auto out,
                        session->Run({{model.x.name(), batch(step)}}, fetches,
                                     {model.train->name()}));
    losses.push_back(out[0].scalar<float>());
  }
  if (steps != nullptr) {
    LS_ASSIGN_OR_RETURN(const PlanInfo info,
                        session->Explain({{model.x.name(), batch(0)}}, fetches,
                                         {model.train->name()}));
    *steps = info.steps;
  }
  LS_ASSIGN_OR_RETURN(const Tensor w, session->RunOne({}, "w:0"));
  std::vector<float> all(w.flat<float>().begin(), w.flat<float>().end());
  all.insert(all.end(), losses.begin(), losses.end());
  return all;
}

bool Has(const std::vector<std::string>& steps, const std::string& op) {
  for (const std::string& s : steps) {
    if (s.find(op) != std::string::npos) return true;
  }
  return false;
}

TEST(MatMulUpdateTest, TrainsAsProductAndUpdateDo) {
  for (const Kind kind :
       {Kind::kAdam, Kind::kMomentum, Kind::kGradientDescent}) {
    for (const bool transposed : {false, true}) {
      SCOPED_TRACE(static_cast<int>(kind) * 2 + transposed);
      Model model(kind, transposed);
      std::vector<std::string> steps;
      const auto fused = Train(model, 1, true, &steps);
      ASSERT_TRUE(fused.ok()) << fused.status().ToString();
      EXPECT_TRUE(Has(steps, "_MatMulUpdate"));
      const auto plain = Train(model, 1, false);
      ASSERT_TRUE(plain.ok()) << plain.status().ToString();
      ASSERT_EQ(fused->size(), plain->size());
      for (size_t i = 0; i < fused->size(); ++i) {
        ASSERT_NEAR((*fused)[i], (*plain)[i], 1e-4) << i;
      }
    }
  }
}

TEST(MatMulUpdateTest, DoesNotKnowTheNumberOfThreads) {
  Model model(Kind::kAdam);
  const auto one = Train(model, 1, true);
  ASSERT_TRUE(one.ok()) << one.status().ToString();
  for (const int threads : {2, 3, 5}) {
    const auto more = Train(model, threads, true);
    ASSERT_TRUE(more.ok()) << more.status().ToString();
    EXPECT_EQ(*one, *more) << threads << " threads";
  }
}

// The batch is the gradient's left factor, or with transposed weights its right
// one.
void ExpectZerosLeftOut(bool transposed) {
  Model model(Kind::kGradientDescent, transposed);
  std::vector<std::string> steps;
  const auto one = Train(model, 1, true, &steps, SparseBatch<false>);
  ASSERT_TRUE(one.ok()) << one.status().ToString();
  EXPECT_TRUE(Has(steps, "_MatMulUpdate"));
  for (const int threads : {2, 3, 5}) {
    const auto more = Train(model, threads, true, nullptr, SparseBatch<false>);
    ASSERT_TRUE(more.ok()) << more.status().ToString();
    EXPECT_EQ(*one, *more) << threads << " threads";
  }
  // The same numbers by products that do not look for zeros: other sums, where
  // oneDNN's order is another.
  const auto dense = Train(model, 1, true, nullptr, SparseBatch<true>);
  ASSERT_TRUE(dense.ok()) << dense.status().ToString();
  if (!transposed) {
    EXPECT_NE(*one, *dense);
  }
  for (size_t i = 0; i < one->size(); ++i) {
    ASSERT_NEAR((*one)[i], (*dense)[i], 1e-4) << i;
  }
}

TEST(MatMulUpdateTest, ZerosAreLeftOut) {
  for (const bool transposed : {false, true}) ExpectZerosLeftOut(transposed);
}

TEST(MatMulUpdateTest, AGradientThatIsSeenIsMade) {
  Model model(Kind::kAdam, false, /*see_gradient=*/true);
  std::vector<std::string> steps;
  const auto trained = Train(model, 2, true, &steps);
  ASSERT_TRUE(trained.ok()) << trained.status().ToString();
  EXPECT_FALSE(Has(steps, "_MatMulUpdate"));
}

// What is made under control dependencies on the update sees the new value.
TEST(MatMulUpdateTest, WhatWaitsForTheUpdateComesAfterIt) {
  Model model(Kind::kGradientDescent);
  const Output after =
      ops::Identity(model.root.WithName("after").WithControlDependencies(
                        std::vector<Node*>{model.train}),
                    model.w);
  ASSERT_TRUE(model.graph.status().ok()) << model.graph.status().ToString();
  auto session = Session::Create(model.graph, {});
  ASSERT_TRUE(session.ok()) << session.status().ToString();
  ASSERT_TRUE((*session)->RunTargets({"init"}).ok());
  const auto seen =
      (*session)->RunOne({{model.x.name(), Batch(0)}}, after.name());
  ASSERT_TRUE(seen.ok()) << seen.status().ToString();
  const auto now = (*session)->RunOne({}, "w:0");
  ASSERT_TRUE(now.ok()) << now.status().ToString();
  for (size_t i = 0; i < static_cast<size_t>(kIn * kOut); ++i) {
    ASSERT_EQ(seen->flat<float>()[i], now->flat<float>()[i]);
  }
}

}  // namespace
}  // namespace lockstep
