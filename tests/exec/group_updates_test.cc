// SPDX-License-Identifier: Apache-2.0
// Updates of variables on a GPU: which become one step, which must not, and
// that their values are those of updates one by one.
#include "runtime/exec/group_updates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/ops.h"
#include "ops/training/training.h"
#include "runtime/exec/session.h"
#include "tests/testing/graph_run.h"

namespace lockstep {
namespace {

using testing::Numbers;

class GroupUpdatesTest : public ::testing::Test {
 protected:
  static SessionOptions Options(bool optimize = true) {
    SessionOptions options;
    options.gpu_options.virtual_gpus = {.count = 2, .bytes = size_t{64} << 20};
    options.allow_soft_placement = true;
    options.optimize = optimize;
    return options;
  }
  Output Variable(const Shape& shape) {
    variables_.push_back(ops::InitializedVariable(
        s_, Numbers(kFloat, shape, -1, 1, variables_.size() + 1)));
    return variables_.back();
  }
  Node* Descend(const Scope& s, Output variable, Output rate) {
    return ops::ApplyGradientDescent(s, variable, rate,
                                     ops::Mul(s, Read(s, variable), 0.5f));
  }
  static Output Read(const Scope& s, Output variable) {
    return ops::Identity(s, variable);
  }
  // The steps of a run of the targets that are updates.
  std::vector<std::string> Updates(
      const std::vector<std::string>& targets,
      const std::vector<std::string>& fetches = {}) {
    auto session = Session::Create(graph_, Options());
    EXPECT_TRUE(session.ok()) << session.status().ToString();
    auto plan = (*session)->Explain({}, fetches, targets);
    EXPECT_TRUE(plan.ok()) << plan.status().ToString();
    std::vector<std::string> updates;
    if (!plan.ok()) return updates;
    for (const std::string& step : plan->steps) {
      const bool grouped = step.find("_GroupedUpdate(") != step.npos;
      if (grouped || step.find("Apply") != step.npos) updates.push_back(step);
    }
    return updates;
  }
  // All variables after some runs, and what was fetched in the last.
  std::vector<Tensor> After(const std::vector<std::string>& targets,
                            const std::vector<std::string>& fetches,
                            bool optimize) {
    auto session = Session::Create(graph_, Options(optimize)).value();
    std::vector<Tensor> values;
    EXPECT_TRUE(session->RunTargets({init_->name()}).ok());
    for (int i = 0; i < 3; ++i) {
      auto run = session->Run({}, fetches, targets);
      EXPECT_TRUE(run.ok()) << run.status().ToString();
      if (run.ok()) values = *std::move(run);
    }
    for (const Output& v : variables_) {
      values.push_back(session->RunOne({}, v.name()).value());
    }
    return values;
  }
  void ExpectSameValues(const std::vector<std::string>& targets,
                        const std::vector<std::string>& fetches = {}) {
    init_ = ops::VariablesInitializer(s_.WithName("init"));
    ASSERT_TRUE(graph_.status().ok()) << graph_.status().ToString();
    const auto want = After(targets, fetches, false);
    const auto got = After(targets, fetches, true);
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_TRUE(BitwiseEqual(got[i], want[i])) << i;
    }
  }

