// SPDX-License-Identifier: Apache-2.0
#include "distributed/agreed_status.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/testing/spawn_ranks.h"

namespace lockstep {
namespace {

// What each of three ranks gets, in words, when `status(rank)` is its own.
std::vector<std::string> Agree(const std::function<Status(int)>& status) {
  std::vector<std::string> got(3);
  SpawnRanks(3, [&](Communicator& comm) {
    const int rank = comm.rank();
    got[static_cast<size_t>(rank)] =
        AgreeOnStatus(comm, status(rank)).ToString();
  });
  return got;
}

using Texts = std::vector<std::string>;

TEST(AgreedStatusTest, AllGoOnWhereNoneHasAnError) {
  EXPECT_EQ(Agree([](int) { return Ok(); }), (Texts{"OK", "OK", "OK"}));
}

TEST(AgreedStatusTest, TheRankThatHasTheErrorTellsAndIsNamed) {
  EXPECT_EQ(Agree([](int rank) {
              return rank == 1 ? NotFound("no file 'x'") : Ok();
            }),
            (Texts{"CANCELLED: rank 1 has the error",
                   "NOT_FOUND: [rank 1]: no file 'x'",
                   "CANCELLED: rank 1 has the error"}));
}

TEST(AgreedStatusTest, AllThatHaveTheSameErrorAreNamed) {
  EXPECT_EQ(
      Agree([](int rank) { return rank > 0 ? NotFound("no file 'x'") : Ok(); }),
      (Texts{"CANCELLED: rank 1 has the error",
             "NOT_FOUND: [ranks 1, 2]: no file 'x'",
             "CANCELLED: rank 1 has the error"}));
}

// Of ranks with errors of their own the first tells its own.
TEST(AgreedStatusTest, OtherErrorsAreOfOtherRanks) {
  EXPECT_EQ(Agree([](int rank) { return Internal("out of luck ", rank); })[0],
            "INTERNAL: [rank 0]: out of luck 0");
}

// A wrong option, which every rank finds.
TEST(AgreedStatusTest, AnErrorOfAllRanksNamesNone) {
  EXPECT_EQ(
      Agree([](int) { return InvalidArgument("--batch 0"); }),
      (Texts{"INVALID_ARGUMENT: --batch 0", "CANCELLED: rank 0 has the error",
             "CANCELLED: rank 0 has the error"}));
}

TEST(AgreedStatusTest, AnErrorThatNamesItsRankStaysAsItIs) {
  EXPECT_EQ(Agree([](int rank) {
              return rank == 2 ? Internal("[rank 2] node 'a': bad") : Ok();
            })[2],
            "INTERNAL: [rank 2] node 'a': bad");
}

// Another failure has ended the job: this rank's own error says more.
TEST(AgreedStatusTest, OwnErrorsComeBeforeThatTheOthersCannotBeAsked) {
  SpawnRanks(2, [](Communicator& comm) {
    comm.Abort(Unavailable("the job is over"));
    bool talked = true;
    EXPECT_EQ(AgreeOnStatus(comm, NotFound("no file"), {}, &talked).ToString(),
              StrCat("NOT_FOUND: [rank ", comm.rank(), "]: no file"));
    EXPECT_FALSE(talked);
    EXPECT_EQ(AgreeOnStatus(comm, Ok()).code(), Code::kUnavailable);
  });
}

}  // namespace
}  // namespace lockstep
