// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/passes/mixed_precision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ops/ops.h"
#include "runtime/exec/session.h"
#include "runtime/graph/gradients.h"
#include "runtime/op/precision.h"
#include "tests/testing/graph_run.h"

namespace lockstep {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Numbers;
using testing::Values;

SessionOptions Mixed(DType type = kBfloat16) {
  SessionOptions options;
  options.mixed_precision = type;
  return options;
}

class MixedPrecisionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HasBfloat16Products()) GTEST_SKIP() << "no bfloat16 here";
  }

  Output Fed(const char* name, const Shape& shape, uint64_t seed) {
    feeds.emplace_back(StrCat(name, ":0"), Numbers(kFloat, shape, -1, 1, seed));
    return ops::Placeholder(s.WithName(name), kFloat, shape);
  }
  std::vector<Tensor> Run(const std::vector<Output>& fetches, DType type) {
    std::vector<std::string> names;
    for (const Output& o : fetches) names.push_back(o.name());
    auto session = Session::Create(graph, Mixed(type));
    EXPECT_TRUE(session.ok()) << session.status().ToString();
    if (!session.ok()) return {};
    auto got = (*session)->Run(feeds, names);
    EXPECT_TRUE(got.ok()) << got.status().ToString();
    return got.ok() ? *got : std::vector<Tensor>();
  }
  Tensor RunOne(Output fetch, DType type = kBfloat16) {
    const std::vector<Tensor> got = Run({fetch}, type);
    return got.empty() ? Tensor() : got[0];
  }
  std::vector<std::string> Plan(const std::vector<std::string>& fetches,
                                DType type = kBfloat16) {
    auto session = Session::Create(graph, Mixed(type));
    EXPECT_TRUE(session.ok()) << session.status().ToString();
    auto info = (*session)->Explain(feeds, fetches);
    EXPECT_TRUE(info.ok()) << info.status().ToString();
    return info.ok() ? info->steps : std::vector<std::string>();
  }

  Graph graph;
  Scope s{&graph};
  std::vector<Session::Feed> feeds;
};

Tensor Rounded(const Tensor& t) {
  return testing::ToDType(testing::ToDType(t, kBfloat16), kFloat);
}

// Operands are rounded once, sums are float ones, and what is fetched of them
// has all its bits.
TEST_F(MixedPrecisionTest, AProductIsThatOfRoundedOperands) {
  for (const int64_t n : {3, 64, 200}) {
    SCOPED_TRACE(n);
    graph = Graph();
    feeds.clear();
    const Output a = Fed("a", {n, n + 5}, 1), b = Fed("b", {n + 5, n + 2}, 2);
    const Output product = ops::MatMul(s, a, b);
    const Tensor mixed = RunOne(product);
    ASSERT_EQ(mixed.dtype(), kFloat);
    for (Session::Feed& f : feeds) f.second = Rounded(f.second);
    testing::ExpectClose(mixed, RunOne(product, kFloat), 2e-5);
  }
}

