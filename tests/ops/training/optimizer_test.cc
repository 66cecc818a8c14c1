// SPDX-License-Identifier: Apache-2.0
#include "ops/training/optimizer.h"

#include <cmath>

#include "ops/array/array.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "ops/state/state.h"
#include "ops/training/training.h"
#include "tests/testing/graph_run.h"

namespace lockstep::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// loss = sum(g * w): the gradient of w is what is fed as g.
struct Model {
  Graph graph;
  Scope scope{&graph};
  Output g, w, loss;
  Node* train = nullptr;
  Node* init = nullptr;
  std::unique_ptr<Session> session;

  explicit Model(DType dtype = kFloat) {
    g = ops::Placeholder(scope.WithName("g"), dtype, Shape{3});
    w = ops::InitializedVariable(
        scope.WithName("w"),
        ToDType(Tensor::Of<double>({3}, {1, 2, 3}), dtype));
    loss = ops::Sum(scope, ops::Mul(scope, g, w), {0});
  }
  Status Start(ops::Optimizer& optimizer, Output step = {}) {
    train = optimizer.Minimize(scope, loss, {w}, step);
    init = ops::VariablesInitializer(scope.WithName("init"));
    LS_RETURN_IF_ERROR(scope.status());
    LS_ASSIGN_OR_RETURN(session, Session::Create(graph));
    return session->RunTargets({"init"});
  }
  // Values of w after a step for each gradient.
  std::vector<double> Train(const std::vector<std::vector<double>>& gradients) {
    for (const auto& gradient : gradients) {
      Tensor t(kDouble, Shape{3});
      std::ranges::copy(gradient, t.flat<double>().begin());
      const Status s = session->RunTargets(
          {train->name()}, {{"g:0", ToDType(t, BaseOf(g.dtype()))}});
      EXPECT_TRUE(s.ok()) << s.ToString();
    }
    return Value("w");
  }
  std::vector<double> Value(const std::string& name) {
    auto v = session->RunOne({}, name + ":0");
    EXPECT_TRUE(v.ok()) << v.status().ToString();
    return v.ok() ? Values(*v) : std::vector<double>{};
  }
};

const std::vector<std::vector<double>> kGradients = {
    {0.5, -1, 0}, {0.25, 2, 0}, {-1, 0.125, 4}};

// The textbook recurrences, in double.
std::vector<double> AdamByHand(double lr, double b1, double b2, double eps) {
  std::vector<double> w = {1, 2, 3}, m(3), v(3);
  double p1 = 1, p2 = 1;
  for (const auto& g : kGradients) {
    p1 *= b1;
    p2 *= b2;
    for (size_t i = 0; i < 3; ++i) {
      m[i] = b1 * m[i] + (1 - b1) * g[i];
      v[i] = b2 * v[i] + (1 - b2) * g[i] * g[i];
      w[i] -=
          lr * std::sqrt(1 - p2) / (1 - p1) * m[i] / (std::sqrt(v[i]) + eps);
    }
  }
  return w;
}
std::vector<double> MomentumByHand(double lr, double momentum, bool nesterov) {
  std::vector<double> w = {1, 2, 3}, a(3);
  for (const auto& g : kGradients) {
    for (size_t i = 0; i < 3; ++i) {
      a[i] = momentum * a[i] + g[i];
      w[i] -= nesterov ? lr * (g[i] + momentum * a[i]) : lr * a[i];
    }
  }
  return w;
}

void ExpectNear(const std::vector<double>& got, const std::vector<double>& want,
                double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i], want[i], tolerance) << i;
  }
}

TEST(OptimizerTest, GradientDescent) {
  for (const auto& [dtype, tolerance] :
       {std::pair<DType, double>{kDouble, 1e-12},
        {kFloat, 1e-6},
        {kBfloat16, 0.05}}) {
    Model m(dtype);
    // A rate of 1/8 is exact in all three.
    ops::GradientDescentOptimizer sgd(0.125f);
    ASSERT_TRUE(m.Start(sgd).ok()) << m.scope.status().ToString();
    ExpectNear(m.Train(kGradients), {1 + 0.125 * 0.25, 2 - 0.125 * 1.125, 2.5},
               tolerance);
  }
}

TEST(OptimizerTest, MomentumAndNesterov) {
  for (const bool nesterov : {false, true}) {
    Model m;
    ops::MomentumOptimizer momentum(0.1f, 0.9f, nesterov);
    ASSERT_TRUE(m.Start(momentum).ok());
    ExpectNear(m.Train(kGradients), MomentumByHand(0.1, 0.9, nesterov), 1e-6);
    // 0.9 (0.9 * 0.5 + 0.25) - 1 and so on.
    ExpectNear(m.Value("w/Momentum"), {-0.37, 1.115, 4}, 1e-6);
  }
}