  Graph graph_;
  const Scope s_ = Scope(&graph_).WithDevice("/gpu:0");
  std::vector<Output> variables_;
  Node* init_ = nullptr;
};

TEST_F(GroupUpdatesTest, ThoseOfAnOptimizerAreOneStep) {
  Output h = ops::Const(s_, Numbers(kFloat, {8, 20}));
  std::vector<Output> trained;
  for (const int64_t width : {30, 12, 4}) {
    const int64_t in = h.shape().dim(1);
    trained.push_back(Variable({in, width}));
    trained.push_back(Variable({width}));
    h = ops::Tanh(s_, ops::BiasAdd(s_, ops::MatMul(s_, h, trained.end()[-2]),
                                   trained.end()[-1]));
  }
  const Output loss = ops::Mean(s_, ops::Square(s_, h), {0, 1});
  ops::AdamOptimizer adam(0.01f);
  const Node* train = adam.Minimize(s_, loss, trained);
  EXPECT_THAT(Updates({train->name()}, {loss.name()}),
              ::testing::ElementsAre(::testing::AllOf(
                  ::testing::HasSubstr("grouped = _GroupedUpdate("),
                  ::testing::HasSubstr("on /gpu:0"))));
  ExpectSameValues({train->name()}, {loss.name()});
}

TEST_F(GroupUpdatesTest, OtherRatesAreOtherGroups) {
  const Output slow = ops::Const(s_, 0.1f), fast = ops::Const(s_, 0.2f);
  std::vector<std::string> targets;
  for (const Output& rate : {slow, fast, slow, fast, slow}) {
    targets.push_back(Descend(s_, Variable({7}), rate)->name());
  }
  EXPECT_EQ(Updates(targets).size(), 2u);
  ExpectSameValues(targets);
}

// As Adam's powers of beta are for those of its variables that are elsewhere.
TEST_F(GroupUpdatesTest, ARateThatIsAVariableOfAnotherGpuIsSent) {
  const Output rate = ops::InitializedVariable(
      s_.WithDevice("/gpu:1").WithName("rate"), Tensor(0.3f));
  std::vector<std::string> targets;
  for (int i = 0; i < 3; ++i) {
    targets.push_back(Descend(s_, Variable({7}), rate)->name());
  }
  EXPECT_THAT(Updates(targets),
              ::testing::ElementsAre(::testing::AllOf(
                  ::testing::HasSubstr("_GroupedUpdate("),
                  ::testing::HasSubstr("rate/_recv"),
                  ::testing::Not(::testing::HasSubstr("rate:0")))));
  ExpectSameValues(targets);
}

TEST_F(GroupUpdatesTest, LargeOnesAreLaunchesOfTheirOwn) {
  const Output rate = ops::Const(s_, 0.1f);
  std::vector<std::string> targets;
  for (const int64_t size : {kMostGrouped + 1, kMostGrouped, int64_t{3}}) {
    targets.push_back(Descend(s_, Variable({size}), rate)->name());
  }
  EXPECT_EQ(Updates(targets).size(), 2u);
  ExpectSameValues(targets);
}

TEST_F(GroupUpdatesTest, OneAfterAnotherStaysSo) {
  const Output rate = ops::Const(s_, 0.1f), a = Variable({4});
  Node* first = Descend(s_, a, rate);
  const Scope after = s_.WithControlDependencies(std::vector<Node*>{first});
  const Node* second = Descend(after, Variable({4}), rate);
  EXPECT_EQ(Updates({second->name()}).size(), 2u);
  ExpectSameValues({second->name()});
  // Two of one variable are not at once either.
  const Node* again = Descend(s_, a, rate);
  EXPECT_EQ(Updates({first->name(), again->name()}).size(), 2u);
}

// It comes after an update of `a`, and before that of `b`.
TEST_F(GroupUpdatesTest, AReadBetweenThemKeepsThemApart) {
  const Output rate = ops::Const(s_, 0.1f), a = Variable({4}),
               b = Variable({4});
  Node* update_a = Descend(s_, a, rate);
  const Node* update_b = Descend(s_, b, rate);
  const Scope after = s_.WithControlDependencies(std::vector<Node*>{update_a});
  const Output sum = ops::Add(s_, ops::Identity(after, b), 1.0f);
  const std::vector<std::string> targets = {update_a->name(), update_b->name()};
  EXPECT_EQ(Updates(targets, {sum.name()}).size(), 2u);
  ExpectSameValues(targets, {sum.name()});
}

// One that comes after all of them reads what all made.
TEST_F(GroupUpdatesTest, AReadAfterAllSeesAll) {
  const Output rate = ops::Const(s_, 0.1f), a = Variable({4}),
               b = Variable({4});
  Node* update_a = Descend(s_, a, rate);
  Node* update_b = Descend(s_, b, rate);
  const Scope after =
      s_.WithControlDependencies(std::vector<Node*>{update_a, update_b});
  const Output sum =
      ops::Add(s_, ops::Identity(after, a), ops::Identity(after, b));
  EXPECT_EQ(Updates({}, {sum.name()}).size(), 1u);
  ExpectSameValues({}, {sum.name()});
}

TEST_F(GroupUpdatesTest, OnTheCpuTheyAreStepsOfTheirOwn) {
  const Scope cpu = Scope(&graph_).WithDevice("/cpu:0");
  const Output rate = ops::Const(cpu, 0.1f);
  std::vector<std::string> targets;
  for (int i = 0; i < 3; ++i) {
    const Output v = ops::InitializedVariable(cpu, Numbers(kFloat, {5}));
    targets.push_back(Descend(cpu, v, rate)->name());
  }
  EXPECT_EQ(Updates(targets).size(), 3u);
}

TEST_F(GroupUpdatesTest, AnUninitialisedVariableIsNamed) {
  const Output rate = ops::Const(s_, 0.1f);
  std::vector<std::string> targets;
  for (int i = 0; i < 2; ++i) {
    const Output v = ops::Variable(s_.WithName(StrCat("v", i)), kFloat, {5});
    targets.push_back(ops::ApplyGradientDescent(
                          s_, v, rate, ops::Const(s_, Numbers(kFloat, {5})))
                          ->name());
  }
  auto session = Session::Create(graph_, Options()).value();
  const Status run = session->Run({}, {}, targets).status();
  EXPECT_EQ(run.code(), Code::kFailedPrecondition);
  EXPECT_THAT(run.message(), ::testing::HasSubstr("v0"));
}

}  // namespace
}  // namespace lockstep
