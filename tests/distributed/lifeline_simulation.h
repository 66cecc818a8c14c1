// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whole jobs in one thread, on virtual time: each rank has a LifelineCore and a
// program that computes and meets the others; messages are delayed and cut,
// processes killed, stopped, starved. Everything follows from a seed.
//
//   Simulation sim({.seed = 7, .nodes = {0, 0, 1, 1}});
//   sim.At(5'000'000, [&] { sim.Kill(2); });
//   sim.Run(60'000'000);
//   sim.rank(0).verdict->culprit        // 2

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <utility>
#include <vector>

#include "distributed/lifeline_core.h"

namespace lockstep {

struct LifelineSimulationOptions {
  uint64_t seed = 1;
  std::vector<int> nodes;  // of each rank
  LifelineOptions lifeline;
  uint64_t collective_timeout = 0;  // 0: ranks wait for ever
  uint64_t patience = 0;  // that the program says it has; 0: it says nothing
  // The longest that a rank is now and then not scheduled, as on a machine
  // with too many ranks.
  uint64_t starvation = 0;
  int64_t steps = std::numeric_limits<int64_t>::max();
};

class Simulation {
 public:
  struct Rank final : LifelinePort {
    Simulation* sim = nullptr;
    int number = 0;
    std::unique_ptr<LifelineCore> core;
    // Of the process.
    bool dead = false;
    bool stopped = false;
    bool cut = false;
    uint64_t starved_until = 0;
    std::vector<std::function<void()>> held;  // what came while it did not run
    // Of its program.
    bool loops = false;
    bool waits = false;
    bool left = false;
    bool holds = false;  // at a step to stop at
    bool has_stopped = false;
    int64_t step = 0;
    uint64_t word = 0;
    uint64_t wait_start = 0;
    int64_t limit = std::numeric_limits<int64_t>::max();
    ReplicaMarks marks;
    bool differs = false;  // from the other ranks, from now on
    // What came of it.
    std::optional<Verdict> verdict;
    uint64_t ended_at = 0;

    bool runs() const { return !dead && !stopped; }
    void Send(int to, const LifelineFrame& frame) override {
      sim->Send(number, to, frame);
    }
    Beat Progress() override;
    char ProcessState(int rank) override;
    std::string ProcessEnd(int) override { return {}; }
    void End(const Verdict& v) override;
    bool HoldAt(int64_t at, int64_t* now_at) override;
    void Decide(int64_t at, bool holds) override;
  };

  explicit Simulation(LifelineSimulationOptions options);
  void At(uint64_t micros, std::function<void()> f) {
    events_.push({micros, next_++, std::move(f)});
  }
  void After(uint64_t micros, std::function<void()> f) {
    At(now_ + micros, std::move(f));
  }
  // Until nothing is left to happen, or the time is over.
  void Run(uint64_t until);

  // Also how a process ends. The others hear `late` later than usual that its
  // connections are closed.
  void Kill(int rank, uint64_t late = 0);
  void Stop(int rank) { ranks_[Index(rank)]->stopped = true; }
  void Continue(int rank);
  void Loop(int rank) { ranks_[Index(rank)]->loops = true; }
  void Leave(int rank);  // its program ends, it waits for the others
  void Exit(int rank);
  void Fail(int rank, const Status& why) {
    ranks_[Index(rank)]->core->Fail(why, false, now_);
  }
  void Differ(int rank) { ranks_[Index(rank)]->differs = true; }
  void CutNode(int node);  // from all other nodes

  Rank& rank(int r) { return *ranks_[Index(r)]; }
  int size() const { return static_cast<int>(ranks_.size()); }
  uint64_t now() const { return now_; }
  uint64_t Random(uint64_t below) { return random_() % below; }

 private:
  struct Event {
    uint64_t at = 0;
    uint64_t order = 0;
    std::function<void()> run;
    bool operator<(const Event& other) const {
      return std::pair(at, order) > std::pair(other.at, other.order);
    }
  };
  static size_t Index(int r) { return static_cast<size_t>(r); }

  void Send(int from, int to, const LifelineFrame& frame);
  void Deliver(int from, int to, std::function<void()> what);
  // Runs `f` as the rank, or when it is scheduled again.
  void As(int rank, std::function<void()> f);
  void Tick(int rank);
  void Compute(int rank);
  void Arrive(int rank);
  void MeetIfComplete();
  bool IsCut(int a, int b);

  LifelineSimulationOptions options_;
  std::mt19937_64 random_;
  std::priority_queue<Event> events_;
  uint64_t next_ = 0;
  uint64_t now_ = 1;
  std::vector<std::unique_ptr<Rank>> ranks_;
  std::map<std::pair<int, int>, uint64_t> last_arrival_;  // keeps their order
  friend struct Rank;
};

}  // namespace lockstep
