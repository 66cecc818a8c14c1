// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where tests find files: those beside them in the repository, and the
// recorded cases from TensorFlow, which not every machine has.
//
//   Env::Default()->ReadFile(TestFile("io/data/types.index"));
//   LS_REQUIRE_FIXTURES();
//   ReadGraph(FixtureFile("xor_mlp/graph.meta"));

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace lockstep {

// Under tests/ of the source tree.
std::string TestFile(std::string_view path);
// Under the folder of recorded cases: $LOCKSTEP_FIXTURES, else the CMake
// variable of that name.
std::string FixtureFile(std::string_view path);
bool HaveFixtures();

#define LS_REQUIRE_FIXTURES()                                        \
  if (!::lockstep::HaveFixtures()) {                                 \
    GTEST_SKIP() << "no recorded cases; LOCKSTEP_FIXTURES is unset"; \
  }

}  // namespace lockstep
