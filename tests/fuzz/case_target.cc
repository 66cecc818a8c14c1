// SPDX-License-Identifier: Apache-2.0
// Case files of `lockstep run`; there are no files beside them.
#include "tests/fuzz/fuzz_target.h"
#include "tests/testing/fault_env.h"
#include "tools/lockstep/case_file.h"

namespace lockstep::fuzz {
namespace {

FUZZ_TARGET(case_file, MiB(16)) {
  MemEnv env;
  (void)ParseCase(env, input, "case", "out");
}

}  // namespace
}  // namespace lockstep::fuzz
