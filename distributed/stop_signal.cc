// SPDX-License-Identifier: Apache-2.0
#include "distributed/stop_signal.h"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <thread>

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

sigset_t StopSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGUSR2}) sigaddset(&set, signal);
  return set;
}

// Takes the signals on a thread that does nothing else. Where one came to a
// thread that was in code which oneDNN (2.6) generates for AVX-512, memory was
// overwritten.
class Watcher {
 public:
  Watcher() {
    const sigset_t set = StopSignals();
    // Threads made later, the watcher too, inherit it.
    pthread_sigmask(SIG_BLOCK, &set, &before_);
    thread_ = std::thread([this, set] {
      int signal = 0;
      while (sigwait(&set, &signal) == 0 && !end_) Note(signal);
    });
  }
  ~Watcher() {
    end_ = true;
    pthread_kill(thread_.native_handle(), SIGUSR2);
    thread_.join();
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

 private:
  sigset_t before_;
  std::atomic<bool> end_{false};
  std::thread thread_;
};

Watcher* watcher = nullptr;  // used by the thread that takes and restores

}  // namespace

void TakeStopSignals() {
  // For threads that are there already and block nothing.
  for (const int signal : {SIGTERM, SIGUSR2}) Replace(signal, SIG_DFL, Note);
  if (watcher == nullptr) watcher = new Watcher;
}

void LetTermEnd() {
  Replace(SIGTERM, Note, SIG_DFL);
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  pthread_sigmask(SIG_UNBLOCK, &term, nullptr);
}

void RestoreStopSignals() {
  delete watcher;
  watcher = nullptr;
  Replace(SIGTERM, Note, SIG_DFL);
  // Who was told ends by itself and may be told again until it has.
  if (noted == 0) Replace(SIGUSR2, Note, SIG_DFL);
}

int StopSignal() { return noted; }

}  // namespace lockstep