TEST(OptimizerTest, Adam) {
  for (const auto& [dtype, tolerance] :
       {std::pair<DType, double>{kDouble, 1e-6}, {kFloat, 1e-6}}) {
    Model m(dtype);
    ops::AdamOptimizer adam(0.1f, 0.9f, 0.999f, 1e-8f);
    ASSERT_TRUE(m.Start(adam).ok());
    ExpectNear(m.Train(kGradients), AdamByHand(0.1, 0.9, 0.999, 1e-8),
               tolerance);
    ExpectNear(m.Value("beta1_power"), {std::pow(0.9, 4)}, 1e-6);
    ExpectNear(m.Value("beta2_power"), {std::pow(0.999, 4)}, 1e-6);
  }
}

TEST(OptimizerTest, FirstAdamStepIsTheRateWhateverTheGradient) {
  Model m;
  ops::AdamOptimizer adam(0.01f);
  ASSERT_TRUE(m.Start(adam).ok());
  ExpectNear(m.Train({{1e-3, -1e3, 0}}), {0.99, 2.01, 3}, 1e-5);
}

TEST(OptimizerTest, NamesAreTensorFlows) {
  Model m;
  ops::AdamOptimizer adam;
  ops::MomentumOptimizer momentum(0.1f, 0.9f);
  ASSERT_TRUE(m.Start(adam).ok());
  momentum.Minimize(m.scope, m.loss, {m.w});
  ASSERT_TRUE(m.scope.ok());
  std::vector<std::string> names;
  for (const Output& v : adam.variables()) names.push_back(v.node->name());
  EXPECT_THAT(names,
              ElementsAre("beta1_power", "beta2_power", "w/Adam", "w/Adam_1"));
  EXPECT_EQ(adam.Slot(m.w, "v").node->name(), "w/Adam_1");
  EXPECT_EQ(momentum.Slot(m.w, "momentum").node->name(), "w/Momentum");
  EXPECT_FALSE(momentum.Slot(m.w, "v").defined());
  for (const char* name :
       {"Adam", "Adam/update_w/ApplyAdam", "Adam/learning_rate", "Adam/mul",
        "Adam/Assign", "Adam/mul_1", "Adam/Assign_1", "Momentum",
        "Momentum/update_w/ApplyMomentum", "gradients/Mul_grad/Mul_1"}) {
    EXPECT_NE(m.graph.Find(name), nullptr) << name;
  }
}

TEST(OptimizerTest, GlobalStepCountsAfterTheUpdates) {
  Model m;
  const Output step =
      ops::InitializedVariable(m.scope.WithName("global_step"), int64_t{0});
  ops::GradientDescentOptimizer sgd(0.5f);
  ASSERT_TRUE(m.Start(sgd, step).ok()) << m.scope.status().ToString();
  EXPECT_EQ(m.train->op(), "AssignAdd");
  EXPECT_EQ(m.train->name(), "GradientDescent");
  ExpectNear(m.Train(kGradients), {1 + 0.5 * 0.25, 2 - 0.5 * 1.125, 1}, 1e-6);
  ExpectNear(m.Value("global_step"), {3}, 0);
}

TEST(OptimizerTest, LearningRateMayBeFed) {
  Model m;
  const Output lr = ops::Placeholder(m.scope.WithName("lr"), kFloat, Shape{});
  ops::AdamOptimizer adam(lr);
  ASSERT_TRUE(m.Start(adam).ok());
  const Tensor g = Tensor::Of<float>({3}, {1, 1, 1});
  ASSERT_TRUE(
      m.session
          ->RunTargets({m.train->name()}, {{"g:0", g}, {"lr:0", Tensor(0.25f)}})
          .ok());
  ExpectNear(m.Value("w"), {0.75, 1.75, 2.75}, 1e-5);
}

TEST(OptimizerTest, GradientsMayBeChangedInBetween) {
  Model m;
  ops::GradientDescentOptimizer sgd(1.0f);
  auto pairs = sgd.ComputeGradients(m.scope, m.loss, {m.w});
  for (auto& p : pairs) {
    p.gradient = ops::Maximum(m.scope, p.gradient, -0.5f);
  }
  m.train = sgd.ApplyGradients(m.scope, pairs);
  m.init = ops::VariablesInitializer(m.scope.WithName("init"));
  m.session = Session::Create(m.graph).value();
  ASSERT_TRUE(m.session->RunTargets({"init"}).ok());
  ExpectNear(m.Train({{-2, 1, -0.25}}), {1.5, 1, 3.25}, 1e-6);
}

