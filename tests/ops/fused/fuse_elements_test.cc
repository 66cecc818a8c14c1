// SPDX-License-Identifier: Apache-2.0
// Plans with element-wise ops fused against plans without: equal to the bit.
#include "runtime/graph/passes/fuse_elements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/ops.h"
#include "ops/training/optimizer.h"
#include "runtime/exec/session.h"
#include "runtime/graph/builder.h"
#include "runtime/graph/gradients.h"
#include "tests/testing/graph_run.h"
#include "tests/testing/random_elements.h"

namespace lockstep {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

SessionOptions Options(bool fuse, int threads = 0) {
  SessionOptions options;
  options.services.push_back([fuse](SessionResources& resources) {
    resources.SetService(
        std::make_shared<Fusion>(Fusion{.on = fuse, .always = true}));
  });
  options.intra_op_threads = threads;
  return options;
}

using Program = testing::FedGraph;
using testing::RandomElements;
using testing::SameBits;

std::vector<Tensor> Run(const Program& p, const SessionOptions& options) {
  auto session = Session::Create(p.graph, options);
  EXPECT_TRUE(session.ok()) << session.status().ToString();
  if (!session.ok()) return {};
  auto r = (*session)->Run(p.feeds, p.fetches);
  EXPECT_TRUE(r.ok()) << r.status().ToString();
  return r.ok() ? *std::move(r) : std::vector<Tensor>(p.fetches.size());
}

std::vector<std::string> Steps(const Program& p) {
  auto session = Session::Create(p.graph, Options(true));
  EXPECT_TRUE(session.ok()) << session.status().ToString();
  auto plan = (*session)->Explain(p.feeds, p.fetches);
  EXPECT_TRUE(plan.ok()) << plan.status().ToString();
  return plan.ok() ? plan->steps : std::vector<std::string>();
}

void ExpectEqualBits(const Program& p) {
  const std::vector<Tensor> want = Run(p, Options(false));
  for (const int threads : {1, 3}) {
    const std::vector<Tensor> got = Run(p, Options(true, threads));
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_TRUE(want[i].defined() && SameBits(got[i], want[i]))
          << p.fetches[i] << ", " << DTypeName(want[i].dtype());
    }
  }
}

// Three runs of one session each: what is drawn differs from run to run.
void ExpectEqualRuns(const Program& p) {
  auto fused = Session::Create(p.graph, Options(true, 2));
  auto apart = Session::Create(p.graph, Options(false, 2));
  ASSERT_TRUE(fused.ok() && apart.ok());
  Tensor first;
  for (int run = 0; run < 3; ++run) {
    auto got = (*fused)->Run(p.feeds, p.fetches);
    auto want = (*apart)->Run(p.feeds, p.fetches);
    ASSERT_TRUE(got.ok() && want.ok()) << got.status().ToString();
    for (size_t i = 0; i < want->size(); ++i) {
      EXPECT_TRUE(SameBits((*got)[i], (*want)[i]))
          << p.fetches[i] << " " << run;
    }
    if (run > 0) {
      EXPECT_FALSE(SameBits((*got)[0], first));
    }
    first = (*got)[0];
  }
}

// --- Graphs of no pattern ----------------------------------------------------

int Fused(const std::vector<std::string>& steps) {
  int count = 0;
  for (const std::string& s : steps) count += s.find("_Fused(") != s.npos;
  return count;
}

TEST(FuseElementsTest, GraphsOfNoPatternKeepTheirBits) {
  int fused = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(StrCat("seed ", seed));
    const RandomElements graph(seed, {.ops = seed % 3 == 0 ? 10 : 80});
    fused += Fused(Steps(graph.program()));
    ExpectEqualBits(graph.program());
    if (HasFailure()) return;
  }
  EXPECT_GT(fused, 100);
}

// --- What is fused, and what is not ------------------------------------------

class Small : public ::testing::Test {
 protected:
  Output Feed(const char* name, const Shape& shape, DType dtype = kFloat) {
    p_.feeds.emplace_back(StrCat(name, ":0"),
                          testing::Numbers(dtype, shape, -2, 2, seed_++));
    return ops::Placeholder(s_.WithName(name), dtype, shape);
  }
  void Fetch(Output o) { p_.fetches.push_back(o.name()); }
  std::vector<std::string> FusedSteps() {
    EXPECT_TRUE(s_.ok()) << s_.status().ToString();
    return Steps(p_);
  }

  uint64_t seed_ = 1;
  Program p_;
  const Scope s_ = Scope(&p_.graph).WithDevice("/cpu:0");
};

