// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where tests find files: those beside them in the repository, and the
// recorded cases from TensorFlow, which not every machine has.
//
//   Env::Default()->ReadFile(TestFile("io/data/types.index"));
//   LS_REQUIRE_FIXTURES();
//   ReadGraph(FixtureFile("xor_mlp/graph.meta"));

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "runtime/core/env.h"

namespace lockstep {

// Under tests/ of the source tree.
inline std::string TestFile(std::string_view path) {
  return JoinPath(LOCKSTEP_TESTS_DIR, path);
}

// Under the folder of recorded cases: $LOCKSTEP_FIXTURES, else the CMake
// variable of that name.
inline std::string FixtureFile(std::string_view path) {
  const char* dir = std::getenv("LOCKSTEP_FIXTURES");
  return JoinPath(dir != nullptr ? dir : LOCKSTEP_FIXTURES_DIR, path);
}

inline bool HaveFixtures() {
  return Env::Default()->FileExists(FixtureFile("OPS.txt"));
}

#define LS_REQUIRE_FIXTURES()                                        \
  if (!::lockstep::HaveFixtures()) {                                 \
    GTEST_SKIP() << "no recorded cases; LOCKSTEP_FIXTURES is unset"; \
  }

}  // namespace lockstep
