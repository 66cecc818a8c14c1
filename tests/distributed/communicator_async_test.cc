// SPDX-License-Identifier: Apache-2.0
// The suite of all communicators: calls by handle.
#include <thread>

#include "runtime/core/env.h"
#include "tests/distributed/communicator_suite.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

class CommunicatorAsyncTest : public CommunicatorTestBase {};
INSTANTIATE_TEST_SUITE_P(Backends, CommunicatorAsyncTest,
                         ::testing::ValuesIn(RankSetups()), SetupName);

// As an array of floats, what rank `rank` has.
std::vector<float> Mine(int rank, int64_t count) {
  return Values<float>(rank, count);
}

float SumAt(int size, int64_t i) {
  float sum = 0;
  for (int r = 0; r < size; ++r) sum += static_cast<float>(Value(r, i));
  return sum;
}

TEST_P(CommunicatorAsyncTest, EveryKindOfCallGivesWhatTheWaitingOneGives) {
  Run([](Communicator& comm) {
    constexpr int64_t kCount = 700;
    const int n = comm.size();
    const auto in = Mine(comm.rank(), kCount * n);
    std::vector<float> sum(kCount), part(kCount), all(in.size());
    std::vector<float> root = Mine(comm.rank(), kCount);
    std::vector<PendingCall> calls;
    {
      // The name and the options need not outlive the call.
      const std::string name = "a name of the caller's own";
      calls.push_back(comm.AllReduceAsync(in.data(), sum.data(), kCount, kFloat,
                                          ReduceOp::kSum, {.name = name}));
    }
    calls.push_back(
        comm.ReduceScatterAsync(in.data(), part.data(), kCount, kFloat));
    calls.push_back(comm.AllGatherAsync(in.data(), all.data(), kCount, kFloat));
    calls.push_back(comm.BroadcastAsync(root.data(), kCount, kFloat, n - 1));
    calls.push_back(comm.BarrierAsync());
    for (PendingCall& call : calls) {
      EXPECT_OK(call.Wait());
      EXPECT_TRUE(call.done());
      EXPECT_OK(call.Wait());
    }
    EXPECT_EQ(root, Mine(n - 1, kCount));
    for (int64_t i = 0; i < kCount; ++i) {
      const auto at = static_cast<size_t>(i);
      ASSERT_EQ(sum[at], SumAt(n, i));
      ASSERT_EQ(part[at], SumAt(n, comm.rank() * kCount + i));
      for (int r = 0; r < n; ++r) {
        ASSERT_EQ(all[static_cast<size_t>(r * kCount + i)],
                  static_cast<float>(Value(r, i)));
      }
    }
  });
}

// Odd ranks wait for each call before the next, even ones for none: the order
// is the same, and so are the results.
TEST_P(CommunicatorAsyncTest, CallsAreMadeInTheOrderOfTheProgram) {
  Run([](Communicator& comm) {
    constexpr int kCalls = 120;
    const bool waits = comm.rank() % 2 == 1;
    std::vector<int64_t> x(kCalls);
    std::vector<PendingCall> calls;
    for (int i = 0; i < kCalls; ++i) {
      int64_t* at = &x[static_cast<size_t>(i)];
      *at = i;
      if (waits || i % 40 == 39) {
        EXPECT_OK(comm.AllReduce(at, at, 1, kInt64));
        // A waiting call comes after those before it.
        for (const PendingCall& call : calls) EXPECT_TRUE(call.done());
      } else {
        calls.push_back(comm.AllReduceAsync(at, at, 1, kInt64));
      }
    }
    for (PendingCall& call : calls) EXPECT_OK(call.Wait());
    for (int i = 0; i < kCalls; ++i) {
      EXPECT_EQ(x[static_cast<size_t>(i)], i * comm.size());
    }
  });
}

