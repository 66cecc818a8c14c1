// SPDX-License-Identifier: Apache-2.0
// Gradients of some rows of a variable, summed over the ranks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "ops/array/array.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "ops/state/state.h"
#include "ops/training/optimizer.h"
#include "tests/distributed/linear_model.h"
#include "tests/testing/spawn_ranks.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

// A table of which each sample looks up two rows, trained by `optimizer`; the
// values of the table and its slots after some steps on samples [begin, end).
std::vector<std::vector<float>> TrainTable(
    std::unique_ptr<ops::Optimizer> optimizer, int64_t begin, int64_t end,
    std::shared_ptr<Communicator> comm, bool divide) {
  Graph graph;
  const Scope root(&graph);
  Tensor initial(kFloat, Shape{7, 3});
  for (size_t i = 0; i < 21; ++i) {
    initial.flat<float>()[i] = static_cast<float>(i % 5) / 5;
  }
  const Output table =
      ops::InitializedVariable(root.WithName("table"), initial);
  const Output b = ops::InitializedVariable(root.WithName("b"), {0.5f});
  const Output ids =
      ops::Placeholder(root.WithName("ids"), kInt32, Shape{-1, 2});
  const Output rows = ops::Gather(root, table, ids);
  const Output loss =
      ops::Mean(root, ops::Square(root, ops::Add(root, rows, b)), {0, 1, 2});
  const std::string train = optimizer->Minimize(root, loss, {table, b})->name();
  ops::VariablesInitializer(root.WithName("init"));
  EXPECT_TRUE(root.ok()) << root.status().ToString();
  auto session =
      comm ? Open(graph, comm, {.batch = "ids:0", .divide_updates = divide})
           : Open(graph);
  Status s = session->RunTargets({"init"});
  for (int step = 0; step < 6; ++step) {
    Tensor batch(kInt32, Shape{end - begin, 2});
    for (int64_t i = 0; i < 2 * (end - begin); ++i) {
      batch.flat<int32_t>()[static_cast<size_t>(i)] =
          static_cast<int32_t>(((begin * 2 + i) * 5 + step * 3) % 7 % 5);
    }
    s.Update(session->RunTargets({train}, {{"ids:0", batch}}));
  }
  EXPECT_TRUE(s.ok()) << s.ToString();
  std::vector<std::string> names = {"table:0", "b:0"};
  for (const Output& slot : optimizer->variables()) {
    names.push_back(slot.name());
  }
  auto values = session->Run({}, names);
  EXPECT_TRUE(values.ok()) << values.status().ToString();
  std::vector<std::vector<float>> all;
  if (values.ok()) {
    for (const Tensor& t : *values) all.push_back(Floats(t));
  }
  return all;
}

// Adam of rows is composed of ops that take the gradient's square.
TEST(RowExchangeTest, SquaresOfRowsAreRefusedByName) {
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    Graph graph;
    const Scope root(&graph);
    const Output table =
        ops::InitializedVariable(root.WithName("table"), {1.0f, 2.0f, 3.0f});
    const Output ids =
        ops::Placeholder(root.WithName("ids"), kInt32, Shape{-1});
    const Output loss =
        ops::Sum(root, ops::Square(root, ops::Gather(root, table, ids)), {0});
    ops::AdamOptimizer adam(0.05f);
    const std::string train = adam.Minimize(root, loss, {table})->name();
    auto session = Open(graph, comm, {.batch = "ids:0"});
    const Status s = session->RunTargets(
        {train}, {{"ids:0", Tensor::Of<int32_t>({1}, {1})}});
    EXPECT_EQ(s.code(), Code::kUnimplemented) << s.ToString();
    EXPECT_THAT(s.message(), HasSubstr("Adam"));
    EXPECT_THAT(s.message(), HasSubstr("cannot be averaged over ranks"));
  });
}

TEST(RowExchangeTest, RanksFollowOneRankOnTheWholeBatch) {
  const std::vector<std::function<std::unique_ptr<ops::Optimizer>()>> makers = {
      [] { return std::make_unique<ops::GradientDescentOptimizer>(0.5f); },
      [] { return std::make_unique<ops::MomentumOptimizer>(0.3f, 0.9f); },
      [] { return std::make_unique<ops::AdagradOptimizer>(0.3f); }};
  for (const auto& make : makers) {
    const auto want = TrainTable(make(), 0, 12, nullptr, false);
    SpawnRanksShared(3, [&](std::shared_ptr<Communicator> comm) {
      // One rank has no sample.
      const int64_t borders[] = {0, 5, 5, 12};
      const auto r = static_cast<size_t>(comm->rank());
      for (const bool divide : {false, true}) {
        const auto got =
            TrainTable(make(), borders[r], borders[r + 1], comm, divide);
        ASSERT_EQ(got.size(), want.size());
        for (size_t v = 0; v < want.size(); ++v) {
          ASSERT_EQ(got[v].size(), want[v].size());
          for (size_t i = 0; i < want[v].size(); ++i) {
            EXPECT_NEAR(got[v][i], want[v][i], 2e-6)
                << "variable " << v << " element " << i;
          }
        }
      }
    });
  }
}

}  // namespace
}  // namespace lockstep