// All that is multiplied, with gradients: within what eight bits give.
TEST_F(MixedPrecisionTest, ProductsAndTheirGradientsAreNearThoseOfFloats) {
  const Output a = Fed("a", {40, 72}, 1), b = Fed("b", {72, 56}, 2);
  const Output x = Fed("x", {3, 40, 30}, 3), y = Fed("y", {3, 30, 48}, 4);
  const Output image = Fed("image", {4, 14, 14, 16}, 5);
  const Output filter = Fed("filter", {3, 3, 16, 32}, 6);
  const Output deep = Fed("deep", {3, 3, 16, 2}, 7);
  const std::vector<std::pair<Output, std::vector<Output>>> products = {
      {ops::MatMul(s, a, b), {a, b}},
      {ops::BatchMatMul(s, x, y), {x, y}},
      {ops::Conv2D(s, image, filter, {1, 1, 1, 1}, "SAME"), {image, filter}},
      {ops::Conv2D(s, image, filter, {1, 2, 2, 1}, "VALID"), {image, filter}},
      {ops::DepthwiseConv2dNative(s, image, deep, {1, 1, 1, 1}, "SAME"),
       {image, deep}}};
  for (const auto& [product, factors] : products) {
    SCOPED_TRACE(product.name());
    std::vector<Output> outputs = {product};
    std::vector<Output> gradients;
    ASSERT_TRUE(
        AddGradients(s, {ops::Mul(s, product, product)}, factors, &gradients)
            .ok());
    outputs.insert(outputs.end(), gradients.begin(), gradients.end());
    const std::vector<Tensor> mixed = Run(outputs, kBfloat16);
    const std::vector<Tensor> whole = Run(outputs, kFloat);
    ASSERT_EQ(mixed.size(), whole.size());
    for (size_t i = 0; i < mixed.size(); ++i) {
      SCOPED_TRACE(i);
      ASSERT_EQ(mixed[i].dtype(), kFloat);
      const std::vector<double> m = Values(mixed[i]), w = Values(whole[i]);
      double error = 0, size = 0;
      for (size_t e = 0; e < w.size(); ++e) {
        error += (m[e] - w[e]) * (m[e] - w[e]);
        size += w[e] * w[e];
      }
      EXPECT_LT(std::sqrt(error / size), 0.01);
      EXPECT_GT(error, 0);  // it is not the float's
    }
  }
}

TEST_F(MixedPrecisionTest, WhatLiesBetweenProductsGoesWithThem) {
  const Output x = Fed("x", {32, 64}, 1);
  const Output w = Fed("w", {64, 64}, 2), bias = Fed("bias", {64}, 3);
  const Output hidden =
      ops::Relu(s.WithName("hidden"),
                ops::BiasAdd(s.WithName("sum"),
                             ops::MatMul(s.WithName("one"), x, w), bias));
  const Output two = ops::MatMul(s.WithName("two"), hidden, w);
  ops::Exp(s.WithName("exp"), two);
  const std::vector<std::string> steps = Plan({"exp:0"});
  EXPECT_THAT(steps, Contains(AllOf(HasSubstr("hidden/bfloat16"),
                                    HasSubstr("_FusedMatMul"),
                                    HasSubstr("bfloat16 [32,64]"))));
  // Read as float: written as float.
  EXPECT_THAT(steps, Contains(AllOf(HasSubstr("_FusedMatMul"),
                                    HasSubstr(" float [32,64]"))));
  EXPECT_THAT(steps, Contains(AllOf(HasSubstr("Exp"), HasSubstr(" float "))));
  // w is converted once, for both.
  EXPECT_EQ(
      std::ranges::count_if(steps,
                            [](const std::string& step) {
                              return step.find("_feed/w/bfloat16 = Cast") == 0;
                            }),
      1);
}

// Bias and ReLU join a convolution of bfloat16 too, and what is read as float
// is written so; of an empty batch there is nothing.
TEST_F(MixedPrecisionTest, ConvolutionsAreFusedAsThoseOfFloatsAre) {
  for (const int64_t batch : {2, 0}) {
    SCOPED_TRACE(batch);
    graph = Graph();
    feeds.clear();
    const Output x = Fed("x", {batch, 10, 10, 16}, 1);
    const Output f = Fed("f", {3, 3, 16, 32}, 2), bias = Fed("bias", {32}, 3);
    const Output g = Fed("g", {3, 3, 32, 16}, 4);
    const Output one = ops::Relu(
        s.WithName("one"),
        ops::BiasAdd(s, ops::Conv2D(s, x, f, {1, 1, 1, 1}, "SAME"), bias));
    const Output two = ops::Relu(
        s.WithName("two"),
        ops::BiasAdd(s, ops::Conv2D(s, x, f, {1, 2, 2, 1}, "SAME"), bias));
    const Output last =
        ops::Conv2D(s.WithName("last"), one, g, {1, 1, 1, 1}, "VALID");
    const std::vector<std::string> steps = Plan({last.name(), two.name()});
    EXPECT_THAT(steps, Contains(AllOf(HasSubstr("one/bfloat16/fused"),
                                      HasSubstr("_FusedConv2D"),
                                      HasSubstr(" bfloat16 ["))));
    EXPECT_THAT(
        steps, Contains(AllOf(HasSubstr("two/fused"), HasSubstr("_FusedConv2D"),
                              HasSubstr(" float ["))));
    const std::vector<Tensor> mixed = Run({last, two}, kBfloat16);
    const std::vector<Tensor> whole = Run({last, two}, kFloat);
    for (size_t i = 0; i < 2; ++i) {
      testing::ExpectClose(mixed[i], whole[i], i == 0 ? 0.2 : 0.05);
    }
  }
}

