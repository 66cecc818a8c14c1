// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/simulate.h"

#include <algorithm>
#include <queue>
#include <random>

namespace lockstep {
namespace {

// Who takes part in a phase with a rank.
enum class Peers {
  kOtherHosts,  // all ranks of them: messages
  kSameSlice,   // the one with its number on each other host: messages
  kOwnHost      // those beside it, in shared memory
};

// One thing that all ranks do after each other.
struct Phase {
  Peers peers = Peers::kOtherHosts;
  double bytes = 0;        // to each peer; of all that is summed on the host
  int first_gradient = 0;  // at the begin of a bucket: what has to be ready
  int last_gradient = 0;
  bool all_begin_with_0 = false;  // as MPI_Ialltoallv; else each with the next
  bool begins_bucket = false;
  bool ends_bucket = false;
};

enum class EventKind {
  kStart,     // a rank is ready for a phase
  kAnnounce,  // a message is announced to its receiver
  kAsk,       // it is asked for
  kArrive,    // its first bytes are there
  kTaken,     // its last ones
};

struct Event {
  double at = 0;
  uint64_t order = 0;  // events of one instant: as they were made
  EventKind kind = EventKind::kStart;
  int from = 0;
  int to = 0;
  size_t phase = 0;
  bool operator>(const Event& other) const {
    return at != other.at ? at > other.at : order > other.order;
  }
};

struct Rank {
  double sends_until = 0;
  double receives_until = 0;
  double computed = 0;             // when its backward pass is done
  std::vector<double> ready;       // of its gradients
  std::vector<int> left;           // messages it still waits for, by phase
  std::vector<double> bucket_end;  // when its exchange was done
  size_t phase = 0;
};

class Simulation {
 public:
  Simulation(const StepProfile& profile, const StepSchedule& schedule,
             int ranks, const NetworkCost& network,
             const SimulationOptions& options)
      : profile_(profile),
        schedule_(schedule),
        network_(network),
        options_(options),
        random_(options.seed),
        on_host_(network.OnHost(ranks)),
        ranks_(static_cast<size_t>(ranks)),
        hosts_(network.Hosts(ranks)),
        line_(network.bytes_per_us / on_host_) {
    MakePhases();
  }

  Simulated Run() {
    Simulated result;
    double now = 0;
    double computed = 0;
    for (int step = 0; step < options_.steps; ++step) {
      const double end = Step(now);
      // What ranks wait for each other's computation is exposed, too.
      computed += profile_.compute_us + Updated(profile_.updates_us()) +
                  profile_.overhead_us;
      now = end;
    }
    result.step_us = now / options_.steps;
    result.exposed_us = (now - computed) / options_.steps;
    result.messages = messages_;
    return result;
  }

 private:
  int count() const { return static_cast<int>(ranks_.size()); }
  int HostOf(int rank) const { return rank / on_host_; }
  // Ranks of one host divide the updates.
  double Updated(double us) const { return hosts_ == 1 ? us / count() : us; }
  int PeersOf(const Phase& phase) const {
    switch (phase.peers) {
      case Peers::kOtherHosts: return count() - on_host_;
      case Peers::kSameSlice: return hosts_ - 1;
      case Peers::kOwnHost: return 1;  // all of them at once
    }
    return 0;
  }

  double Jitter(double us) {
    if (options_.jitter == 0) return us;
    std::normal_distribution<double> around(1, options_.jitter);
    return us * std::max(0.0, around(random_));
  }

  void MakePhases() {
    if (count() < 2) return;
    const auto packet = static_cast<double>(kPacketBytes);
    if (profile_.batch_share) {
      phases_.push_back(hosts_ > 1 ? Phase{.bytes = packet}
                                   : Phase{.peers = Peers::kOwnHost});
    }
    int first = 0;
    for (const int end : schedule_.bucket_ends) {
      int64_t bytes = 0;
      for (int i = first; i < end; ++i) {
        bytes += profile_.gradients[static_cast<size_t>(i)].bytes;
      }
      const size_t begin = phases_.size();
      const Phase shared{.peers = Peers::kOwnHost,
                         .bytes = static_cast<double>(bytes)};
      if (on_host_ > 1) phases_.push_back(shared);
      if (hosts_ > 1) MakeExchange(bytes / on_host_);
      if (on_host_ > 1 && hosts_ > 1) phases_.push_back(shared);
      phases_[begin].begins_bucket = true;
      phases_[begin].first_gradient = first;
      phases_[begin].last_gradient = end;
      phases_.back().ends_bucket = true;
      first = end;
    }
  }

