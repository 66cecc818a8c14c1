// SPDX-License-Identifier: Apache-2.0
// The suite of all communicators: misuse, ranks that are late, gone, or call
// something else.
#include <thread>

#include "runtime/core/env.h"
#include "tests/distributed/communicator_suite.h"

namespace lockstep {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class CommunicatorFaultTest : public CommunicatorTestBase {
 protected:
  void SetUp() override {
    if (size() < 2) GTEST_SKIP() << "needs another rank";
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, CommunicatorFaultTest,
                         ::testing::ValuesIn(RankSetups()), SetupName);

// Far more than an error takes, far less than a hang.
constexpr uint64_t kSoon = 30'000'000;

uint64_t Now() { return Env::Default()->SteadyMicros(); }

TEST_P(CommunicatorFaultTest, BadArgumentsAreRefusedAndBreakNothing) {
  Run([](Communicator& comm) {
    float x = 1;
    std::string s;
    bool b = true;
    int32_t i = 1;
    const Piece piece{&i, &i, 1};
    EXPECT_EQ(comm.AllReduce(&s, &s, 1, kString).code(),
              Code::kInvalidArgument);
    EXPECT_EQ(comm.AllReduce(&b, &b, 1, kBool).code(), Code::kUnimplemented);
    EXPECT_EQ(comm.AllReduce(&x, &x, -1, kFloat).code(),
              Code::kInvalidArgument);
    EXPECT_EQ(comm.AllReduce(nullptr, &x, 1, kFloat).code(),
              Code::kInvalidArgument);
    EXPECT_EQ(comm.AllReduce({&piece, 1}, kInt32, ReduceOp::kSum, 0.5).code(),
              Code::kInvalidArgument);
    EXPECT_EQ(comm.Broadcast(&x, 1, kFloat, comm.size()).code(),
              Code::kInvalidArgument);
    EXPECT_EQ(comm.Send(&x, 1, kFloat, comm.rank(), 0).code(),
              Code::kInvalidArgument);
    EXPECT_EQ(comm.Recv(&x, 1, kFloat, -1, 0).code(), Code::kInvalidArgument);
    EXPECT_EQ(comm.Split(-1, 0).status().code(), Code::kInvalidArgument);
    EXPECT_OK(comm.status());
    EXPECT_OK(comm.Barrier());
  });
}

TEST_P(CommunicatorFaultTest, DifferentCallsAreFoundOutOnEveryRank) {
  Run([](Communicator& comm) {
    float x[2] = {};
    const int odd = comm.size() - 1;
    Status s = comm.Barrier();
    // A machine may fail before another one's ranks have left the barrier.
    if (!comm.between_machines()) EXPECT_OK(s);
    if (s.ok())
      s = comm.rank() == odd ? comm.Broadcast(x, 2, kFloat, 0, {.name = "init"})
                             : comm.AllReduce(x, x, 2, kFloat, ReduceOp::kSum,
                                              {.name = "grads"});
    EXPECT_EQ(s.code(), Code::kFailedPrecondition) << s.ToString();
    // A rank that is alone on its machine is found out in a group below, which
    // has numbers of its own.
    const std::string number = comm.between_machines() ? "[0-9]+" : "2";
    EXPECT_THAT(s.message(), ContainsRegex("calls AllReduce #" + number +
                                           " 'grads' of 2 float"));
    EXPECT_THAT(s.message(),
                ContainsRegex(StrCat("rank ", odd, " calls Broadcast #", number,
                                     " 'init'")));
    EXPECT_EQ(comm.Barrier().code(), Code::kFailedPrecondition);
  });
}

// However soon the rank that failed is gone, its error is the one that counts.
TEST_P(CommunicatorFaultTest, AFailureIsTheCauseThoughItsRankLeftAtOnce) {
  if (GetParam().backend != "local" || size() < 2) GTEST_SKIP() << "threads";
  for (int i = 0; i < 200; ++i) {
    Run([](Communicator& comm) {
      float x = 0;
      if (comm.rank() == 1) {
        comm.Abort(DataLoss("no disk"));
        return;
      }
      const Status s = comm.Recv(&x, 1, kFloat, 1, 0);
      EXPECT_EQ(s.code(), Code::kDataLoss) << s.ToString();
    });
  }
}

TEST_P(CommunicatorFaultTest, DifferentSizesAreFoundOut) {
  Run([](Communicator& comm) {
    std::vector<float> x(9000);
    const int64_t count = comm.rank() == 0 ? 9000 : 4;
    const Status s = comm.AllReduce(x.data(), x.data(), count, kFloat);
    EXPECT_EQ(s.code(), Code::kFailedPrecondition) << s.ToString();
    EXPECT_THAT(s.message(), HasSubstr("of 9000 float"));
    EXPECT_THAT(s.message(), HasSubstr("of 4 float"));
  });
}

TEST_P(CommunicatorFaultTest, AMessageWithAnotherTagIsFoundOut) {
  Run([](Communicator& comm) {
    float x = 0;
    if (comm.rank() == 0) {
      (void)comm.Send(&x, 1, kFloat, 1, 3);
    } else if (comm.rank() == 1) {
      const Status s = comm.Recv(&x, 1, kFloat, 0, 4);
      EXPECT_EQ(s.code(), Code::kFailedPrecondition) << s.ToString();
      EXPECT_THAT(s.message(), HasSubstr("tag 3"));
      EXPECT_THAT(s.message(), HasSubstr("tag 4"));
    }
  });
}

// The last rank does not call in time; the others say so, and when it comes at
// last it learns what happened, in this call or (over a network) the next.
TEST_P(CommunicatorFaultTest, AMissingRankIsAnErrorAtTheDeadline) {
  Run([](Communicator& comm) {
    const int late = comm.size() - 1;
    const uint64_t start = Now();
    if (comm.rank() == late) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    } else {
      comm.set_timeout_micros(300'000);
    }
    float x[4] = {};
    Status s =
        comm.AllReduce(x, x, 4, kFloat, ReduceOp::kSum, {.name = "grads"});
    if (comm.rank() == late) s.Update(comm.Barrier());
    EXPECT_EQ(s.code(), Code::kDeadlineExceeded) << s.ToString();
    EXPECT_THAT(s.message(), HasSubstr("AllReduce #1 'grads'"));
    EXPECT_THAT(s.message(), HasSubstr(StrCat("rank ", late)));
    EXPECT_LT(Now() - start, kSoon);
    EXPECT_EQ(comm.Barrier().code(), Code::kDeadlineExceeded);
  });
}

TEST_P(CommunicatorFaultTest, AReceiveWithoutASendIsAnErrorAtTheDeadline) {
  Run([](Communicator& comm) {
    float x = 0;
    if (comm.rank() == 1) {
      const Status s =
          comm.Recv(&x, 1, kFloat, 0, 7, {.deadline_micros = Now() + 200'000});
      EXPECT_EQ(s.code(), Code::kDeadlineExceeded) << s.ToString();
      EXPECT_THAT(s.message(), HasSubstr("Recv from rank 0"));
    } else {
      EXPECT_EQ(comm.Barrier().code(), Code::kDeadlineExceeded);
    }
  });
}

TEST_P(CommunicatorFaultTest, ARankThatLeavesIsNamedBeforeTheDeadline) {
  Run([](Communicator& comm) {
    if (comm.rank() == 0) return;  // its communicator is destroyed
    const uint64_t start = Now();
    const Status s = comm.Barrier({.name = "step"});
    EXPECT_EQ(s.code(), Code::kUnavailable) << s.ToString();
    EXPECT_THAT(s.message(), HasSubstr("rank 0"));
    EXPECT_THAT(s.message(), HasSubstr("left"));
    EXPECT_LT(Now() - start, kSoon);
  });
}

TEST_P(CommunicatorFaultTest, AbortEndsTheCallsOfAllRanks) {
  Run([](Communicator& comm) {
    // A slow rank may still be in the barrier when rank 1 gives up.
    Status s = comm.Barrier();
    if (comm.rank() == 1) comm.Abort(Aborted("rank 1 ran out of disk"));
    float x = 0;
    s.Update(comm.AllReduce(&x, &x, 1, kFloat));
    EXPECT_EQ(s.code(), Code::kAborted) << s.ToString();
    EXPECT_THAT(s.message(), HasSubstr("rank 1 ran out of disk"));
  });
}

TEST_P(CommunicatorFaultTest, AbortFromAnotherThreadEndsAWait) {
  Run([](Communicator& comm) {
    if (comm.rank() == 0) {
      std::thread watchdog([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        comm.Abort(Aborted("stopped from outside"));
      });
      float x = 0;
      EXPECT_EQ(comm.Recv(&x, 1, kFloat, 1, 0).code(), Code::kAborted);
      watchdog.join();
    } else {
      float x = 0;
      EXPECT_EQ(comm.Recv(&x, 1, kFloat, 0, 0).code(), Code::kAborted);
    }
  });
}

}  // namespace
}  // namespace lockstep
