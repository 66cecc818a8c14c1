// SPDX-License-Identifier: Apache-2.0
// Gradients of some rows of a variable, summed over the ranks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "ops/array/array.h"
#include "ops/array/indexed_slices.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "ops/state/state.h"
#include "ops/training/clip.h"
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

// Two scatters by the same indices whose values have no rows in common.
TEST(RowExchangeTest, RowsOfTwoGradientsByOneIndexAreRefusedByName) {
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    Graph graph;
    const Scope root(&graph);
    const Output a =
        ops::InitializedVariable(root.WithName("a"), {1.0f, 2.0f, 3.0f});
    const Output b =
        ops::InitializedVariable(root.WithName("b"), {1.0f, 2.0f, 3.0f});
    const Output ids =
        ops::Placeholder(root.WithName("ids"), kInt32, Shape{-1});
    const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{-1});
    const Output y = ops::Placeholder(root.WithName("y"), kFloat, Shape{-1});
    ops::ScatterAdd(root.WithName("add_a"), a, ids, ops::Square(root, x));
    ops::ScatterAdd(root.WithName("add_b"), b, ids, ops::Mul(root, x, y));
    auto session = Open(graph, comm, {.batch = "ids:0"});
    const Status s = session->RunTargets(
        {"add_a", "add_b"}, {{"ids:0", Tensor::Of<int32_t>({1}, {1})},
                             {"x:0", Tensor::Of<float>({1}, {1})},
                             {"y:0", Tensor::Of<float>({1}, {1})}});
    EXPECT_EQ(s.code(), Code::kUnimplemented) << s.ToString();
    EXPECT_THAT(s.message(), HasSubstr("'add_a' (ScatterAdd) and 'add_b'"));
    EXPECT_THAT(s.message(), HasSubstr("cannot be averaged over ranks"));
  });
}

// What a rank fetches on the way from the gradient to its update is its own.
TEST(RowExchangeTest, StepsThatOthersReadStayThoseOfTheRank) {
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    Graph graph;
    const Scope root(&graph);
    const Output m = ops::InitializedVariable(root.WithName("m"), {0.0f, 0.0f});
    const Output v = ops::InitializedVariable(root.WithName("v"), {0.0f, 0.0f});
    const Output ids =
        ops::Placeholder(root.WithName("ids"), kInt32, Shape{-1});
    const Output g = ops::Placeholder(root.WithName("g"), kFloat, Shape{-1});
    const Output square = ops::Square(root.WithName("square"), g);
    ops::ScatterAdd(root.WithName("add_m"), m, ids, ops::Mul(root, g, 2.0f));
    ops::ScatterAdd(root.WithName("add_v"), v, ids, square);
    ops::VariablesInitializer(root.WithName("init"));
    auto session = Open(graph, comm, {.batch = "ids:0"});
    EXPECT_TRUE(session->RunTargets({"init"}).ok());
    const float mine = comm->rank() == 0 ? 1.0f : 5.0f;
    auto fetched = session->Run({{"ids:0", Tensor::Of<int32_t>({1}, {1})},
                                 {"g:0", Tensor::Of<float>({1}, {mine})}},
                                {"square:0"}, {"add_m", "add_v"});
    ASSERT_TRUE(fetched.ok()) << fetched.status().ToString();
    EXPECT_EQ(Floats((*fetched)[0]), std::vector<float>{mine * mine});
    auto slots = session->Run({}, {"m:0", "v:0"});
    ASSERT_TRUE(slots.ok()) << slots.status().ToString();
    // The mean gradient is 3.
    EXPECT_EQ(Floats((*slots)[0]), (std::vector<float>{0, 6}));
    EXPECT_EQ(Floats((*slots)[1]), (std::vector<float>{0, 9}));
  });
}

TEST(RowExchangeTest, RanksFollowOneRankOnTheWholeBatch) {
  const std::vector<std::function<std::unique_ptr<ops::Optimizer>()>> makers = {
      [] { return std::make_unique<ops::GradientDescentOptimizer>(0.5f); },
      [] { return std::make_unique<ops::MomentumOptimizer>(0.3f, 0.9f); },
      [] { return std::make_unique<ops::AdagradOptimizer>(0.3f); },
      [] { return std::make_unique<ops::AdadeltaOptimizer>(0.8f); },
      [] { return std::make_unique<ops::RMSPropOptimizer>(0.05f); },
      [] { return std::make_unique<ops::FtrlOptimizer>(0.3f); },
      [] { return std::make_unique<ops::AdamOptimizer>(0.05f); }};
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

// A step of a table and a bias whose gradients were clipped.
using Clip = std::function<std::vector<Output>(const Scope&,
                                               const std::vector<Output>&)>;
Status StepOfClipped(const std::shared_ptr<Communicator>& comm,
                     const Clip& clip) {
  Graph graph;
  const Scope root(&graph);
  const Output table = ops::InitializedVariable(
      root.WithName("table"), Tensor::Of<float>({2, 1}, {1, 2}));
  const Output b = ops::InitializedVariable(root.WithName("b"), {0.5f});
  const Output ids =
      ops::Placeholder(root.WithName("ids"), kInt32, Shape{-1, 2});
  const Output rows = ops::Gather(root, table, ids);
  const Output loss =
      ops::Mean(root, ops::Square(root, ops::Add(root, rows, b)), {0, 1, 2});
  ops::AdagradOptimizer optimizer(0.1f);
  auto pairs = optimizer.ComputeGradients(root, loss, {table, b});
  const std::vector<Output> clipped =
      clip(root, {pairs[0].gradient, pairs[1].gradient});
  pairs[0].gradient = clipped[0];
  pairs[1].gradient = clipped[1];
  const std::string train = optimizer.ApplyGradients(root, pairs)->name();
  ops::VariablesInitializer(root.WithName("init"));
  auto session = Open(graph, comm, {.batch = "ids:0"});
  LS_RETURN_IF_ERROR(session->RunTargets({"init"}));
  return session->RunTargets({train},
                             {{"ids:0", Tensor::Of<int32_t>({1, 2}, {0, 1})}});
}

// The rows of all ranks are the ones to be clipped; their norm is of all.
TEST(RowExchangeTest, ClippedRowsAreRefusedByName) {
  const Clip by_norm = [](const Scope& s,
                          const std::vector<Output>& gradients) {
    return ops::ClipByGlobalNorm(s, gradients, 0.1f).clipped;
  };
  const auto changed =
      [](const std::function<Output(const Scope&, Output)>& f) {
        return [f](const Scope& s, const std::vector<Output>& gradients) {
          const Output rows = ops::AsIndexedSlices(s, gradients[0]).values;
          return std::vector<Output>{
              ops::WithValues(s, gradients[0], f(s, rows)), gradients[1]};
        };
      };
  const Clip by_value = changed([](const Scope& s, Output rows) {
    return ops::ClipByValue(s, rows, -0.1f, 0.1f);
  });
  const Clip halved = changed(
      [](const Scope& s, Output rows) { return ops::Mul(s, rows, 0.5f); });
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    for (const Clip& clip : {by_norm, by_value}) {
      const Status s = StepOfClipped(comm, clip);
      EXPECT_EQ(s.code(), Code::kUnimplemented) << s.ToString();
      EXPECT_THAT(s.message(), HasSubstr("updates rows by a gradient"));
    }
    const Status s = StepOfClipped(comm, halved);
    EXPECT_TRUE(s.ok()) << s.ToString();
  });
}

}  // namespace
}  // namespace lockstep
