// SPDX-License-Identifier: Apache-2.0
#pragma once

// LifelineCore: what a rank's lifeline thinks, without sockets, clocks or
// threads, so that a simulation can run thousands of jobs of many ranks.
//
// Rank 0 is the hub: the others are connected with it alone and tell it, every
// beat, what they do. The hub knows the first failure and says it to all: one
// verdict for the job. When the hub itself is lost the others see that
// themselves, and it is the verdict.
//
// A rank that was not scheduled must not accuse: silence is counted in the
// listener's own beats, at most two a tick, and a process of this machine that
// the system shows as alive gets more time than one that may be cut off.
//
// Threading: one thread. See decisions/0008 for the reasons.
//
//   LifelineCore core(rank, peers, options, &port);
//   core.OnTick(now);                 // every options.beat_micros
//   core.OnFrame(3, frame, now);      // from the connection with rank 3
//   core.OnClosed(3, now);            // it was closed

#include <cstdint>
#include <string>
#include <vector>

#include "distributed/lifeline_frame.h"
#include "runtime/core/status.h"

namespace lockstep {

struct LifelinePeer {
  std::string host;
  int32_t process = 0;
  int32_t node = 0;  // the same number: the same machine
};

struct LifelineOptions {
  uint64_t beat_micros = 100'000;
  // Without a word from a rank that nobody can vouch for.
  uint64_t silence_micros = 4'000'000;
  // The same for one that its machine shows as running.
  uint64_t vouched_micros = 20'000'000;
  uint64_t stopped_micros = 1'500'000;
  uint64_t stall_micros = 30'000'000;  // 0: never
  // Between a failure that another rank caused and the verdict: what is known
  // by then of the cause counts.
  uint64_t evidence_micros = 400'000;
  // What a rank with an error gives the hub to say what it knows, and one that
  // was asked to stop gives its launcher when the hub ended before its first
  // word.
  uint64_t answer_micros = 1'500'000;
};

enum class FaultKind : int32_t {
  kFailed,    // the rank has an error
  kDied,      // its process ended
  kLeft,      // its program ended before the others'
  kStopped,   // SIGSTOP
  kSilent,    // no heartbeat: cut off, or its machine is
  kStalled,   // heartbeats, but no progress, and others wait
  kDeadlock,  // all wait for each other
  kDiffers,   // its copy of what all ranks have alike does
};

struct Verdict {
  int32_t culprit = -1;
  FaultKind kind = FaultKind::kFailed;
  std::string text;  // the whole story, the same on all ranks
};

// What the core needs of the outside; nothing here may block.
class LifelinePort {
 public:
  virtual ~LifelinePort() = default;
  virtual void Send(int to, const LifelineFrame& frame) = 0;
  // Of this rank; neighbour fields empty.
  virtual Beat Progress() = 0;
  // The letter of a process of this machine ('R', 'S', 'D', 'T', 't', 'Z');
  // 0: there is none such, or it cannot be known.
  virtual char ProcessState(int rank) = 0;
  // How a process of this machine ended, "was killed by signal 9"; empty when
  // the system no longer knows.
  virtual std::string ProcessEnd(int rank) = 0;
  // The job is over. Called once; the core does nothing from then on.
  virtual void End(const Verdict& verdict) = 0;
  // Of a proposal to stop at a step: whether this rank has not passed it yet;
  // if so it will wait there. And what became of the proposal.
  virtual bool HoldAt(int64_t step, int64_t* now_at) = 0;
  virtual void Decide(int64_t step, bool holds) = 0;
};

class LifelineCore {
 public:
  LifelineCore(int rank, std::vector<LifelinePeer> peers,
               const LifelineOptions& options, LifelinePort* port);

  void OnTick(uint64_t now);
  void OnFrame(int from, const LifelineFrame& frame, uint64_t now);
  void OnClosed(int from, uint64_t now);