TEST_F(Small, AChainIsOneStepNamedAfterItsLast) {
  const Output x = Feed("x", {100, 30}), b = Feed("b", {30});
  const Output sum = ops::BiasAdd(s_, x, b);
  Fetch(ops::Tanh(s_.WithName("last"), ops::Mul(s_, sum, 2.0f)));
  EXPECT_THAT(FusedSteps(), ::testing::ElementsAre(HasSubstr(
                                "last/fused = _Fused(_feed/x:0, _feed/b:0")));
  ExpectEqualBits(p_);
}

TEST_F(Small, AnImageIsNormalisedInOnePass) {
  const Output pixels = Feed("pixels", {64, 784}, kUint8);
  const Output x = ops::Cast(s_, pixels, kFloat);
  Fetch(ops::Sub(s_, ops::Mul(s_, x, 1.0f / 255), 0.1307f));
  EXPECT_EQ(FusedSteps().size(), 1u);
  ExpectEqualBits(p_);
}

TEST_F(Small, WhatIsFetchedInsideIsAnOutput) {
  const Output x = Feed("x", {50});
  const Output y = ops::Exp(s_, x), z = ops::Neg(s_, y);
  Fetch(y);
  Fetch(z);
  Fetch(ops::Mul(s_, y, z));
  EXPECT_EQ(FusedSteps().size(), 1u);
  ExpectEqualBits(p_);
}

// Where the elements are in the cache anyway, a program costs more than it
// saves unless it is long.
TEST_F(Small, FewOpsOnFewElementsAreLeftAlone) {
  const auto steps = [](int64_t elements, int ops) {
    Graph graph;
    const Scope s = Scope(&graph).WithDevice("/cpu:0");
    Output y = ops::Placeholder(s.WithName("x"), kFloat, Shape{elements});
    for (int i = 0; i < ops; ++i) y = ops::Neg(s, y);
    SessionOptions options;
    options.services.push_back([](SessionResources& resources) {
      resources.SetService(std::make_shared<Fusion>());
    });
    return Session::Create(graph, options)
        .value()
        ->Explain({{"x:0", Tensor(kFloat, Shape{elements})}}, {y.name()})
        .value()
        .num_steps;
  };
  EXPECT_EQ(steps(100, 3), 3);
  EXPECT_EQ(steps(100, 30), 1);
  EXPECT_EQ(steps(10000, 3), 1);
}

// The sum waits for the product, which waits for one half of the chain.
TEST_F(Small, NothingWaitsForItself) {
  const Output x = Feed("x", {20, 20});
  const Output y = ops::Relu(s_, ops::Neg(s_, x));
  const Output product = ops::MatMul(s_, y, y);
  Fetch(ops::Add(s_, ops::Mul(s_, product, y), y));
  EXPECT_EQ(Fused(FusedSteps()), 2);
  ExpectEqualBits(p_);
}

TEST_F(Small, ControlEdgesAreKept) {
  const Output x = Feed("x", {9});
  const Output v = ops::InitializedVariable(s_.WithName("v"), 1.0f);
  const Output y = ops::Neg(s_, ops::Square(s_, x));
  const Output update = ops::AssignAdd(
      s_.WithControlDependencies(std::vector<Output>{y}).WithName("update"), v,
      1.0f);
  const Node* init = ops::VariablesInitializer(s_);
  for (const bool fuse : {false, true}) {
    auto session = Session::Create(p_.graph, Options(fuse)).value();
    ASSERT_TRUE(session->RunTargets({init->name()}).ok());
    ASSERT_TRUE(session->Run(p_.feeds, {y.name()}, {update.node->name()}).ok());
    EXPECT_EQ(*session->RunOne({}, "v:0").value().flat<float>().data(), 2);
    // A run of a target that is inside.
    EXPECT_TRUE(session->Run(p_.feeds, {}, {y.node->name()}).ok());
  }
}

// What comes after an update reads the new value, what comes before the old.
TEST_F(Small, ReadsStayOnTheirSideOfAnUpdate) {
  const Output v = ops::InitializedVariable(
      s_.WithName("v"), testing::Numbers(kFloat, Shape{17}));
  const Output before = ops::Neg(s_, ops::Mul(s_, v, 3.0f));
  const Output updated = ops::Assign(s_, v, ops::Add(s_, before, 1.0f));
  const Output after = ops::Mul(s_, ops::Square(s_, updated), before);
  const Node* init = ops::VariablesInitializer(s_);
  std::vector<std::vector<Tensor>> results;
  for (const bool fuse : {false, true}) {
    auto session = Session::Create(p_.graph, Options(fuse)).value();
    ASSERT_TRUE(session->RunTargets({init->name()}).ok());
    for (int i = 0; i < 3; ++i) {
      results.push_back(
          session->Run({}, {before.name(), after.name()}).value());
    }
  }
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(SameBits(results[i][0], results[i + 3][0])) << i;
    EXPECT_TRUE(SameBits(results[i][1], results[i + 3][1])) << i;
  }
}

