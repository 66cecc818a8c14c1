// SPDX-License-Identifier: Apache-2.0
// Divided updates over every communicator: the values are those of updates that
// all ranks make in full. rank_runner.h says which run it.
#include <sys/stat.h>

#include <algorithm>

#include "ops/array/array.h"
#include "ops/linalg/linalg.h"
#include "ops/math/math.h"
#include "ops/reduce/reduce.h"
#include "ops/state/state.h"
#include "ops/training/optimizer.h"
#include "runtime/device/shared_host.h"
#include "tests/distributed/communicator_suite.h"
#include "tests/distributed/linear_model.h"

namespace lockstep {
namespace {

class DividedUpdatesTest : public CommunicatorTestBase {};
INSTANTIATE_TEST_SUITE_P(Backends, DividedUpdatesTest,
                         ::testing::ValuesIn(RankSetups()), SetupName);

constexpr int64_t kInputs = 37;
constexpr int64_t kHidden = 90;

// Two layers and a bias; `train` updates all by Adam, `train_last` the last two
// by momentum; "init".
struct TwoLayers {
  TwoLayers() {
    const Output x =
        ops::Placeholder(root.WithName("x"), kFloat, Shape{-1, kInputs});
    const auto variable = [&](const char* name, Shape shape) {
      Tensor value(kFloat, shape);
      int i = 0;
      for (float& v : value.flat<float>()) {
        v = static_cast<float>((i++ * 13 + 5) % 29) / 58.0f - 0.2f;
      }
      variables.push_back(ops::InitializedVariable(root.WithName(name), value));
      return variables.back();
    };
    const Output w1 = variable("w1", {kInputs, kHidden});
    const Output w2 = variable("w2", {kHidden, 3});
    const Output b = variable("b", {3});
    const Output hidden = ops::Tanh(root, ops::MatMul(root, x, w1));
    const Output y = ops::Add(root, ops::MatMul(root, hidden, w2), b);
    const Output loss =
        ops::Mean(root.WithName("loss"), ops::Square(root, y), {0, 1});
    ops::AdamOptimizer adam(0.01f);
    const std::vector<Output> trained = variables;
    train = adam.Minimize(root, loss, trained)->name();
    ops::MomentumOptimizer momentum(0.02f, 0.9f);
    train_last = momentum.Minimize(root, loss, {w2, b})->name();
    for (const auto* optimizer :
         std::initializer_list<const ops::Optimizer*>{&adam, &momentum}) {
      for (const Output& slot : optimizer->variables()) {
        variables.push_back(slot);
      }
    }
    ops::VariablesInitializer(root.WithName("init"));
    EXPECT_TRUE(root.ok()) << root.status().ToString();
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const Output& v : variables) names.push_back(v.name());
    return names;
  }

