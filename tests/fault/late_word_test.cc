// SPDX-License-Identifier: Apache-2.0
// A rank that is late to say why it ends, as on a busy machine, says it yet:
// mpirun kills what is left as soon as two ranks more have ended than the
// first.
#include <gtest/gtest.h>

#include <string>

#include "runtime/core/strings.h"
#include "tests/testing/run_program.h"

namespace lockstep {
namespace {

constexpr int kRanks = 4;

struct Case {
  const char* fault;  // inject.cc's
  const char* late;   // rank and us
  size_t tell;        // all but who is gone
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.fault << ", late " << c.late;
}

class LateWordTest : public ::testing::TestWithParam<Case> {};

TEST_P(LateWordTest, NoRankLeavesBeforeTheOthersHaveSaidWhy) {
  const Finished run = RunProgram(
      {"/usr/bin/env", StrCat("LOCKSTEP_TEST_FAULT=", GetParam().fault),
       StrCat("LOCKSTEP_TEST_LATE_WORD=", GetParam().late), FAULTY_MNIST,
       "--data", "digits", "--batch", "80", "--threads", "1", "--epochs",
       "100000"},
      kRanks);
  EXPECT_NE(run.status, 0);
  EXPECT_EQ(LinesWith(run.err, "lockstep: [rank").size(), GetParam().tell)
      << run.err;
}

// While ranks evaluate, an error is agreed upon and one rank tells: it comes
// in the first step.
INSTANTIATE_TEST_SUITE_P(, LateWordTest,
                         ::testing::Values(Case{"exit 0 100000", "3 300000", 3},
                                           Case{"kill 0 100000", "1 300000", 3},
                                           Case{"kill 2 100000", "0 500000", 3},
                                           Case{"error 1 0", "1 300000", 4}));

}  // namespace
}  // namespace lockstep
