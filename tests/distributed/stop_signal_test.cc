// SPDX-License-Identifier: Apache-2.0
// Each case is a process of its own: signals end it or are noted.
#include "distributed/stop_signal.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

namespace lockstep {
namespace {

using std::chrono::milliseconds;

class StopSignalDeathTest : public ::testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

// Ends the process with status 1 when nothing is noted within ten seconds.
void SendAndWait(int signal) {
  kill(getpid(), signal);
  for (int i = 0; StopSignal() == 0 && i < 1000; ++i) {
    std::this_thread::sleep_for(milliseconds(10));
  }
  if (StopSignal() != signal) std::_Exit(1);
}

// Whoever is ended by it is so within that time.
[[noreturn]] void SendAndEnd(int signal) {
  kill(getpid(), signal);
  std::this_thread::sleep_for(milliseconds(100));
  std::_Exit(0);
}

TEST_F(StopSignalDeathTest, IsNotedWhileItIsTaken) {
  for (const int signal : {SIGTERM, SIGUSR2}) {
    EXPECT_EXIT(
        {
          TakeStopSignals();
          SendAndWait(signal);
          SendAndEnd(signal);
        },
        ::testing::ExitedWithCode(0), "");
  }
}

TEST_F(StopSignalDeathTest, EndsTheProcessAgainWhenItIsRestored) {
  for (const int signal : {SIGTERM, SIGUSR2}) {
    EXPECT_EXIT(
        {
          TakeStopSignals();
          RestoreStopSignals();
          SendAndEnd(signal);
        },
        ::testing::KilledBySignal(signal), "");
  }
}

// lockstep launch tells it each second until all ranks have ended.
TEST_F(StopSignalDeathTest, ToldAgainAfterItWasHeardEndsNothing) {
  EXPECT_EXIT(
      {
        TakeStopSignals();
        SendAndWait(SIGUSR2);
        RestoreStopSignals();
        SendAndEnd(SIGUSR2);
      },
      ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(
      {
        TakeStopSignals();
        SendAndWait(SIGUSR2);
        RestoreStopSignals();
        SendAndEnd(SIGTERM);
      },
      ::testing::KilledBySignal(SIGTERM), "");
}

// mpirun ends ranks that wait for one that is dead with it.
TEST_F(StopSignalDeathTest, TermAloneEndsTheProcessWhenItIsLet) {
  EXPECT_EXIT(
      {
        TakeStopSignals();
        LetTermEnd();
        SendAndEnd(SIGTERM);
      },
      ::testing::KilledBySignal(SIGTERM), "");
  EXPECT_EXIT(
      {
        TakeStopSignals();
        LetTermEnd();
        SendAndWait(SIGUSR2);
        SendAndEnd(SIGUSR2);
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace lockstep
