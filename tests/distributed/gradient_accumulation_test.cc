// SPDX-License-Identifier: Apache-2.0
// Gradients that some runs add up and another applies: ranks follow one rank on
// the whole batches.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

#include "ops/array/array.h"
#include "ops/math/math.h"
#include "ops/state/state.h"
#include "ops/training/training.h"
#include "runtime/graph/meta_graph.h"
#include "runtime/io/npy.h"
#include "tests/distributed/linear_model.h"
#include "tests/distributed/two_layers.h"
#include "tests/testing/spawn_ranks.h"
#include "tests/testing/test_files.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

// Targets "accumulate", "apply" and "clear". `apply` makes the update of a
// variable by its sums.
using Apply = std::function<Output(Network&, Output variable, Output sums)>;
struct Options {
  bool first_assigns = false;  // "start" sets the sums, nothing clears them
  bool clips = false;          // what is added up
};
Network::Train Accumulating(const Apply& apply, Options options = {}) {
  return [=](Network& n, Output loss) {
    const Scope& s = n.root;
    std::vector<Output> gradients = n.Gradients(loss);
    std::vector<Output> starts, adds, applies, clears;
    for (size_t i = 0; i < gradients.size(); ++i) {
      const Output g = options.clips
                           ? ops::ClipByValue(s, gradients[i], -0.03f, 0.04f)
                           : gradients[i];
      const Output sums = n.Slot(n.trained[i], "sums");
      adds.push_back(ops::AssignAdd(s, sums, g));
      starts.push_back(n.Set(sums, g));
      applies.push_back(apply(n, n.trained[i], ops::ReadVariable(s, sums)));
      clears.push_back(
          n.Set(sums, ops::Mul(s, ops::ReadVariable(s, sums), 0.0f)));
    }
    n.Group(options.first_assigns ? starts : adds, "start");
    n.Group(adds, "accumulate");
    n.Group(options.first_assigns ? std::vector<Output>() : clears, "clear");
    return n.Group(applies, "apply");
  };
}

Output Subtract(Network& n, Output variable, Output sums) {
  return ops::AssignSub(n.root, variable, ops::Mul(n.root, sums, 0.1f));
}
Output Descent(Network& n, Output variable, Output sums) {
  return ops::ApplyGradientDescent(n.root, variable, 0.1f, sums)->output(0);
}
Output ClippedDescent(Network& n, Output variable, Output sums) {
  return Descent(n, variable, ops::ClipByValue(n.root, sums, -0.1f, 0.07f));
}
Output Momentum(Network& n, Output variable, Output sums) {
  const Output slot = n.Slot(variable, "momentum");
  return n.root.Op("ApplyMomentum")
      .In(variable)
      .In(slot)
      .In(0.1f)
      .In(sums)
      .In(0.9f)
      .Out();
}

VariableValues TrainParts(Session& session, const Network& n, int64_t begin,
                          int64_t end) {
  Status s = session.RunTargets({"init"});
  for (int i = 0; i < 9; ++i) {
    s.Update(session.RunTargets({i % 3 == 0 ? "start" : "accumulate"},
                                Data(i, begin, end)));
    if (i % 3 < 2) continue;
    s.Update(session.RunTargets({"apply"}));
    s.Update(session.RunTargets({"clear"}));
  }
  s.Update(session.RunTargets({"accumulate"}, Data(0, begin, end)));
  EXPECT_TRUE(s.ok()) << s.ToString();
  return s.ok() ? ValuesOf(session, n) : VariableValues();
}

