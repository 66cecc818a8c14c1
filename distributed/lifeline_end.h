// SPDX-License-Identifier: Apache-2.0
#pragma once

// LifelineEnd: how a process ends with the job. Internal to the lifeline.

#include <pthread.h>

#include <string>
#include <vector>

#include "distributed/last_words.h"
#include "distributed/lifeline_core.h"

namespace lockstep {

class LifelineNet;

class LifelineEnd {
 public:
  // `main_thread`: whose stack is told when this rank hangs. `words`: borrowed.
  LifelineEnd(int rank, std::vector<LifelinePeer> peers, pthread_t main_thread,
              LastWords* words);

  // Writes the verdict to standard error, first of all; then the rest, each
  // bounded, until the other ranks of this machine have written theirs; then
  // `_exit`.
  [[noreturn]] void Report(const Verdict& verdict, LifelineNet* net);

  // As if nobody had taken `signal`.
  [[noreturn]] static void EndBySignal(int signal);

 private:
  bool Near(const LifelinePeer& other) const;
  bool MayStillSay(int rank) const;
  void AwaitOthers() const;
  void AwaitTurn() const;

  const int rank_;
  const std::vector<LifelinePeer> peers_;
  const pthread_t main_thread_;
  LastWords& words_;
  std::string prefix_;
};

}  // namespace lockstep
