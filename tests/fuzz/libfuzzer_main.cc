// SPDX-License-Identifier: Apache-2.0
// libFuzzer's way in: $LOCKSTEP_FUZZ_TARGET names the target.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "tests/fuzz/fuzz_target.h"

namespace {

const lockstep::fuzz::Target* target = nullptr;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* name = std::getenv("LOCKSTEP_FUZZ_TARGET");
  target = name != nullptr ? lockstep::fuzz::FindTarget(name) : nullptr;
  if (target != nullptr) return 0;
  std::fprintf(stderr, "LOCKSTEP_FUZZ_TARGET must be one of:");
  for (const auto& t : lockstep::fuzz::Targets()) {
    std::fprintf(stderr, " %s", t.name);
  }
  std::fprintf(stderr, "\n");
  std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  target->run({reinterpret_cast<const char*>(data), size});
  return 0;
}