TEST_F(MixedPrecisionTest, NothingElseIsTouched) {
  const Output x = Fed("x", {32, 64}, 1), w = Fed("w", {64, 64}, 2);
  const Output d = ops::Cast(s, x, kDouble), i = ops::Cast(s, x, kInt32);
  const std::vector<std::string> names = {
      ops::MatMul(s, d, ops::Cast(s, w, kDouble)).name(),
      ops::MatMul(s, i, ops::Cast(s, w, kInt32)).name(),
      ops::Softmax(s, ops::Mul(s, x, 2.0f)).name(),
      ops::Sum(s, ops::Tanh(s, x), {0}).name()};
  EXPECT_EQ(Plan(names), Plan(names, kFloat));
}

// What needs the bits of a float, and what is behind it, has them.
TEST_F(MixedPrecisionTest, DeniedOpsAndWhatTheyFeedStayFloat) {
  const Output x = Fed("x", {64, 64}, 1);
  const Output one = ops::MatMul(s.WithName("one"), x, x);
  const Output exp = ops::Exp(s.WithName("exp"), one);
  const Output product = ops::Mul(s.WithName("mul"), exp, exp);
  ops::MatMul(s.WithName("two"), product, x);
  for (const std::string& step : Plan({"two:0"})) {
    if (step.find("exp") != 0 && step.find("mul") != 0) continue;
    if (step.find("Cast") != step.npos) continue;
    EXPECT_THAT(step, HasSubstr(" float [64,64]"));
  }
}

TEST_F(MixedPrecisionTest, WhatIsFetchedInTheMiddleIsFloat) {
  const Output x = Fed("x", {16, 64}, 1), w = Fed("w", {64, 64}, 2);
  const Output hidden = ops::Relu(s, ops::MatMul(s, x, w));
  const Output y = ops::MatMul(s, hidden, w);
  const std::vector<Tensor> got = Run({hidden, y}, kBfloat16);
  ASSERT_EQ(got.size(), 2);
  EXPECT_EQ(got[0].dtype(), kFloat);
  testing::ExpectClose(got[0], RunOne(hidden, kFloat), 0.05);
}

TEST_F(MixedPrecisionTest, BFloat16ThatIsFedStaysWhatItIs) {
  const Output x = ops::Placeholder(s.WithName("x"), kBfloat16, {64, 64});
  feeds.emplace_back("x:0",
                     testing::ToDType(Numbers(kFloat, {64, 64}), kBfloat16));
  const Output y = ops::MatMul(s, x, x);
  const Tensor mixed = RunOne(y);
  EXPECT_EQ(mixed.dtype(), kBfloat16);
  EXPECT_TRUE(BitwiseEqual(mixed, RunOne(y, kFloat)));
}

TEST_F(MixedPrecisionTest, ConstantsAreConvertedBefore) {
  const Output x = Fed("x", {64, 64}, 1);
  const Output w = ops::Const(s.WithName("w"), Numbers(kFloat, {64, 64}));
  const Output y = ops::MatMul(s.WithName("y"), x, w);
  EXPECT_THAT(Plan({"y:0"}), Not(Contains(HasSubstr("w/bfloat16 = "))));
  testing::ExpectClose(RunOne(y), RunOne(y, kFloat), 0.05);
}