struct Case {
  const char* name;
  Network::Train train;
  bool resource = false;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
class GradientAccumulationTest : public ::testing::TestWithParam<Case> {};

TEST_P(GradientAccumulationTest, RanksFollowOneRankOnTheWholeBatch) {
  const auto& [name, train, resource] = GetParam();
  const Network model(train, resource);
  const VariableValues want =
      TrainParts(*Open(model.graph), model, 0, kSamples);
  ASSERT_FALSE(want.empty());
  EXPECT_GT(std::abs(want[0][0] - 0.3f), 1e-3);
  ExpectRanksBecome(want, train, resource, TrainParts);
}

TEST_P(GradientAccumulationTest, ReplicasGiveTheSameBitsOnAnyNumberOfRanks) {
  const auto& [name, train, resource] = GetParam();
  ExpectReplicasKeepBits(train, resource, TrainParts);
}

INSTANTIATE_TEST_SUITE_P(
    Optimizers, GradientAccumulationTest,
    ::testing::Values(
        Case{"AssignSub", Accumulating(Subtract)},
        Case{"AssignSubOfResources", Accumulating(Subtract), true},
        Case{"ApplyGradientDescent", Accumulating(Descent)},
        Case{"ApplyGradientDescentOfResources", Accumulating(Descent), true},
        Case{"ClippedSums", Accumulating(ClippedDescent)},
        Case{"SumsOfClipped", Accumulating(Subtract, {.clips = true})},
        Case{"Momentum", Accumulating(Momentum)},
        Case{"FirstAssigned", Accumulating(Descent, {.first_assigns = true})}),
    [](const auto& info) { return std::string(info.param.name); });

// Where nothing but shapes tells gradients from samples, sums are exchanged as
// they are added, and what was clipped is refused.
TEST(GradientAccumulation, AFixedNumberOfSamples) {
  const Network model(Accumulating(Descent), false, kSamples);
  const VariableValues want =
      TrainParts(*Open(model.graph), model, 0, kSamples);
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    const int64_t begin = comm->rank() * 6;
    const Network own(Accumulating(Descent), false, 6);
    ExpectNear(TrainParts(*Open(own.graph, comm), own, begin, begin + 6), want,
               model);
    const Network clips(Accumulating(Descent, {.clips = true}), false, 6);
    auto session = Open(clips.graph, comm);
    EXPECT_TRUE(session->RunTargets({"init"}).ok());
    const Status s = session->RunTargets({"accumulate"}, Data(0, 0, 6));
    EXPECT_EQ(s.code(), Code::kUnimplemented) << s.ToString();
    EXPECT_THAT(s.message(), HasSubstr("(AssignAdd) trains variable"));
    EXPECT_THAT(s.message(), HasSubstr("_sums"));
  });
}

// Metrics are kept for a program that reads them, not for training: no rank
// waits for others, though a mean is made of them by another run.
TEST(GradientAccumulation, MetricsAreLeftAlone) {
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    const Network own([](Network& n, Output loss) {
      const Output total = n.Make("total", Tensor(0.0f));
      const Output mean = n.Make("mean", Tensor(0.0f));
      ops::AssignAdd(n.root.WithName("add"), total, loss);
      n.root.WithName("track")
          .WithControlDependencies({n.Set(mean, ops::Mul(n.root, total, 0.5f))})
          .Op("NoOp")
          .Build();
      return Accumulating(Subtract)(n, loss);
    });
    auto session = Open(own.graph, comm);
    EXPECT_TRUE(session->RunTargets({"init"}).ok());
    if (comm->rank() > 0) return;
    const Status s = session->RunTargets({"add"}, Data(0, 0, 6));
    EXPECT_TRUE(s.ok()) << s.ToString();
  });
}

// A recorded program of TensorFlow's, its batches of five divided among ranks.
TEST(GradientAccumulation, TheRecordedProgramOnTwoRanks) {
  LS_REQUIRE_FIXTURES();
  Env& env = *Env::Default();
  const auto file = [](const std::string& name) {
    return FixtureFile(StrCat("gradient_accumulation/", name));
  };
  const auto rows_of = [&](const std::string& name, int64_t begin,
                           int64_t end) {
    const Tensor all = ReadNpy(env, file(name)).value();
    const int64_t width = all.shape().dim(1);
    Tensor part(kFloat, Shape{end - begin, width});
    std::ranges::copy(
        all.flat<float>().subspan(static_cast<size_t>(begin * width),
                                  static_cast<size_t>((end - begin) * width)),
        part.flat<float>().begin());
    return part;
  };
  SpawnRanksShared(2, [&](std::shared_ptr<Communicator> comm) {
    const auto meta = ReadGraphFile(env, file("graph.meta"));
    ASSERT_TRUE(meta.ok()) << meta.status().ToString();
    auto session = Open(meta->graph, comm, {.batch = "x:0"});
    Status s = session->RunTargets({"init"});
    const int64_t begin = comm->rank() * 2, end = 2 + comm->rank() * 3;
    for (int i = 1; i <= 6; ++i) {
      const std::string tail = i == 1 ? ".npy" : StrCat("_", i, ".npy");
      s.Update(session->RunTargets({"accumulate"},
                                   {{"x:0", rows_of("x" + tail, begin, end)},
                                    {"y:0", rows_of("y" + tail, begin, end)}}));
      if (i % 3 == 0) s.Update(session->RunTargets({"apply"}));
      if (i % 3 == 0) s.Update(session->RunTargets({"clear"}));
    }
    ASSERT_TRUE(s.ok()) << s.ToString();
    const auto got = session->Run({}, {"read_6:0", "read_7:0"}).value();
    for (const int r : {6, 7}) {
      const auto want = Floats(
          ReadNpy(env, file(StrCat("want14_read_", r, "_0.npy"))).value());
      const auto values = Floats(got[static_cast<size_t>(r - 6)]);
      ASSERT_EQ(values.size(), want.size());
      for (size_t k = 0; k < want.size(); ++k) {
        EXPECT_NEAR(values[k], want[k], 1e-5 + 1e-4 * std::abs(want[k]));
      }
    }
  });
}

}  // namespace
}  // namespace lockstep
