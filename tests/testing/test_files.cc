// SPDX-License-Identifier: Apache-2.0
#include "tests/testing/test_files.h"

#include <cstdlib>

#include "runtime/core/env.h"

namespace lockstep {

std::string TestFile(std::string_view path) {
  return JoinPath(LOCKSTEP_TESTS_DIR, path);
}

std::string FixtureFile(std::string_view path) {
  const char* dir = std::getenv("LOCKSTEP_FIXTURES");
  return JoinPath(dir != nullptr ? dir : LOCKSTEP_FIXTURES_DIR, path);
}

bool HaveFixtures() {
  return Env::Default()->FileExists(FixtureFile("OPS.txt"));
}

}  // namespace lockstep
