// SPDX-License-Identifier: Apache-2.0
#include "tests/gpu/stand_in/report.h"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <mutex>
#include <vector>

namespace lockstep::stand_in {
namespace {

std::atomic<int> misuses = 0;

struct Checks {
  std::mutex mutex;
  std::vector<std::string (*)()> all;
};
Checks& TheChecks() {
  static auto& checks = *new Checks;
  return checks;
}

// Runs after the destructors of what was made later: the program's own.
struct AtExit {
  ~AtExit() {
    for (const auto check : TheChecks().all) {
      if (const std::string left = check(); !left.empty()) Misuse(left);
    }
    if (misuses == 0) return;
    std::fflush(nullptr);
    _exit(kMisuseStatus);
  }
} at_exit;

}  // namespace

void Misuse(const std::string& what) {
  constexpr int kMostSaid = 50;
  if (++misuses <= kMostSaid) {
    std::fprintf(stderr, "GPU stand-in: misuse: %s\n", what.c_str());
  }
}
int Misuses() { return misuses; }
void ForgetMisuses() { misuses = 0; }

std::string AddressText(const void* address) {
  char text[32];
  std::snprintf(text, sizeof(text), "%p", address);
  return text;
}

void CheckAtExit(std::string (*check)()) {
  Checks& checks = TheChecks();
  const std::lock_guard lock(checks.mutex);
  checks.all.push_back(check);
}

}  // namespace lockstep::stand_in
