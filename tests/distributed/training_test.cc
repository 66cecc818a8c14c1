// SPDX-License-Identifier: Apache-2.0
// Training over every communicator; rank_runner.h says which run it.
#include "tests/distributed/communicator_suite.h"
#include "tests/distributed/linear_model.h"

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

}  // namespace
}  // namespace lockstep