  Graph graph;
  Scope root{&graph};
  std::vector<Output> variables;  // slots included
  std::string train, train_last;  // targets
};

std::vector<Session::Feed> Samples(int rank, int step) {
  Tensor x(kFloat, Shape{4, kInputs});
  int i = 0;
  for (float& v : x.flat<float>()) {
    v = static_cast<float>((i++ * 7 + rank * 11 + step * 3) % 23) / 23.0f;
  }
  return {{"x:0", x}};
}

std::vector<std::vector<float>> Values(Session& session,
                                       const TwoLayers& model) {
  auto values = session.Run({}, model.Names());
  EXPECT_TRUE(values.ok()) << values.status().ToString();
  std::vector<std::vector<float>> all;
  if (!values.ok()) return all;
  for (const Tensor& t : *values) all.push_back(Floats(t));
  return all;
}

void TrainSteps(Session& session, const Communicator& comm, int first, int last,
                const std::string& target) {
  for (int i = first; i < last; ++i) {
    EXPECT_OK(session.RunTargets({target}, Samples(comm.rank(), i)));
  }
}

TEST_P(DividedUpdatesTest, VariablesAndSlotsHaveTheBitsOfFullUpdates) {
  Run([&](Communicator& comm) {
    const TwoLayers model;
    const std::shared_ptr<Communicator> borrowed(&comm, [](Communicator*) {});
    std::vector<std::vector<std::vector<float>>> results;
    for (const bool divide : {false, true}) {
      for (const int64_t bucket :
           {int64_t{1}, int64_t{8000}, int64_t{8000}, int64_t{0}, int64_t{0}}) {
        // Half of them by a thread of its own.
        using Overlap = DataParallelOptions::Overlap;
        auto session =
            Open(model.graph, borrowed,
                 {.batch = "x:0",
                  .bucket_bytes = bucket,
                  .overlap = results.size() % 2 ? Overlap::kOn : Overlap::kOff,
                  .divide_updates = divide});
        EXPECT_OK(session->RunTargets({"init"}));
        TrainSteps(*session, comm, 0, 5, model.train);
        // Rank 0 reads slots alone.
        if (comm.rank() == 0) (void)Values(*session, model);
        TrainSteps(*session, comm, 5, 9, model.train);
        // Slots are divided otherwise, then as before.
        TrainSteps(*session, comm, 9, 12, model.train_last);
        TrainSteps(*session, comm, 12, 14, model.train);
        results.push_back(Values(*session, model));
      }
    }
    for (size_t i = 1; i < results.size(); ++i) {
      ASSERT_EQ(results[i].size(), results[0].size());
      for (size_t v = 0; v < results[0].size(); ++v) {
        EXPECT_EQ(results[i][v], results[0][v])
            << "setup " << i << ", " << model.Names()[v];
      }
    }
  });
}

TEST_P(DividedUpdatesTest, AreMadeWhereRanksSeeEachOthersArrays) {
  Run([&](Communicator& comm) {
    const TwoLayers model;
    const std::shared_ptr<Communicator> borrowed(&comm, [](Communicator*) {});
    SessionOptions options = CpuOptions();
    UseDataParallel(borrowed, {.batch = "x:0", .bucket_bytes = 1 << 20},
                    &options);
    auto session = Open(model.graph, std::move(options));
    auto info = session->Explain(Samples(0, 0), {}, {model.train});
    ASSERT_TRUE(info.ok()) << info.status().ToString();
    const auto made =
        std::ranges::count_if(info->steps, [](const std::string& step) {
          return step.find("_GradientUpdate(") != std::string::npos;
        });
    EXPECT_EQ(made, comm.size() > 1 && comm.sees_arrays() ? 1 : 0);
  });
}

// Bytes that the machine gave to this rank's memory that others see.
int64_t SharedBytes(const Communicator& comm) {
  const auto host = std::dynamic_pointer_cast<SharedHost>(comm.host());
  struct stat info = {};
  if (host == nullptr || fstat(host->file(), &info) != 0) return -1;
  return int64_t{info.st_blocks} * 512;
}

TEST_P(DividedUpdatesTest, SlotsTakeMemoryOncePerMachine) {
  Run([&](Communicator& comm) {
    if (comm.size() == 1 || SharedBytes(comm) < 0) return;
    constexpr int64_t kCount = int64_t{1} << 20;  // 4 MiB, and two slots
    Graph graph;
    const Scope root(&graph);
    const Output w = ops::InitializedVariable(
        root.WithName("w"), ops::Fill(root, {int32_t{kCount}}, 1.0f));
    const Output x = ops::Placeholder(root.WithName("x"), kFloat, Shape{-1});
    const Output loss = ops::Mean(
        root, ops::Mul(root, ops::Square(root, w), ops::Sum(root, x, {0})),
        {0});
    ops::AdamOptimizer adam(0.01f);
    const std::string train = adam.Minimize(root, loss, {w})->name();
    ops::VariablesInitializer(root.WithName("init"));
    const std::shared_ptr<Communicator> borrowed(&comm, [](Communicator*) {});
    auto session = Open(graph, borrowed, {.batch = "x:0"});
    const std::vector<Session::Feed> feeds = {
        {"x:0", Tensor::Of<float>({1}, {1})}};
    EXPECT_OK(session->RunTargets({"init"}));
    EXPECT_OK(session->Explain(feeds, {}, {train}).status());
    const int64_t before = SharedBytes(comm);
    EXPECT_OK(session->RunTargets({train}, feeds));
    // The step's own memory, at most three times the variable, may have come.
    const int64_t slots = 2 * 4 * kCount;
    const int64_t most = before + 3 * 4 * kCount - slots +
                         slots / comm.update_size() + (1 << 20);
    EXPECT_LE(SharedBytes(comm), most) << "before: " << before;
    const auto m = session->RunOne({}, adam.Slot(w, "m").name());
    ASSERT_TRUE(m.ok()) << m.status().ToString();
    const auto values = m->flat<float>();
    EXPECT_EQ(std::ranges::count(values, values[0]), kCount);
    EXPECT_NE(values[0], 0.0f);
    EXPECT_OK(comm.Barrier());
  });
}

// A rank that ends its session before another one has read its slots.
TEST_P(DividedUpdatesTest, SlotsAreReadAfterOtherRanksHaveEnded) {
  Run([&](Communicator& comm) {
    const TwoLayers model;
    const std::shared_ptr<Communicator> borrowed(&comm, [](Communicator*) {});
    std::vector<std::vector<float>> full;
    for (const bool divide : {false, true}) {
      auto session = Open(model.graph, borrowed,
                          {.batch = "x:0", .divide_updates = divide});
      EXPECT_OK(session->RunTargets({"init"}));
      TrainSteps(*session, comm, 0, 4, model.train);
      if (comm.rank() != 0) session.reset();
      EXPECT_OK(comm.Barrier());
      if (comm.rank() != 0) continue;
      const auto values = Values(*session, model);
      if (!divide) full = values;
      EXPECT_EQ(values, full);
    }
  });
}

TEST_P(DividedUpdatesTest, ASlotThatIsAssignedIsWhole) {
  Run([&](Communicator& comm) {
    const TwoLayers model;
    const std::shared_ptr<Communicator> borrowed(&comm, [](Communicator*) {});
    std::vector<std::vector<float>> full;
    for (const bool divide : {false, true}) {
      auto session = Open(model.graph, borrowed,
                          {.batch = "x:0", .divide_updates = divide});
      EXPECT_OK(session->RunTargets({"init"}));
      TrainSteps(*session, comm, 0, 4, model.train);
      EXPECT_OK(session->RunTargets({"init"}));
      const auto initial = Values(*session, model);
      TrainSteps(*session, comm, 4, 6, model.train);
      const auto values = Values(*session, model);
      EXPECT_NE(values, initial);
      if (!divide) full = values;
      EXPECT_EQ(values, full);
    }
  });
}

}  // namespace
}  // namespace lockstep
