// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace lockstep {
namespace {

using testing::MatchesRegex;

std::string Captured(const std::function<void()>& f) {
  testing::internal::CaptureStderr();
  f();
  return testing::internal::GetCapturedStderr();
}

TEST(LoggingTest, LineHasLevelTimeAndText) {
  EXPECT_THAT(Captured([] { LogWarning("disk at ", 97, " %"); }),
              MatchesRegex("W [0-9][0-9]:[0-9][0-9]:[0-9][0-9]\\.[0-9]+ "
                           "disk at 97 %\n"));
  EXPECT_THAT(Captured([] { LogLine(LogLevel::kError, "{} as it is"); }),
              MatchesRegex("E [^ ]+ \\{\\} as it is\n"));
}

TEST(LoggingTest, PrefixGoesBeforeTheText) {
  SetLogPrefix("rank 3");
  EXPECT_THAT(Captured([] { LogInfo("up"); }),
              MatchesRegex("I [^ ]+ \\[rank 3\\] up\n"));
  SetLogPrefix("");
  EXPECT_THAT(Captured([] { LogInfo("up"); }), MatchesRegex("I [^ ]+ up\n"));
}

TEST(LoggingTest, DebugLinesAreHiddenByDefault) {
  EXPECT_EQ(Captured([] { LogLine(LogLevel::kDebug, "hidden"); }), "");
}

TEST(LoggingTest, LinesOfManyThreadsStayWhole) {
  const std::string text = Captured([] {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([] {
        for (int i = 0; i < 50; ++i) LogInfo("0123456789");
      });
    }
    for (std::thread& t : threads) t.join();
  });
  const auto lines = Split(text, '\n');
  ASSERT_EQ(lines.size(), 201u);  // the last one is empty
  for (size_t i = 0; i < 200; ++i) {
    EXPECT_THAT(lines[i], MatchesRegex("I [^ ]+ 0123456789"));
  }
}

}  // namespace
}  // namespace lockstep
