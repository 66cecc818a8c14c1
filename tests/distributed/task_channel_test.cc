// SPDX-License-Identifier: Apache-2.0
// What is sent between tasks, over every communicator; rank_runner.h says which
// run it.
#include "distributed/task_channel.h"

#include "runtime/core/env.h"
#include "tests/distributed/communicator_suite.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

class TaskChannelTest : public CommunicatorTestBase {
 protected:
  void SetUp() override {
    if (size() < 2) GTEST_SKIP() << "two tasks need two ranks";
  }
  void RunTasks(const std::function<void(TaskChannel&)>& f) {
    Run([&](Communicator& ranks) {
      auto channel = MakeTaskChannel(ranks);
      ASSERT_TRUE(channel.ok()) << channel.status().ToString();
      f(**channel);
    });
  }
};
INSTANTIATE_TEST_SUITE_P(Backends, TaskChannelTest,
                         ::testing::ValuesIn(RankSetups()), SetupName);

Tensor Count(int64_t n, float first) {
  Tensor t(kFloat, Shape{n});
  for (float& v : t.flat<float>()) v = first++;
  return t;
}

// Each sends a message that no buffer of a communicator holds before it
// receives one.
TEST_P(TaskChannelTest, SendingDoesNotWaitForTheReceiver) {
  RunTasks([](TaskChannel& c) {
    constexpr int64_t kLarge = 1 << 20;
    const int next = (c.task() + 1) % c.tasks();
    const int previous = (c.task() + c.tasks() - 1) % c.tasks();
    for (int run = 0; run < 3; ++run) {
      EXPECT_OK(c.StartRun());
      Tensor sent = Count(kLarge, static_cast<float>(c.task() + run));
      EXPECT_OK(c.Send({.peer = next, .name = "x"}, sent));
      sent.flat<float>()[5] = -1;  // what was sent is a copy
      Tensor got(kFloat, Shape{kLarge});
      EXPECT_OK(c.Recv({.peer = previous, .name = "x"}, &got));
      EXPECT_TRUE(
          BitwiseEqual(got, Count(kLarge, static_cast<float>(previous + run))));
    }
  });
}

TEST_P(TaskChannelTest, ValuesOfAnyShapeAndStringsArriveAsTheyWere) {
  RunTasks([](TaskChannel& c) {
    const std::vector<Tensor> values = {
        Count(7, 1), Tensor(kFloat, Shape{0, 3}), Tensor(int64_t{5}),
        Tensor::Of<std::string>(
            {2, 2}, {"", "a", std::string(70000, 'x'), std::string("\0b", 2)}),
        Tensor(kString, Shape{0})};
    for (const Tensor& value : values) {
      if (c.task() == 0) {
        EXPECT_OK(c.SendAny({.peer = 1, .name = "v"}, value));
      } else if (c.task() == 1) {
        auto got = c.RecvAny({.peer = 0, .name = "v"}, value.dtype());
        ASSERT_TRUE(got.ok()) << got.status().ToString();
        EXPECT_TRUE(BitwiseEqual(*got, value)) << got->ToString();
      }
    }
  });
}

TEST_P(TaskChannelTest, AMessageThatWasNotMeantIsFoundOut) {
  RunTasks([](TaskChannel& c) {
    if (c.task() == 0) {
      EXPECT_OK(c.Send({.peer = 1, .name = "x", .plan = 3}, Count(4, 0)));
    } else if (c.task() == 1) {
      Tensor got(kFloat, Shape{4});
      const Status s = c.Recv({.peer = 0, .name = "x", .plan = 4}, &got);
      EXPECT_EQ(s.code(), Code::kFailedPrecondition) << s.ToString();
      EXPECT_THAT(s.message(), HasSubstr("ranks disagree"));
    }
  });
}

TEST_P(TaskChannelTest, TasksThatDoNotExistAreRefused) {
  RunTasks([](TaskChannel& c) {
    Tensor value = Count(4, 0);
    for (const int peer : {-1, c.task(), c.tasks()}) {
      EXPECT_EQ(c.Send({.peer = peer, .name = "x"}, value).code(),
                Code::kInvalidArgument);
      EXPECT_EQ(c.SendAny({.peer = peer, .name = "x"}, value).code(),
                Code::kInvalidArgument);
      EXPECT_EQ(c.Recv({.peer = peer, .name = "x"}, &value).code(),
                Code::kInvalidArgument);
    }
    EXPECT_OK(c.StartRun());
  });
}

TEST_P(TaskChannelTest, AnAbortReachesWhoWaits) {
  RunTasks([](TaskChannel& c) {
    if (c.task() == 1) {
      c.Abort(Internal("the disk of rank 1 is full"));
      return;
    }
    Tensor got(kFloat, Shape{4});
    const Status s = c.Recv({.peer = 1, .name = "x"}, &got);
    EXPECT_EQ(s.code(), Code::kInternal) << s.ToString();
    EXPECT_THAT(s.message(), HasSubstr("the disk of rank 1 is full"));
    EXPECT_EQ(c.StartRun().code(), Code::kInternal);
    EXPECT_EQ(c.Send({.peer = 1, .name = "x"}, got).code(), Code::kInternal);
  });
}

TEST_P(TaskChannelTest, ARankThatSentAndLeftIsHeardAndThenMissed) {
  RunTasks([](TaskChannel& c) {
    if (c.task() == 1) {
      EXPECT_OK(c.Send({.peer = 0, .name = "last"}, Count(100000, 0)));
    } else if (c.task() == 0) {
      Tensor got(kFloat, Shape{100000});
      EXPECT_OK(c.Recv({.peer = 1, .name = "last"}, &got));
      const Status s = c.Recv({.peer = 1, .name = "more"}, &got);
      EXPECT_EQ(s.code(), Code::kUnavailable) << s.ToString();
      EXPECT_THAT(s.message(), HasSubstr("rank 1"));
    }
  });
}

TEST_P(TaskChannelTest, ARankThatSendsNothingIsNamedAtTheDeadline) {
  RunTasks([](TaskChannel& c) {
    Tensor got(kFloat, Shape{4});
    Status s;
    if (c.task() == 0) {
      const uint64_t soon = Env::Default()->SteadyMicros() + 50'000;
      s = c.Recv({.peer = 1, .name = "x", .deadline_micros = soon}, &got);
    } else {
      s = c.Recv({.peer = 0, .name = "y"}, &got);
    }
    EXPECT_EQ(s.code(), Code::kDeadlineExceeded) << s.ToString();
    EXPECT_THAT(s.message(), HasSubstr("'x'"));
    EXPECT_THAT(s.message(), HasSubstr("rank 1"));
  });
}

}  // namespace
}  // namespace lockstep