  // This rank has an error: all end with it, or with its cause. `told`: it is
  // what another rank told this one.
  void Fail(const Status& why, bool told, uint64_t now);
  // This rank's program ended and waits for the others' end; its process calls
  // exit; it needs nobody any more.
  void Leave();
  void Exit();
  void Goodbye();
  // This rank was asked to stop: all stop at the same step.
  void WishToStop();

  bool ended() const { return ended_; }
  // Hub: all have said goodbye. Others: the hub has.
  bool alone() const;

 private:
  struct Seen {
    Beat beat;
    uint64_t silent = 0;   // time without a word, as this rank counts it
    uint64_t still = 0;    // time without a change of the word
    uint64_t stopped = 0;  // time in state T
    bool known = false;    // a beat has come
    bool shown = false;    // its process was seen on this machine
    bool closed = false;
    bool leaving = false;
    bool exiting = false;
    bool goodbye = false;
  };
  struct Pending {  // a failure whose cause may be known soon
    int origin = -1;
    std::string text;
    uint64_t decide_at = 0;
    bool timeout = false;
  };

  bool hub() const { return rank_ == 0; }
  int size() const { return static_cast<int>(peers_.size()); }
  bool Near(int rank) const { return peer(rank).node == peer(rank_).node; }
  const LifelinePeer& peer(int r) const {
    return peers_[static_cast<size_t>(r)];
  }
  Seen& seen(int r) { return seen_[static_cast<size_t>(r)]; }
  // Whether this rank is connected with it and expects beats.
  bool Watches(int r) const;

  void SendBeat();
  void NoteBeat(int from, const Beat& beat);
  void LookForStopped(uint64_t elapsed);
  void LookForStoppedProcess(int rank, char state, uint64_t elapsed);
  void LookForSilent();
  uint64_t SilenceLimit(int rank);
  void Accuse(int culprit, FaultKind kind);
  void OnFailure(int origin, Code code, const std::string& text, uint64_t now);
  void DecidePending(uint64_t now);
  // A rank whose process has ended, though its connection is not closed yet as
  // far as this rank has got; -1: none.
  int FindEnded();
  // Finds the one that the others wait for. `at_once`: a deadline has passed
  // already.
  bool Judge(bool at_once);
  // Convicts who has other variables or reduced gradients than most.
  void CompareReplicas();
  void Convict(int culprit, FaultKind kind, const std::string& error = {});
  void Finish(const Verdict& verdict);

  // Text of verdicts.
  std::string NameOf(int rank) const;
  std::string PlaceOf(int rank) const;
  std::string Story(int culprit, FaultKind kind, const std::string& error);
  std::string Waiters(int culprit) const;

  // Stopping together; lifeline_stop.cc.
  void OnStopFrame(int from, const LifelineFrame& frame);
  void Propose();
  void Answer(int from, int64_t step, bool agreed, int64_t at);
  void Decision(int64_t step, bool holds);

  const int rank_;
  const std::vector<LifelinePeer> peers_;
  const LifelineOptions options_;
  LifelinePort& port_;
  std::vector<Seen> seen_;  // the hub: of all; others: of the hub, neighbours
  int neighbour_ = -1;      // the next rank of this machine
  char neighbour_state_ = 0;
  Pending pending_;
  // The first whose connection was lost, and how it ended. The others' next
  // beats, which say what they wait in, belong to the verdict.
  int lost_ = -1;
  FaultKind lost_kind_ = FaultKind::kDied;
  uint64_t convict_lost_at_ = 0;
  std::string lost_end_;
  uint64_t last_tick_ = 0;
  uint64_t answer_by_ = 0;  // when an error of this rank stands as it is
  Verdict own_;
  bool quiet_ = false;  // said goodbye
  bool ended_ = false;

  bool stop_wished_ = false;
  int64_t proposal_ = -1;
  int64_t margin_ = 4;
  int agreed_ = 0;
  int answered_ = 0;
  int64_t furthest_ = -1;
  bool stop_decided_ = false;
};

}  // namespace lockstep