  // Of a slice, between the hosts.
  void MakeExchange(int64_t bytes) {
    phases_.push_back({.peers = Peers::kSameSlice,
                       .bytes = static_cast<double>(kPacketBytes)});
    for (int64_t done = 0; done < bytes; done += kRoundBytes) {
      const auto part =
          static_cast<double>(std::min(kRoundBytes, bytes - done)) / hosts_;
      phases_.push_back({.peers = Peers::kSameSlice,
                         .bytes = part,
                         .all_begin_with_0 = true});
      phases_.push_back({.peers = Peers::kSameSlice, .bytes = part});
    }
  }

  void Post(double at, EventKind kind, int from, int to, size_t phase) {
    events_.push({at, order_++, kind, from, to, phase});
  }

  // All ranks from `start`; returns when the last is done.
  double Step(double start) {
    missing_.assign(static_cast<size_t>(hosts_) * phases_.size(), on_host_);
    for (int r = 0; r < count(); ++r) Begin(r, start);
    while (!events_.empty()) {
      const Event e = events_.top();
      events_.pop();
      Handle(e);
    }
    double end = 0;
    for (Rank& rank : ranks_) end = std::max(end, Finish(rank));
    return end;
  }

  // Without phases (one rank) nothing happens between begin and end.
  void Begin(int r, double start) {
    Rank& rank = ranks_[static_cast<size_t>(r)];
    rank.left.clear();
    for (const Phase& phase : phases_) rank.left.push_back(PeersOf(phase));
    rank.bucket_end.clear();
    rank.phase = 0;
    rank.sends_until = rank.receives_until = start;
    if (!profile_.batch_share || phases_.empty()) Compute(rank, start);
    if (!phases_.empty())
      Post(StartOf(rank, start), EventKind::kStart, r, r, 0);
  }

  void Compute(Rank& rank, double start) {
    double scale = 1;
    if (profile_.compute_us > 0) {
      scale = Jitter(profile_.compute_us) / profile_.compute_us;
    }
    rank.ready.clear();
    for (const StepProfile::Gradient& g : profile_.gradients) {
      rank.ready.push_back(start + g.ready_us * scale);
    }
    rank.computed = start + profile_.compute_us * scale;
  }

  // When the rank may begin its next phase, `now` having done those before.
  double StartOf(const Rank& rank, double now) const {
    const Phase& phase = phases_[rank.phase];
    if (!phase.begins_bucket) return now;
    if (!schedule_.overlap) return std::max(now, rank.computed);
    double ready = now;
    for (int i = phase.first_gradient; i < phase.last_gradient; ++i) {
      ready = std::max(ready, rank.ready[static_cast<size_t>(i)]);
    }
    return ready;
  }

  void Handle(const Event& e) {
    const double bytes = phases_[e.phase].bytes;
    switch (e.kind) {
      case EventKind::kStart: Start(e); return;
      case EventKind::kAnnounce:
        Post(e.at + network_.latency_us, EventKind::kAsk, e.from, e.to,
             e.phase);
        return;
      case EventKind::kAsk: Send(e.at, e.from, e.to, e.phase); return;
      case EventKind::kArrive: {
        // Its bits come in while they go out; they wait for earlier ones.
        Rank& rank = ranks_[static_cast<size_t>(e.to)];
        rank.receives_until =
            std::max(e.at + bytes / line_, rank.receives_until + bytes / line_);
        Post(rank.receives_until, EventKind::kTaken, e.from, e.to, e.phase);
        return;
      }
      case EventKind::kTaken:
        if (--ranks_[static_cast<size_t>(e.to)].left[e.phase] == 0) {
          Advance(e.to, e.at);
        }
        return;
    }
  }