TEST(OptimizerTest, VariablesWithoutGradientAreLeftAlone) {
  Model m;
  const Output other =
      ops::InitializedVariable(m.scope.WithName("other"), {1.0f, 2.0f});
  ops::AdamOptimizer adam(0.1f);
  const auto pairs = adam.ComputeGradients(m.scope, m.loss, {other, m.w});
  EXPECT_FALSE(pairs[0].gradient.defined());
  EXPECT_NE(adam.ApplyGradients(m.scope, pairs), nullptr);
  EXPECT_FALSE(adam.Slot(other, "m").defined());

  Model none;
  const Output unused =
      ops::InitializedVariable(none.scope.WithName("unused"), 1.0f);
  EXPECT_EQ(adam.Minimize(none.scope, none.loss, {unused}), nullptr);
  EXPECT_THAT(none.scope.status().message(), HasSubstr("no gradients"));
}

TEST(ApplyTest, ShapesThatDisagreeAreTold) {
  Graph graph;
  const Scope s(&graph);
  const Output w = ops::Variable(s, kFloat, Shape{2, 3});
  ops::ApplyGradientDescent(s, w, 0.1f, ops::Const(s, Numbers(kFloat, {3, 2})));
  EXPECT_EQ(s.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(s.status().message(),
              HasSubstr("do not have the same shape: [2,3] and [3,2]"));
  Graph other;
  const Scope t(&other);
  const Output v = ops::Variable(t, kFloat, Shape{2});
  ops::ApplyGradientDescent(t, v, {0.1f, 0.2f},
                            ops::Const(t, Numbers(kFloat, {2})));
  EXPECT_THAT(t.status().message(), HasSubstr("alpha is not a scalar"));
}

TEST(ApplyTest, UpdatingAnUninitialisedVariableIsRefused) {
  Model m;
  ops::AdamOptimizer adam(0.1f);
  m.train = adam.Minimize(m.scope, m.loss, {m.w});
  auto session = Session::Create(m.graph).value();
  const Status s = session->RunTargets(
      {m.train->name()}, {{"g:0", Tensor::Of<float>({3}, {1, 1, 1})}});
  EXPECT_EQ(s.code(), Code::kFailedPrecondition);
}

TEST(ApplyTest, MomentsTooSmallToBeNormalBecomeZero) {
  Graph graph;
  const Scope s(&graph);
  const Output w = ops::InitializedVariable(s.WithName("w"), {1.0f, 2.0f});
  const Output accum =
      ops::InitializedVariable(s.WithName("accum"), {1e-39f, 1e-30f});
  ops::VariablesInitializer(s.WithName("init"));
  const Output zeros = Input({0.0f, 0.0f}).Resolve(s);
  ops::ApplyMomentum(s.WithName("apply"), w, accum, 0.1f, zeros, 0.5f);
  ASSERT_TRUE(s.ok()) << s.status().ToString();
  auto session = Session::Create(graph).value();
  ASSERT_TRUE(session->RunTargets({"init"}).ok());
  ASSERT_TRUE(session->RunTargets({"apply"}).ok());
  const Tensor after = session->RunOne({}, "accum:0").value();
#if defined(__SSE2__)
  EXPECT_EQ(after.flat<float>()[0], 0.0f);
#endif
  EXPECT_EQ(after.flat<float>()[1], 0.5f * 1e-30f);
}

// Long enough to be cut between threads; the same bits on one.
TEST(ApplyTest, AdamOfALargeVariableAgreesOnAnyNumberOfThreads) {
  const int64_t n = 50001;
  const Tensor start = Numbers(kFloat, {n}, -1, 1, 1);
  const Tensor grad = Numbers(kFloat, {n}, -1, 1, 2);
  std::vector<Tensor> results;
  for (const int threads : {1, 2, 3}) {
    Graph graph;
    const Scope s(&graph);
    const Output g = ops::Placeholder(s.WithName("g"), kFloat, Shape{n});
    const Output w = ops::InitializedVariable(s.WithName("w"), start);
    ops::AdamOptimizer adam(0.1f);
    Node* train = adam.Minimize(s, ops::Sum(s, ops::Mul(s, w, g), {0}), {w});
    ops::VariablesInitializer(s.WithName("init"));
    ASSERT_TRUE(s.ok()) << s.status().ToString();
    SessionOptions options;
    options.intra_op_threads = threads;
    auto session = Session::Create(graph, options).value();
    ASSERT_TRUE(session->RunTargets({"init"}).ok());
    ASSERT_TRUE(session->RunTargets({train->name()}, {{"g:0", grad}}).ok());
    results.push_back(session->RunOne({}, "w:0").value());
  }
  EXPECT_TRUE(BitwiseEqual(results[0], results[1]));
  EXPECT_TRUE(BitwiseEqual(results[0], results[2]));
  const auto got = Values(results[0]), from = Values(start), g = Values(grad);
  for (size_t i = 0; i < got.size(); ++i) {
    const double alpha = 0.1 * std::sqrt(0.001) / 0.1;
    const double by =
        alpha * 0.1 * g[i] / (std::sqrt(0.001) * std::abs(g[i]) + 1e-8);
    EXPECT_NEAR(got[i], from[i] - by, 1e-5) << i;
  }
}

}  // namespace
}  // namespace lockstep::testing
