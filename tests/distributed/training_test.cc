// SPDX-License-Identifier: Apache-2.0
// Training over every communicator; rank_runner.h says which run it.
#include "ops/training/training.h"

#include "ops/math/math.h"
#include "ops/state/state.h"
#include "ops/training/clip.h"
#include "tests/distributed/communicator_suite.h"
#include "tests/distributed/linear_model.h"
#include "tests/distributed/two_layers.h"

namespace lockstep {
namespace {

class TrainingTest : public CommunicatorTestBase {};
INSTANTIATE_TEST_SUITE_P(Backends, TrainingTest,
                         ::testing::ValuesIn(RankSetups()), SetupName);

TEST_P(TrainingTest, RanksFollowOneRankBitForBitAlike) {
  const Model model(/*noisy=*/true);
  const std::vector<float> want = Train(*Open(model.graph), 0, kSamples);
  Run([&](Communicator& comm) {
    const int64_t begin = kSamples * comm.rank() / comm.size();
    const int64_t end = kSamples * (comm.rank() + 1) / comm.size();
    const Model own(/*noisy=*/true);
    // The session goes before the communicator does.
    const std::shared_ptr<Communicator> borrowed(&comm, [](Communicator*) {});
    const std::vector<float> got =
        Train(*Open(own.graph, borrowed), begin, end);
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_NEAR(got[i], want[i], 2e-6) << i;
    }
    std::vector<float> all(got.size() * static_cast<size_t>(comm.size()));
    const auto count = static_cast<int64_t>(got.size());
    EXPECT_OK(comm.AllGather(got.data(), all.data(), count, kFloat));
    for (size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(all[i], got[i % got.size()]);
    }
  });
}

// Clipped gradients are added up by one run and applied, clipped anew, by
// another.
Node* SumsOfClipped(Network& n, Output loss) {
  const Scope& s = n.root;
  const std::vector<Output> clipped =
      ops::ClipByGlobalNorm(s, n.Gradients(loss), 0.2f).clipped;
  std::vector<Output> adds, applies;
  for (size_t i = 0; i < clipped.size(); ++i) {
    const Output sums = n.Slot(n.trained[i], "sums");
    adds.push_back(ops::AssignAdd(s, sums, clipped[i]));
    const Output all = ops::ClipByValue(s, sums, -0.1f, 0.2f);
    applies.push_back(
        ops::ApplyGradientDescent(s, n.trained[i], 0.1f, all)->output(0));
  }
  n.Group(applies, "apply");
  return n.Group(adds, "add");
}

VariableValues TrainSums(Session& session, const Network& n, int64_t begin,
                         int64_t end) {
  Status s = session.RunTargets({"init"});
  for (int i = 0; i < 6; ++i) {
    s.Update(session.RunTargets({"add"}, Data(i, begin, end)));
    if (i % 2 == 1) s.Update(session.RunTargets({"apply"}));
  }
  EXPECT_TRUE(s.ok()) << s.ToString();
  return s.ok() ? ValuesOf(session, n) : VariableValues();
}

TEST_P(TrainingTest, ClippedAndAccumulatedGradientsFollowOneRank) {
  const Network model(SumsOfClipped);
  const VariableValues want = TrainSums(*Open(model.graph), model, 0, kSamples);
  Run([&](Communicator& comm) {
    const int64_t begin = kSamples * comm.rank() / comm.size();
    const int64_t end = kSamples * (comm.rank() + 1) / comm.size();
    const Network own(SumsOfClipped);
    const std::shared_ptr<Communicator> borrowed(&comm, [](Communicator*) {});
    ExpectNear(TrainSums(*Open(own.graph, borrowed), own, begin, end), want,
               own);
  });
}

}  // namespace
}  // namespace lockstep