TEST_F(Small, AnUninitialisedVariableIsToldWithTheOpThatReadsIt) {
  const Output v = ops::Variable(s_.WithName("v"), kFloat, Shape{3});
  const Output y =
      ops::Neg(s_.WithName("outer"), ops::Square(s_.WithName("inner"), v));
  auto session = Session::Create(p_.graph, Options(true)).value();
  const Status s = session->RunOne({}, y.name()).status();
  EXPECT_EQ(s.code(), Code::kFailedPrecondition);
  EXPECT_THAT(s.ToString(), HasSubstr("v"));
  EXPECT_THAT(s.ToString(), HasSubstr("'inner'"));
}

TEST_F(Small, BranchesStayApart) {
  const Output x = Feed("x", {8});
  const Output p = ops::Less(s_, ops::Sum(s_, x, {0}), 0.0f);
  const std::vector<Output> branches = s_.Op("Switch").In(x).In(p).Outs();
  const Output no = ops::Neg(s_, ops::Exp(s_, branches[0]));
  const Output yes = ops::Mul(s_, ops::Square(s_, branches[1]), 2.0f);
  const Output merged = s_.Op("Merge").In(std::vector<Output>{no, yes}).Out();
  Fetch(ops::Sub(s_, ops::Add(s_, merged, 1.0f), x));
  EXPECT_EQ(Fused(FusedSteps()), 3);
  ExpectEqualBits(p_);
  for (float& f : p_.feeds[0].second.flat<float>()) f = -f;
  ExpectEqualBits(p_);
}

TEST_F(Small, EmptyTensorsAndUnknownShapesAreLeftAlone) {
  const Output x = Feed("x", {0, 4});
  const Output y = ops::Placeholder(s_.WithName("y"), kFloat, Shape::Unknown());
  p_.feeds.emplace_back("y:0", testing::Numbers(kFloat, Shape{5}));
  Fetch(ops::Neg(s_, ops::Square(s_, x)));
  // Known when it is fed.
  Fetch(ops::Neg(s_, ops::Square(s_, y)));
  // Not known before it has run.
  const Output where = s_.Op("Where").In(ops::Less(s_, y, 0.0f)).Out();
  Fetch(ops::Neg(s_, ops::Square(s_, where)));
  EXPECT_EQ(Fused(FusedSteps()), 1);
  ExpectEqualBits(p_);
}

TEST_F(Small, OpsThatRefuseOperandsAreLeftToThemselves) {
  const Output x = Feed("x", {6}, kInt32), y = Feed("y", {6}, kInt32);
  std::ranges::fill(p_.feeds[1].second.flat<int32_t>(), 0);
  Fetch(ops::Neg(s_, ops::FloorDiv(s_.WithName("divide"), ops::Neg(s_, x), y)));
  auto session = Session::Create(p_.graph, Options(true)).value();
  const Status s = session->Run(p_.feeds, p_.fetches).status();
  EXPECT_EQ(s.code(), Code::kInvalidArgument);
  EXPECT_THAT(s.ToString(), HasSubstr("'divide'"));
}

TEST_F(Small, AMillionElementsInPlaceOfTheirInput) {
  Output x = Feed("x", {1000, 1000});
  // Its memory may be taken over.
  const Output y = ops::Transpose(s_, x, {1, 0});
  const Output r = ops::Relu(s_, y);
  Fetch(ops::Sub(s_, ops::Mul(s_, r, y), ops::Square(s_, y)));
  EXPECT_EQ(Fused(FusedSteps()), 1);
  auto session = Session::Create(p_.graph, Options(true)).value();
  const auto plan = session->Explain(p_.feeds, p_.fetches).value();
  // The transpose and nothing else.
  EXPECT_LT(plan.arena_bytes, size_t{2 * 4 * 1000 * 1000});
  ExpectEqualBits(p_);
}

// --- Training ----------------------------------------------------------------