TEST_F(MixedPrecisionTest, SizesThatAreNotKnownAndNoRows) {
  const Output x = ops::Placeholder(s.WithName("x"), kFloat, Shape::Unknown());
  const Output w = Fed("w", {64, 32}, 2), bias = Fed("b", {32}, 3);
  const Output above = ops::Greater(s, ops::Sum(s, x, {1}), 0.0f);
  const Output rows =
      ops::Gather(s, x, ops::Reshape(s, ops::Where(s, above), {-1}));
  const Output y = ops::MatMul(
      s, ops::Relu(s, ops::BiasAdd(s, ops::MatMul(s, rows, w), bias)), w, false,
      true);
  for (const float sign : {1.0f, -1.0f}) {
    feeds.emplace_back("x:0", Numbers(kFloat, {7, 64}, 0.1 * sign, sign));
    const Tensor mixed = RunOne(y);
    EXPECT_EQ(mixed.shape().dim(0), sign > 0 ? 7 : 0);
    testing::ExpectClose(mixed, RunOne(y, kFloat), 0.1);
    feeds.pop_back();
  }
}

// A product that waits for an update of a variable reads what was written.
TEST_F(MixedPrecisionTest, AVariableIsReadWhereItsReaderReadsIt) {
  const Output w =
      ops::InitializedVariable(s.WithName("w"), Numbers(kFloat, {64, 64}));
  const Node* init = ops::VariablesInitializer(s.WithName("init"));
  const Output x = Fed("x", {64, 64}, 1);
  const Output before = ops::MatMul(s, x, w);
  const Output set = ops::Assign(s, w, ops::ZerosLike(s, x));
  const Output after =
      ops::MatMul(s.WithControlDependencies(std::vector<Output>{set}), x, w);
  auto session = Session::Create(graph, Mixed());
  ASSERT_TRUE(session.ok());
  ASSERT_TRUE((*session)->RunTargets({init->name()}).ok());
  auto got = (*session)->Run(feeds, {before.name(), after.name()});
  ASSERT_TRUE(got.ok()) << got.status().ToString();
  EXPECT_THAT((*got)[1].flat<float>(), Each(0.0f));
  EXPECT_THAT((*got)[0].flat<float>(), Contains(Not(0.0f)));
}

struct Trained {
  std::vector<float> losses;
  std::vector<Tensor> variables;  // weights and Adam's slots
  std::vector<std::string> steps;
};

Trained Train(const SessionOptions& options) {
  constexpr int64_t kBatch = 64, kIn = 128, kHidden = 160, kClasses = 10;
  Graph graph;
  const Scope s(&graph);
  const Output x = ops::Placeholder(s.WithName("x"), kFloat, {-1, kIn});
  const Output labels =
      ops::Placeholder(s.WithName("y"), kFloat, {-1, kClasses});
  const auto variable = [&](const char* name, const Shape& shape, uint64_t n) {
    return ops::InitializedVariable(s.WithName(name),
                                    Numbers(kFloat, shape, -0.1, 0.1, n));
  };
  const Output w1 = variable("w1", {kIn, kHidden}, 1);
  const Output b1 = variable("b1", {kHidden}, 2);
  const Output w2 = variable("w2", {kHidden, kHidden}, 3);
  const Output w3 = variable("w3", {kHidden, kClasses}, 4);
  const Output one = ops::Relu(s, ops::BiasAdd(s, ops::MatMul(s, x, w1), b1));
  const Output two = ops::Relu(s, ops::MatMul(s, one, w2));
  const Output loss = ops::Mean(
      s.WithName("loss"),
      ops::SoftmaxCrossEntropyWithLogits(s, ops::MatMul(s, two, w3), labels),
      {0});
  ops::AdamOptimizer adam(0.002f);
  const Node* train =
      adam.ApplyGradients(s, adam.ComputeGradients(s, loss, {w1, b1, w2, w3}));
  const Node* init = ops::VariablesInitializer(s.WithName("init"));
  Tensor answers(kFloat, Shape{kBatch, kClasses});
  std::ranges::fill(answers.flat<float>(), 0.0f);
  for (int64_t i = 0; i < kBatch; ++i) {
    answers.flat<float>()[static_cast<size_t>(i * kClasses + i % kClasses)] = 1;
  }
  const std::vector<Session::Feed> feeds = {
      {"x:0", Numbers(kFloat, {kBatch, kIn})}, {"y:0", answers}};
  auto session = Session::Create(graph, options);
  EXPECT_TRUE(session.ok()) << session.status().ToString();
  EXPECT_TRUE((*session)->RunTargets({init->name()}).ok());
  Trained trained;
  for (int step = 0; step < 40; ++step) {
    auto got = (*session)->Run(feeds, {"loss:0"}, {train->name()});
    EXPECT_TRUE(got.ok()) << got.status().ToString();
    trained.losses.push_back((*got)[0].scalar<float>());
  }
  for (const Node* n : graph.nodes()) {
    if (!n->traits().variable) continue;
    auto value = (*session)->Run({}, {StrCat(n->name(), ":0")});
    EXPECT_TRUE(value.ok()) << value.status().ToString();
    trained.variables.push_back((*value)[0]);
  }
  trained.steps =
      (*session)->Explain(feeds, {"loss:0"}, {train->name()})->steps;
  return trained;
}

