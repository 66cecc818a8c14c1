// SPDX-License-Identifier: Apache-2.0
#pragma once

// Lifeline: a thread beside the program of each rank, connected over TCP with
// rank 0's, that ends the job on all ranks when one of them dies, is stopped,
// hangs, leaves early or is cut off, with one line on standard error that
// names it: what LifelineCore thinks, on real sockets and clocks.
//
// The end is `_exit` with status 1, right after that line: a program that
// waits in MPI cannot be ended otherwise. Programs under mpirun have one from
// MpiContext::Init on (docs/distributed.md tells of its settings).
//
// Threading: all calls from any thread.
//
//   lifeline->Fail(Internal("out of luck"));  // seldom returns
//   while (!lifeline->StopAt(step)) Train(step++);

#include <csignal>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "distributed/last_words.h"
#include "distributed/lifeline_core.h"
#include "runtime/core/status.h"

namespace lockstep {

// Where the hub listens. Travels through MPI as bytes.
struct HubAddress {
  uint64_t token = 0;  // strangers do not know it
  uint16_t port = 0;   // 0: there is none
  uint16_t count = 0;
  char hosts[8][46] = {};  // in text, those of its network interfaces
};

class Lifeline {
 public:
  // Rank 0 opens its port; the others connect.
  static Result<std::unique_ptr<Lifeline>> Open(
      int rank, std::vector<LifelinePeer> peers, const LifelineOptions& options,
      std::unique_ptr<LastWords> words);
  Result<HubAddress> Listen();
  Status Connect(const HubAddress& hub);
  // Begins to watch, when all ranks are connected.
  void Start();
  // Without a word, as when the lifeline is not to be.
  ~Lifeline();

  // Tells all ranks and ends this process, unless another rank's failure is
  // the cause of this one. Returns, after some 3 s, only when the job is ending
  // already or the lifeline is not up to it. `told`: by another rank, which
  // will say more.
  void Fail(const Status& why, bool told = false);
  // The program has ended; the others may still run.
  void Leave();
  // All programs have ended. From here on nobody is watched.
  void Goodbye();

  // SIGTERM and SIGUSR2 are taken as the wish that all ranks stop, at the same
  // step; else SIGTERM ends the process as ever, if a little later.
  void TakeStopSignals();
  // Where one session notes what the heartbeats tell of its variables: the
  // first that asks; null from then on.
  std::shared_ptr<ReplicaMarks> TakeMarks();
  // Whether this rank is to stop instead of making step `step`. Ranks call it
  // before each of their steps.
  bool StopAt(int64_t step);

 private:
  class Impl;
  explicit Lifeline(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// LOCKSTEP_STALL_TIMEOUT (seconds; 0: never), LOCKSTEP_LIFELINE=0|1.
Result<LifelineOptions> LifelineOptionsFromEnvironment(bool* wanted);

}  // namespace lockstep
