// SPDX-License-Identifier: Apache-2.0
#include "distributed/stop_signal.h"

#include <signal.h>

#include <atomic>

namespace lockstep {
namespace {

std::atomic<int> noted{0};
static_assert(std::atomic<int>::is_always_lock_free);

void Note(int signal) { noted = signal; }

void Replace(int signal, void (*from)(int), void (*to)(int)) {
  struct sigaction action = {};
  if (sigaction(signal, nullptr, &action) != 0) return;
  if ((action.sa_flags & SA_SIGINFO) != 0 || action.sa_handler != from) return;
  action = {};
  action.sa_handler = to;
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

}  // namespace

void TakeStopSignals() {
  for (const int signal : {SIGTERM, SIGUSR2}) Replace(signal, SIG_DFL, Note);
}

void RestoreStopSignals() {
  for (const int signal : {SIGTERM, SIGUSR2}) Replace(signal, Note, SIG_DFL);
}

int StopSignal() { return noted; }

}  // namespace lockstep