TEST_F(MixedPrecisionTest, TrainsLikeFloatsWithFloatVariables) {
  const Trained mixed = Train(Mixed()), whole = Train(Mixed(kFloat));
  EXPECT_LT(whole.losses.back(), 0.5f * whole.losses.front());
  for (size_t i = 0; i < whole.losses.size(); ++i) {
    EXPECT_NEAR(mixed.losses[i], whole.losses[i], 0.02 * whole.losses[0]) << i;
  }
  ASSERT_EQ(mixed.variables.size(), whole.variables.size());
  for (const Tensor& v : mixed.variables) {
    ASSERT_EQ(v.dtype(), kFloat);
    if (v.NumElements() < 100) continue;
    EXPECT_FALSE(BitwiseEqual(v, Rounded(v)));  // more than eight bits
  }
  // The gradient of a weight goes from its product to its update.
  EXPECT_THAT(mixed.steps, Contains(HasSubstr("_MatMulUpdate")));
  EXPECT_THAT(mixed.steps, Contains(HasSubstr("bfloat16")));
  EXPECT_THAT(whole.steps, Each(Not(HasSubstr("bfloat16"))));
}

TEST_F(MixedPrecisionTest, EqualBitsEachTimeAndOnTwoThreads) {
  SessionOptions one = Mixed(), two = Mixed();
  one.intra_op_threads = 1;
  two.intra_op_threads = 2;
  const Trained first = Train(one), again = Train(one), wide = Train(two);
  EXPECT_EQ(first.losses, again.losses);
  EXPECT_EQ(first.losses, wide.losses);
}

// A row of a product has the same bits whatever other rows there are: what
// ranks and virtual replicas rely on.
TEST_F(MixedPrecisionTest, RowsDoNotDependOnOtherRows) {
  const Output x = ops::Placeholder(s.WithName("x"), kFloat, {-1, 784});
  const Output w = Fed("w", {784, 300}, 2);
  const Output y = ops::MatMul(s, x, w);
  const Tensor rows = Numbers(kFloat, {256, 784});
  feeds.emplace_back("x:0", rows);
  const Tensor all = RunOne(y);
  for (const int64_t n : {1, 7, 16, 50, 64, 100, 128}) {
    Tensor part(kFloat, Shape{n, 784});
    std::copy_n(rows.flat<float>().begin(), n * 784,
                part.flat<float>().begin());
    feeds.back().second = part;
    const Tensor got = RunOne(y);
    EXPECT_TRUE(std::equal(got.flat<float>().begin(), got.flat<float>().end(),
                           all.flat<float>().begin()))
        << n;
  }
}

TEST(MixedPrecisionOptionTest, TheListsNameOpsThatThereAre) {
  EXPECT_GT(OpsWithPrecision().size(), 100u);
  for (const std::string& op : OpsWithPrecision()) {
    EXPECT_NE(OpRegistry::Global().Find(op), nullptr) << op;
  }
}

TEST(MixedPrecisionOptionTest, OtherTypesAreRefused) {
  const auto session = Session::Create(Graph(), Mixed(kHalf));
  EXPECT_EQ(session.code(), Code::kInvalidArgument);
  EXPECT_THAT(session.status().message(), HasSubstr("half"));
}

}  // namespace
}  // namespace lockstep