  void Start(const Event& e) {
    const Phase& phase = phases_[e.phase];
    if (phase.peers == Peers::kOwnHost) {
      ShareMemory(e);
    } else if (phase.peers == Peers::kSameSlice) {
      const int own = HostOf(e.from), slice = e.from % on_host_;
      for (int k = 0; k < hosts_; ++k) {
        const int host = phase.all_begin_with_0 ? k : (own + k) % hosts_;
        if (host != own) StartMessage(e, host * on_host_ + slice);
      }
    } else {
      for (int k = 0; k < count(); ++k) {
        const int to = (e.from + k) % count();
        if (HostOf(to) != HostOf(e.from)) StartMessage(e, to);
      }
    }
  }

  // When the last of the host has come, all go on together.
  void ShareMemory(const Event& e) {
    const size_t host = static_cast<size_t>(HostOf(e.from));
    if (--missing_[host * phases_.size() + e.phase] > 0) return;
    const double end =
        e.at + Jitter(network_.shared_latency_us +
                      phases_[e.phase].bytes / network_.shared_bytes_per_us);
    const int first = HostOf(e.from) * on_host_;
    for (int r = first; r < first + on_host_; ++r) {
      Post(end, EventKind::kTaken, e.from, r, e.phase);
    }
  }

  void StartMessage(const Event& e, int to) {
    ++messages_;
    if (phases_[e.phase].bytes > static_cast<double>(network_.eager_bytes)) {
      Post(e.at + network_.latency_us, EventKind::kAnnounce, e.from, to,
           e.phase);
    } else {
      Send(e.at, e.from, to, e.phase);
    }
  }

  void Send(double at, int from, int to, size_t phase) {
    Rank& rank = ranks_[static_cast<size_t>(from)];
    const double begins =
        std::max(at, rank.sends_until) + Jitter(network_.message_us);
    rank.sends_until = begins + phases_[phase].bytes / line_;
    Post(begins + Jitter(network_.latency_us), EventKind::kArrive, from, to,
         phase);
  }

  // The rank has all of its phase, and of later ones perhaps, too.
  void Advance(int r, double now) {
    Rank& rank = ranks_[static_cast<size_t>(r)];
    while (rank.phase < phases_.size() && rank.left[rank.phase] == 0) {
      now = std::max(now, rank.sends_until);
      if (phases_[rank.phase].ends_bucket) rank.bucket_end.push_back(now);
      if (rank.phase == 0 && profile_.batch_share) Compute(rank, now);
      if (++rank.phase == phases_.size()) return;
      now = StartOf(rank, now);
      Post(now, EventKind::kStart, r, r, rank.phase);
    }
  }

  double Finish(Rank& rank) {
    double now = rank.computed;
    size_t i = 0;
    for (size_t b = 0; b < schedule_.bucket_ends.size(); ++b) {
      if (b < rank.bucket_end.size()) now = std::max(now, rank.bucket_end[b]);
      for (; i < static_cast<size_t>(schedule_.bucket_ends[b]); ++i) {
        now += Jitter(Updated(profile_.gradients[i].update_us));
      }
    }
    return now + profile_.overhead_us;
  }

  const StepProfile& profile_;
  const StepSchedule& schedule_;
  const NetworkCost& network_;
  const SimulationOptions& options_;
  std::mt19937_64 random_;
  std::vector<Phase> phases_;
  const int on_host_;
  std::vector<Rank> ranks_;
  const int hosts_;
  const double line_;         // bytes a us: the ranks of a host share its line
  std::vector<int> missing_;  // by host and phase: who has not come to it
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  uint64_t order_ = 0;
  uint64_t messages_ = 0;
};

}  // namespace

Simulated Simulate(const StepProfile& profile, const StepSchedule& schedule,
                   int ranks, const NetworkCost& network,
                   const SimulationOptions& options) {
  return Simulation(profile, schedule, ranks, network, options).Run();
}

}  // namespace lockstep
