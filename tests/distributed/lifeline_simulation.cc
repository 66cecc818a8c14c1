// SPDX-License-Identifier: Apache-2.0
#include "tests/distributed/lifeline_simulation.h"

namespace lockstep {

Simulation::Simulation(LifelineSimulationOptions options)
    : options_(std::move(options)), random_(options_.seed) {
  std::vector<LifelinePeer> peers;
  for (size_t r = 0; r < options_.nodes.size(); ++r) {
    peers.push_back({.host = StrCat("host", options_.nodes[r]),
                     .process = static_cast<int32_t>(1000 + r),
                     .node = options_.nodes[r]});
  }
  for (int r = 0; r < static_cast<int>(peers.size()); ++r) {
    auto rank = std::make_unique<Rank>();
    rank->sim = this;
    rank->number = r;
    rank->core =
        std::make_unique<LifelineCore>(r, peers, options_.lifeline, rank.get());
    ranks_.push_back(std::move(rank));
    At(1 + Random(options_.lifeline.beat_micros), [this, r] { Tick(r); });
    At(1 + Random(1000), [this, r] { Compute(r); });
  }
}

void Simulation::Run(uint64_t until) {
  while (!events_.empty() && events_.top().at <= until) {
    const Event event = events_.top();
    events_.pop();
    now_ = event.at;
    event.run();
  }
  now_ = until;
}

void Simulation::As(int r, std::function<void()> f) {
  Rank& rank = *ranks_[Index(r)];
  if (rank.dead) return;
  if (rank.stopped) {
    rank.held.push_back(std::move(f));
  } else if (rank.starved_until > now_) {
    At(rank.starved_until, [this, r, f = std::move(f)] { As(r, f); });
  } else {
    f();
  }
}

void Simulation::Continue(int r) {
  Rank& rank = *ranks_[Index(r)];
  rank.stopped = false;
  for (auto& f : std::exchange(rank.held, {})) As(r, std::move(f));
}

void Simulation::Tick(int r) {
  As(r, [this, r] {
    Rank& rank = *ranks_[Index(r)];
    rank.core->OnTick(now_);
    if (options_.starvation > 0 && Random(20) == 0) {
      rank.starved_until = now_ + Random(options_.starvation);
    }
    const uint64_t beat = options_.lifeline.beat_micros;
    After(beat + Random(beat / 10), [this, r] { Tick(r); });
  });
}

bool Simulation::IsCut(int a, int b) {
  return options_.nodes[Index(a)] != options_.nodes[Index(b)] &&
         (ranks_[Index(a)]->cut || ranks_[Index(b)]->cut);
}

void Simulation::Deliver(int from, int to, std::function<void()> what) {
  if (IsCut(from, to)) return;
  uint64_t& last = last_arrival_[{from, to}];
  // Mostly soon; sometimes a packet is sent again.
  last =
      std::max(last + 1, now_ + 20 + Random(Random(50) == 0 ? 300'000 : 500));
  At(last, [this, from, to, what = std::move(what)] {
    if (!IsCut(from, to)) As(to, what);
  });
}

void Simulation::Send(int from, int to, const LifelineFrame& frame) {
  // Through the bytes, as on the wire.
  FrameReader reader;
  reader.Append(EncodeFrame(frame));
  const LifelineFrame sent = **reader.Next();
  Deliver(from, to, [this, from, to, sent] {
    ranks_[Index(to)]->core->OnFrame(from, sent, now_);
  });
}

void Simulation::Kill(int r, uint64_t late) {
  Rank& rank = *ranks_[Index(r)];
  if (rank.dead) return;
  rank.dead = true;
  for (int other = 0; other < size(); ++other) {
    if (other == r || (r != 0 && other != 0)) continue;
    const auto tell = [this, r, other] {
      Deliver(r, other, [this, r, other] {
        ranks_[Index(other)]->core->OnClosed(r, now_);
      });
    };
    if (late == 0) {
      tell();
    } else {
      After(late, tell);
    }
  }
}

void Simulation::Leave(int r) {
  ranks_[Index(r)]->left = true;
  ranks_[Index(r)]->core->Leave();
}

void Simulation::Exit(int r) {
  ranks_[Index(r)]->core->Exit();
  Kill(r);
}

void Simulation::CutNode(int node) {
  for (int r = 0; r < size(); ++r) {
    if (options_.nodes[Index(r)] == node) ranks_[Index(r)]->cut = true;
  }
}

// The program of a rank: computes, meets the others, begins anew.
void Simulation::Compute(int r) {
  As(r, [this, r] {
    Rank& rank = *ranks_[Index(r)];
    if (rank.left || rank.has_stopped) return;
    if (rank.step >= rank.limit) {
      rank.holds = true;
      return;
    }
    if (rank.step >= options_.steps) {
      Leave(r);
      return MeetIfComplete();
    }
    ++rank.word;
    After(2000 + Random(60'000),
          [this, r] { As(r, [this, r] { Arrive(r); }); });
  });
}

void Simulation::Arrive(int r) {
  Rank& rank = *ranks_[Index(r)];
  if (rank.left || rank.loops) return;
  ++rank.word;
  rank.waits = true;
  rank.wait_start = now_;
  if (options_.collective_timeout > 0) {
    After(options_.collective_timeout, [this, r, step = rank.step] {
      As(r, [this, r, step] {
        Rank& late = *ranks_[Index(r)];
        if (!late.waits || late.step != step) return;
        late.core->Fail(DeadlineExceeded("somebody did not arrive"), false,
                        now_);
      });
    });
  }
  MeetIfComplete();
}

void Simulation::MeetIfComplete() {
  const auto all = [&](auto is) {
    return std::ranges::all_of(ranks_, [&](const auto& r) { return is(*r); });
  };
  // All are at their end: they part in order.
  if (all([](const Rank& r) { return r.left && r.runs(); })) {
    for (int r = 0; r < size(); ++r) {
      After(100 + Random(5000), [this, r] {
        As(r, [this, r] { ranks_[Index(r)]->core->Goodbye(); });
      });
      After(20'000 + Random(400'000), [this, r] { Kill(r); });
    }
    return;
  }
  if (!all([](const Rank& r) { return r.waits; })) return;
  for (int r = 0; r < size(); ++r) {
    Rank& rank = *ranks_[Index(r)];
    rank.waits = false;
    ++rank.word;
    ++rank.step;
    rank.marks.Add(rank.differs ? 0 : static_cast<uint64_t>(rank.step));
    Compute(r);
  }
}

Beat Simulation::Rank::Progress() {
  return {.step = step,
          .runs = static_cast<uint64_t>(step + 1),
          .word = word,
          .waits = waits,
          .waited_micros = waits ? sim->now() - wait_start : 0,
          .patience_micros = waits ? sim->options_.patience : 0,
          .where = "node 'x' (Op)",
          .waiting = waits ? "AllReduce" : "",
          .marks = marks.Read()};
}

char Simulation::Rank::ProcessState(int other) {
  const Rank& r = *sim->ranks_[Index(other)];
  if (sim->options_.nodes[Index(other)] != sim->options_.nodes[Index(number)]) {
    return 0;
  }
  return r.dead ? 'Z' : r.stopped ? 'T' : 'S';
}

void Simulation::Rank::End(const Verdict& v) {
  verdict = v;
  ended_at = sim->now();
  sim->Kill(number);
}

bool Simulation::Rank::HoldAt(int64_t at, int64_t* now_at) {
  limit = at;
  *now_at = step;
  return step < at;
}

void Simulation::Rank::Decide(int64_t at, bool holds_it) {
  if (limit != at) return;
  if (holds_it) {
    if (holds) has_stopped = true;
    return;
  }
  limit = std::numeric_limits<int64_t>::max();
  if (std::exchange(holds, false)) {
    sim->After(1, [s = sim, n = number] { s->Compute(n); });
  }
}

}  // namespace lockstep