// The other ranks come to the sum only after a message that rank 0 sends after
// it has begun its own.
TEST_P(CommunicatorAsyncTest, ACallGoesOnWhileItsRankDoesSomethingElse) {
  if (size() < 2) GTEST_SKIP() << "needs another rank";
  Run([](Communicator& comm) {
    auto other = comm.Split(0, comm.rank());
    ASSERT_TRUE(other.ok()) << other.status().ToString();
    std::vector<float> x = Mine(comm.rank(), 20'000);
    PendingCall sum;
    int32_t word = comm.rank();
    if (comm.rank() == 0) {
      sum = comm.AllReduceAsync(x.data(), x.data(), 20'000, kFloat);
      EXPECT_OK((*other)->Broadcast(&word, 1, kInt32, 0));
    } else {
      EXPECT_OK((*other)->Broadcast(&word, 1, kInt32, 0));
      sum = comm.AllReduceAsync(x.data(), x.data(), 20'000, kFloat);
    }
    EXPECT_EQ(word, 0);
    EXPECT_OK(sum.Wait());
    for (int64_t i = 0; i < 20'000; ++i) {
      ASSERT_EQ(x[static_cast<size_t>(i)], SumAt(comm.size(), i));
    }
  });
}

TEST_P(CommunicatorAsyncTest, MessagesCrossWithoutAnOrderBetweenTheRanks) {
  if (size() < 2) GTEST_SKIP() << "needs another rank";
  Run([](Communicator& comm) {
    constexpr int64_t kLarge = 300'000;
    const int n = comm.size();
    const int right = (comm.rank() + 1) % n;
    const int left = (comm.rank() + n - 1) % n;
    const auto sent = Mine(comm.rank(), kLarge);
    std::vector<float> got(sent.size());
    // One way at a time: a communicator makes one call at a time.
    PendingCall call =
        comm.rank() % 2 == 0
            ? comm.SendAsync(sent.data(), kLarge, kFloat, right, 1)
            : comm.RecvAsync(got.data(), kLarge, kFloat, left, 1);
    EXPECT_OK(call.Wait());
    if (comm.rank() % 2 == 0) {
      EXPECT_OK(comm.Recv(got.data(), kLarge, kFloat, left, 1));
    } else {
      EXPECT_OK(comm.Send(sent.data(), kLarge, kFloat, right, 1));
    }
    EXPECT_EQ(got, Mine(left, kLarge));
    EXPECT_OK(comm.Barrier());
  });
}

TEST_P(CommunicatorAsyncTest, AWaitWithADeadlineEndsBeforeTheCallDoes) {
  if (size() < 2) GTEST_SKIP() << "needs another rank";
  Run([](Communicator& comm) {
    auto other = comm.Split(0, comm.rank());
    ASSERT_TRUE(other.ok()) << other.status().ToString();
    float x = 1;
    if (comm.rank() == 0) {
      PendingCall sum = comm.AllReduceAsync(&x, &x, 1, kFloat);
      const Status early = sum.Wait(Env::Default()->SteadyMicros() + 20'000);
      EXPECT_EQ(early.code(), Code::kDeadlineExceeded) << early.ToString();
      EXPECT_FALSE(sum.done());
      EXPECT_OK((*other)->Barrier());
      EXPECT_OK(sum.Wait());
    } else {
      EXPECT_OK((*other)->Barrier());
      EXPECT_OK(comm.AllReduce(&x, &x, 1, kFloat));
    }
    EXPECT_EQ(x, static_cast<float>(comm.size()));
  });
}

TEST_P(CommunicatorAsyncTest, TheEndOfAHandleWaitsForItsCall) {
  Run([](Communicator& comm) {
    for (int i = 0; i < 50; ++i) {
      auto x = std::make_unique<std::vector<float>>(Mine(comm.rank(), 3000));
      {
        const PendingCall sum =
            comm.AllReduceAsync(x->data(), x->data(), 3000, kFloat);
      }
      EXPECT_EQ((*x)[7], SumAt(comm.size(), 7));
      x.reset();  // a call that still wrote to it would be seen by a sanitizer
    }
  });
}

TEST_P(CommunicatorAsyncTest, BadArgumentsBreakNothing) {
  Run([](Communicator& comm) {
    float x = 1;
    PendingCall bad = comm.AllReduceAsync(&x, &x, -1, kFloat);
    PendingCall good = comm.BarrierAsync();
    EXPECT_EQ(bad.Wait().code(), Code::kInvalidArgument);
    EXPECT_OK(good.Wait());
    EXPECT_OK(comm.status());
  });
}

TEST_P(CommunicatorAsyncTest, DifferentCallsAreFoundOutByAllHandles) {
  if (size() < 2) GTEST_SKIP() << "needs another rank";
  Run([](Communicator& comm) {
    float x[2] = {};
    std::vector<PendingCall> calls;
    calls.push_back(comm.rank() == 0
                        ? comm.BroadcastAsync(x, 2, kFloat, 0, {.name = "init"})
                        : comm.AllReduceAsync(x, x, 2, kFloat, ReduceOp::kSum,
                                              {.name = "grads"}));
    calls.push_back(comm.BarrierAsync());
    for (PendingCall& call : calls) {
      const Status s = call.Wait();
      EXPECT_EQ(s.code(), Code::kFailedPrecondition) << s.ToString();
      EXPECT_THAT(s.message(), HasSubstr("calls Broadcast #1 'init'"));
    }
    EXPECT_EQ(comm.Barrier().code(), Code::kFailedPrecondition);
  });
}

// The rank that does not come is an error at the call's deadline, for the call
// and all behind it.
TEST_P(CommunicatorAsyncTest, AMissingRankIsAnErrorOfAllThatWaits) {
  if (size() < 2) GTEST_SKIP() << "needs another rank";
  Run([](Communicator& comm) {
    // All begin at once, however long one took to come here.
    ASSERT_TRUE(comm.Barrier().ok());
    const int late = comm.size() - 1;
    if (comm.rank() == late) {
      std::this_thread::sleep_for(std::chrono::milliseconds(800));
    } else {
      comm.set_timeout_micros(150'000);
    }
    float x[3] = {};
    PendingCall sum =
        comm.AllReduceAsync(x, x, 3, kFloat, ReduceOp::kSum, {.name = "grads"});
    PendingCall barrier = comm.BarrierAsync();
    Status s = sum.Wait();
    if (comm.rank() == late) s.Update(barrier.Wait());
    EXPECT_EQ(s.code(), Code::kDeadlineExceeded) << s.ToString();
    EXPECT_EQ(barrier.Wait().code(), Code::kDeadlineExceeded);
  });
}

TEST_P(CommunicatorAsyncTest, AbortEndsWhatIsPending) {
  if (size() < 2) GTEST_SKIP() << "needs another rank";
  Run([](Communicator& comm) {
    float x = 0;
    if (comm.rank() == 0) {
      PendingCall first = comm.RecvAsync(&x, 1, kFloat, 1, 0);
      PendingCall second = comm.RecvAsync(&x, 1, kFloat, 1, 0);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      comm.Abort(Aborted("no more of this"));
      EXPECT_EQ(first.Wait().code(), Code::kAborted);
      EXPECT_EQ(second.Wait().code(), Code::kAborted);
    } else {
      PendingCall call = comm.RecvAsync(&x, 1, kFloat, 0, 0);
      EXPECT_EQ(call.Wait().code(), Code::kAborted);
    }
  });
}

TEST(PendingCallTest, AHandleOfNoCallIsDone) {
  PendingCall none;
  EXPECT_TRUE(none.done());
  EXPECT_OK(none.Wait());
}

}  // namespace
}  // namespace lockstep
