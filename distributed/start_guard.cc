// SPDX-License-Identifier: Apache-2.0
#include "distributed/start_guard.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <string>

#include "distributed/process_state.h"
#include "runtime/core/strings.h"

namespace lockstep {
namespace {

// Looks so often, the first time after so many times that long: most jobs have
// met by then.
constexpr std::chrono::milliseconds kInterval{200};
constexpr int kFirstLook = 5;
// So often seen stopped without a break: a job that is suspended as a whole
// goes on at about one time.
constexpr int kLooks = 10;

// As Open MPI's and other PMIx launchers' ranks have it.
constexpr const char* kJobVariable = "PMIX_NAMESPACE";
constexpr const char* kRankVariable = "PMIX_RANK";

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

[[noreturn]] void EndBecauseOf(const JobProcess& stopped,
                               const std::string& rank) {
  char host[256] = "unknown host";
  (void)gethostname(host, sizeof(host) - 1);
  const std::string text = StrCat(
      "lockstep: [rank ", rank, " on ", host, ", process ", getpid(),
      "] stopped because rank ", stopped.rank, " on ", host, " (process ",
      stopped.process, ") is stopped (SIGSTOP), before the ranks have met\n");
  (void)!write(STDERR_FILENO, text.data(), text.size());
  kill(stopped.process, SIGKILL);  // it cannot end itself
  _exit(1);
}

}  // namespace

StartGuard::StartGuard() {
  // Here: MPI_Init may change the environment while the thread runs.
  const std::string job = Variable(kJobVariable);
  const std::string rank = Variable(kRankVariable);
  if (job.empty() || rank.empty()) return;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);  // they are the program's threads'
  thread_ = std::thread([this, job, rank] { Watch(job, rank); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

StartGuard::~StartGuard() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard<std::mutex> lock(mu_);
    ended_ = true;
  }
  ends_.notify_all();
  thread_.join();
}

bool StartGuard::Sleep() {
  std::unique_lock<std::mutex> lock(mu_);
  return !ends_.wait_for(lock, kInterval, [this] { return ended_; });
}

void StartGuard::Watch(const std::string& job, const std::string& rank) {
  for (int i = 0; i < kFirstLook; ++i) {
    if (!Sleep()) return;
  }
  std::map<int32_t, int> looks;  // of those stopped, by process
  while (Sleep()) {
    std::map<int32_t, int> now;
    for (const JobProcess& p :
         ProcessesWith(kJobVariable, job, kRankVariable)) {
      if (p.rank == rank || ProcessState(p.process) != 'T') continue;
      now[p.process] = looks[p.process] + 1;
      if (now[p.process] >= kLooks) EndBecauseOf(p, rank);
    }
    looks = std::move(now);
  }
}

}  // namespace lockstep
