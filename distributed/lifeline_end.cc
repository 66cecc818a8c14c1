// SPDX-License-Identifier: Apache-2.0
#include "distributed/lifeline_end.h"

#include <execinfo.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "distributed/lifeline_net.h"
#include "distributed/process_state.h"
#include "runtime/core/env.h"

namespace lockstep {
namespace {

constexpr int kExitStatus = 1;
constexpr int kDrainMillis = 300;
// For the other ranks of this machine to write their verdicts.
constexpr uint64_t kWordsMicros = 1'000'000;
constexpr int kLookMillis = 2;
// Between the first of them that leaves, the second and the rest. mpirun kills
// what is left when one ends, and pauses twice for a second; the end of a
// process cuts a pause short, but not if all end before it begins.
constexpr int kTurnMillis = 20;
// Whatever the end waits for, the process does not outlive it.
constexpr unsigned kEndSeconds = 2;

std::atomic<bool> stack_written{false};

void WriteAll(const std::string& text) {
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t n =
        write(STDERR_FILENO, text.data() + done, text.size() - done);
    if (n <= 0) return;
    done += static_cast<size_t>(n);
  }
}

void WriteStack(int) {
  void* frames[48];
  backtrace_symbols_fd(frames, backtrace(frames, 48), STDERR_FILENO);
  stack_written = true;
}

void Sleep(int millis) {
  const timespec time{.tv_sec = 0, .tv_nsec = millis * 1'000'000L};
  nanosleep(&time, nullptr);
}

void SetHandler(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

bool IsDefault(int signal) {
  struct sigaction now = {};
  return sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_DFL;
}

void WriteStackOf(pthread_t thread) {
  WriteAll("its stack:\n");
  SetHandler(SIGURG, WriteStack);
  pthread_kill(thread, SIGURG);
  for (int i = 0; i < 50 && !stack_written; ++i) Sleep(10);
}

}  // namespace

LifelineEnd::LifelineEnd(int rank, std::vector<LifelinePeer> peers,
                         pthread_t main_thread, LastWords* words)
    : rank_(rank),
      peers_(std::move(peers)),
      main_thread_(main_thread),
      words_(*words) {
  const LifelinePeer& me = peers_[static_cast<size_t>(rank)];
  prefix_ =
      StrCat("[rank ", rank, " on ", me.host, ", process ", me.process, "] ");
  // The first call loads a library, which a signal's handler must not.
  void* frame = nullptr;
  (void)backtrace(&frame, 1);
}

bool LifelineEnd::Near(const LifelinePeer& other) const {
  return other.node == peers_[static_cast<size_t>(rank_)].node;
}

bool LifelineEnd::MayStillSay(int rank) const {
  const LifelinePeer& other = peers_[static_cast<size_t>(rank)];
  return Near(other) && !words_.Noted(rank) &&
         StateRuns(ProcessState(other.process));
}

void LifelineEnd::AwaitOthers() const {
  if (!words_.shared()) return;
  const auto now = [] { return Env::Default()->SteadyMicros(); };
  const uint64_t until = now() + kWordsMicros;
  for (int r = 0; r < static_cast<int>(peers_.size()); ++r) {
    while (now() < until && MayStillSay(r)) Sleep(kLookMillis);
  }
}

void LifelineEnd::AwaitTurn() const {
  const auto before =
      std::count_if(peers_.begin(), peers_.begin() + rank_,
                    [this](const LifelinePeer& p) { return Near(p); });
  Sleep(kTurnMillis * std::min(static_cast<int>(before), 2));
}

void LifelineEnd::Report(const Verdict& verdict, LifelineNet* net) {
  const bool mine = verdict.culprit == rank_;
  WriteAll(StrCat("lockstep: ", prefix_,
                  mine ? "ends the job: " : "stopped because ", verdict.text,
                  "\n"));
  if (IsDefault(SIGALRM)) alarm(kEndSeconds);
  if (mine && verdict.kind == FaultKind::kStalled) WriteStackOf(main_thread_);
  words_.Note(rank_);
  net->Drain(kDrainMillis);
  AwaitOthers();
  AwaitTurn();
  const LifelinePeer& culprit =
      peers_[static_cast<size_t>(std::max(verdict.culprit, 0))];
  if (verdict.kind == FaultKind::kStopped && !mine && Near(culprit)) {
    kill(culprit.process, SIGKILL);  // it cannot end itself
  }
  // What the program has printed so far, unless it is just printing.
  if (ftrylockfile(stdout) == 0) std::fflush(stdout);
  _exit(kExitStatus);
}

void LifelineEnd::EndBySignal(int signal) {
  SetHandler(signal, SIG_DFL);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal);
  pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  kill(getpid(), signal);
  Sleep(100);
  _exit(128 + signal);
}

}  // namespace lockstep