// Activations, dropout and their gradients, over some steps.
std::vector<Tensor> Train(bool fuse, int threads) {
  Graph graph;
  const Scope s(&graph);
  const Output x = ops::Placeholder(s.WithName("x"), kFloat, Shape{33, 20});
  std::vector<Output> variables;
  const auto weights = [&](int64_t in, int64_t out, uint64_t seed) {
    variables.push_back(ops::InitializedVariable(
        s.WithName(StrCat("v", variables.size())),
        testing::Numbers(kFloat, Shape{in, out}, -0.4, 0.4, seed)));
    return variables.back();
  };
  Output h = ops::Sigmoid(s, ops::MatMul(s, x, weights(20, 50, 1)));
  h = ops::Dropout(s, ops::Elu(s, ops::MatMul(s, h, weights(50, 50, 2))), 0.3f);
  h = ops::Tanh(
      s, ops::Mul(s, ops::MatMul(s, h, weights(50, 10, 3)), weights(1, 10, 4)));
  const Output loss =
      ops::Mean(s, ops::Square(s, ops::Sub(s, h, 0.3f)), {0, 1});
  ops::AdamOptimizer adam(0.01f);
  const Node* step = adam.Minimize(s, loss, variables);
  const Node* init = ops::VariablesInitializer(s.WithName("init"));
  auto session = Session::Create(graph, Options(fuse, threads)).value();
  EXPECT_TRUE(session->RunTargets({init->name()}).ok());
  std::vector<Tensor> results;
  for (uint64_t i = 0; i < 5; ++i) {
    const Tensor batch = testing::Numbers(kFloat, Shape{33, 20}, -1, 1, i);
    auto r = session->Run({{"x:0", batch}}, {loss.name()}, {step->name()});
    EXPECT_TRUE(r.ok()) << r.status().ToString();
    if (r.ok()) results.push_back((*r)[0]);
  }
  for (const Output& v : variables) {
    results.push_back(session->RunOne({}, v.name()).value());
  }
  return results;
}

TEST(FuseElementsTest, TrainingHasTheSameBits) {
  for (const int threads : {1, 3}) {
    // Those of oneDNN's products may differ with the number of threads.
    const std::vector<Tensor> want = Train(false, threads);
    const std::vector<Tensor> got = Train(true, threads);
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_TRUE(SameBits(got[i], want[i])) << i;
    }
  }
}

// --- Random elements --------------------------------------------------------

// The numbers that the op draws by itself, in runs one after the other, for
// sizes that are no multiple of what is drawn at a time.
TEST_F(Small, RandomElementsAreDrawnInThePassThatReadsThem) {
  for (const DType dtype : {kFloat, kDouble, kHalf, kBfloat16}) {
    SCOPED_TRACE(DTypeName(dtype));
    for (const int64_t n : {5, 301, 5000}) {
      p_ = Program();
      const Output x = Feed("x", {n, 3}, dtype);
      const Output drawn = ops::RandomUniform(
          s_.WithSeed(5), Tensor::Vector<int64_t>({n, 3}), dtype);
      const Output normal = ops::RandomStandardNormal(
          s_.WithSeed(5), Tensor::Vector<int64_t>({n, 3}), dtype);
      Fetch(ops::Mul(s_, ops::Tanh(s_, ops::Add(s_, drawn, x)), x));
      Fetch(ops::Sub(s_, ops::Neg(s_, normal), x));
      const auto steps = FusedSteps();
      EXPECT_EQ(std::ranges::count_if(steps,
                                      [](const std::string& s) {
                                        return s.find("= _FusedRandom(") !=
                                               s.npos;
                                      }),
                2)
          << Join(steps, "\n");
      EXPECT_THAT(steps, Not(Contains(HasSubstr("= Random"))));
      ExpectEqualBits(p_);
      ExpectEqualRuns(p_);
    }
  }
}

TEST_F(Small, RandomElementsThatOthersNeedStayATensor) {
  const Output drawn =
      ops::RandomUniform(s_, Tensor::Vector<int64_t>({300, 20}), kFloat);
  const Output x = Feed("x", {300, 20});
  Fetch(ops::Mul(s_, ops::Tanh(s_, drawn), x));
  Fetch(drawn);
  EXPECT_THAT(FusedSteps(), Contains(HasSubstr("= RandomUniform(")));
  ExpectEqualBits(p_);
}

// A dropout and its gradient: one pass each, bools in between.
TEST_F(Small, AMaskGoesToItsGradientAsBools) {
  const Output x = Feed("x", {80, 70}), w = Feed("w", {70, 70});
  const Output y =
      ops::MatMul(s_, ops::Dropout(s_.WithSeed(3), ops::Tanh(s_, x), 0.25f), w);
  std::vector<Output> gradients;
  ASSERT_TRUE(AddGradients(s_, {ops::Square(s_, y)}, {x}, &gradients).ok());
  Fetch(y);
  Fetch(gradients[0]);
  const auto steps = FusedSteps();
  EXPECT_THAT(steps, Contains(::testing::AllOf(HasSubstr("= _FusedRandom("),
                                               HasSubstr("bool [80,70]"))));
  EXPECT_THAT(steps, Not(Contains(HasSubstr("= Cast("))));
  EXPECT_THAT(steps, Not(Contains(HasSubstr("= RandomUniform("))));
  ExpectEqualBits(p_);
  ExpectEqualRuns(p_);
}

}  // namespace
}  // namespace lockstep
