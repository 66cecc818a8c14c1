// SPDX-License-Identifier: Apache-2.0
#include "distributed/start_guard.h"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "distributed/process_state.h"
#include "runtime/core/strings.h"

namespace lockstep {
namespace {

// Looks so often, the first time after so many times that long: most jobs have
// met by then.
constexpr uint64_t kIntervalMicros = 200'000;
constexpr uint64_t kFirstLook = 5;
// So often seen stopped without a break: a job that is suspended as a whole
// goes on at about one time.
constexpr int kLooks = 10;

// As Open MPI's and other PMIx launchers' ranks have it.
constexpr const char* kJobVariable = "PMIX_NAMESPACE";
constexpr const char* kRankVariable = "PMIX_RANK";
// Open MPI's: how many ranks there are to be, in all and on this host.
constexpr const char* kSizeVariable = "OMPI_COMM_WORLD_SIZE";
constexpr const char* kLocalSizeVariable = "OMPI_COMM_WORLD_LOCAL_SIZE";

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string Host() {
  char host[256] = "unknown host";
  (void)gethostname(host, sizeof(host) - 1);
  return host;
}

void Say(const std::string& rank, const std::string& why) {
  const std::string text =
      StrCat("lockstep: [rank ", rank, " on ", Host(), ", process ", getpid(),
             "] stopped because ", why, "\n");
  (void)!write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

// This rank. Read once: MPI_Init may change the environment meanwhile.
struct StartGuard::Member {
  std::string job = Variable(kJobVariable);
  std::string rank = Variable(kRankVariable);
  std::string ranks = Variable(kSizeVariable);
  std::string ranks_here = Variable(kLocalSizeVariable);
};

namespace {

// The ranks of this host whose processes run.
std::set<std::string> RunningRanks(const std::string& job) {
  std::set<std::string> ranks;
  for (const JobProcess& p : ProcessesWith(kJobVariable, job, kRankVariable)) {
    if (StateRuns(ProcessState(p.process))) ranks.insert(p.rank);
  }
  return ranks;
}

[[noreturn]] void EndBecauseOf(const JobProcess& stopped,
                               const std::string& rank) {
  const std::string why = StrCat(
      "rank ", stopped.rank, " on ", Host(), " (process ", stopped.process,
      ") is stopped (SIGSTOP), before the ranks have met");
  Say(rank, why);
  kill(stopped.process, SIGKILL);  // it cannot end itself
  _exit(1);
}

}  // namespace

StartGuard::StartGuard(uint64_t limit_micros) : limit_micros_(limit_micros) {
  const Member me;
  if (me.job.empty() || me.rank.empty()) return;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);  // they are the program's threads'
  thread_ = std::thread([this, me] { Watch(me); });
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
  return !ends_.wait_for(lock, std::chrono::microseconds(kIntervalMicros),
                         [this] { return ended_; });
}

// Time is counted in looks: that of a job which is suspended as a whole does
// not go on.
void StartGuard::Watch(const Member& me) {
  std::map<int32_t, int> looks;  // of those stopped, by process
  const uint64_t last = limit_micros_ / kIntervalMicros;
  for (uint64_t i = 0; Sleep(); ++i) {
    if (limit_micros_ > 0 && i >= last) EndUnmet(me);
    if (i < kFirstLook) continue;
    std::map<int32_t, int> now;
    for (const JobProcess& p :
         ProcessesWith(kJobVariable, me.job, kRankVariable)) {
      if (p.rank == me.rank || ProcessState(p.process) != 'T') continue;
      now[p.process] = looks[p.process] + 1;
      if (now[p.process] >= kLooks) EndBecauseOf(p, me.rank);
    }
    looks = std::move(now);
  }
}

void StartGuard::EndUnmet(const Member& me) const {
  const std::set<std::string> here = RunningRanks(me.job);
  std::string why = StrCat(
      "the ranks have not met within ", limit_micros_ / 1'000'000,
      " s of its start: on this host ", here.size() == 1 ? "rank " : "ranks ",
      Join(here, ", "), here.size() == 1 ? " runs" : " run");
  if (!me.ranks.empty() && !me.ranks_here.empty()) {
    why += StrCat(", ", here.size(), " of its ", me.ranks_here, " and of ",
                  me.ranks, " in all");
    if (std::to_string(here.size()) == me.ranks_here) {
      why += "; who does not come is on another host";
    }
  }
  Say(me.rank, why);
  _exit(1);
}

}  // namespace lockstep
