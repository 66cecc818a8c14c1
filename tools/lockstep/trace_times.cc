// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/trace_times.h"

#include <algorithm>
#include <unordered_map>

#include "runtime/core/trace_runs.h"

namespace lockstep {
namespace {

// Of the traced time that a rank has to keep the others waiting to be named.
constexpr double kWorthNaming = 0.01;

double Ns(int64_t ns) { return static_cast<double>(ns); }

// Of all runs that a record of one stands for.
double RunsNs(const TraceEvent& run) {
  return Ns(run.duration_ns()) * static_cast<double>(RunsBefore(run.bytes) + 1);
}

// Runs of one name on one rank.
struct RunSums {
  double total_ns = 0;
  double recorded_ns = 0;  // of those whose ops are recorded
  double longest_ns = 0;
  double scale() const { return recorded_ns > 0 ? total_ns / recorded_ns : 0; }
};

// A collective on one rank: it waited until `last`, then it communicated.
struct Waiting {
  int64_t begin = 0;
  int64_t last = 0;
  int64_t end = 0;
};

int64_t Overlap(int64_t a_begin, int64_t a_end, int64_t b_begin,
                int64_t b_end) {
  return std::max<int64_t>(0,
                           std::min(a_end, b_end) - std::max(a_begin, b_begin));
}

class Analysis {
 public:
  explicit Analysis(const MergedTrace& trace) : trace_(trace) {
    times_.ranks.resize(trace.ranks.size());
    waits_.resize(trace.ranks.size());
  }

  TraceTimes Run() {
    for (size_t r = 0; r < trace_.ranks.size(); ++r) SumRuns(r);
    FindStep();
    MatchCollectives();
    for (size_t r = 0; r < trace_.ranks.size(); ++r) SumRank(r);
    for (auto& [name, op] : ops_) times_.ops.push_back(std::move(op));
    std::ranges::sort(times_.ops, std::ranges::greater{}, &OpTimes::total_ns);
    FindSlowest();
    return std::move(times_);
  }

 private:
  const TraceLog& log(size_t r) const { return trace_.ranks[r].log; }

  void SumRuns(size_t r) {
    runs_.emplace_back();
    for (const TraceEvent& e : log(r).events) {
      if (e.kind != TraceKind::kRun) continue;
      RunSums& sums = runs_[r][log(r).NameOf(e.name).name];
      sums.total_ns += RunsNs(e);
      sums.longest_ns = std::max(sums.longest_ns, Ns(e.duration_ns()));
      if (RunHasOps(e.bytes)) sums.recorded_ns += Ns(e.duration_ns());
    }
  }

  // The longest run of each name, which is its first as a rule and made the
  // plan, says nothing: an initialiser may take longer than some steps.
  void FindStep() {
    std::map<std::string, double> later, all;
    for (const auto& runs : runs_) {
      for (const auto& [name, sums] : runs) {
        later[name] += sums.total_ns - sums.longest_ns;
        all[name] += sums.total_ns;
      }
    }
    for (const auto& [name, total] : all) {
      const std::string& best = times_.step_name;
      if (best.empty() ||
          std::pair(later[name], total) > std::pair(later[best], all[best])) {
        times_.step_name = name;
      }
    }
  }

  // Who came last, what the others waited, and how long it took from there.
  void MatchCollectives() {
    std::map<std::pair<std::string, std::string>, CollectiveTimes> by_name;
    for (const auto& [key, parts] : trace_.collectives) {
      const CollectivePart* last = &parts[0];
      for (const CollectivePart& p : parts) {
        if (trace_.event(p).begin_ns > trace_.event(*last).begin_ns) last = &p;
      }
      const int64_t entered = trace_.event(*last).begin_ns;
      RankTimes& culprit = times_.ranks[last->rank];
      ++culprit.last_in;
      const TraceName& name = log(last->rank).NameOf(trace_.event(*last).name);
      CollectiveTimes& sum = by_name[{name.op, name.name}];
      for (const CollectivePart& p : parts) {
        const TraceEvent& e = trace_.event(p);
        const Waiting wait{.begin = e.begin_ns,
                           .last = std::clamp(entered, e.begin_ns, e.end_ns),
                           .end = e.end_ns};
        waits_[p.rank].push_back(wait);
        culprit.kept_waiting_ns += Ns(wait.last - wait.begin);
        ++sum.count;
        sum.bytes += static_cast<double>(e.bytes);
        sum.straggler_ns += Ns(wait.last - wait.begin);
        sum.transfer_ns += Ns(wait.end - wait.last);
      }
    }
    for (auto& [name, sum] : by_name) {
      std::tie(sum.call, sum.name) = name;
      const auto count = static_cast<double>(sum.count);
      sum.bytes /= count;
      sum.straggler_ns /= count;
      sum.transfer_ns /= count;
      times_.collectives.push_back(std::move(sum));
    }
    std::ranges::sort(times_.collectives, std::ranges::greater{},
                      [](const CollectiveTimes& c) {
                        return (c.transfer_ns + c.straggler_ns) *
                               static_cast<double>(c.count);
                      });
    for (std::vector<Waiting>& waits : waits_) {
      std::ranges::sort(waits, {}, &Waiting::begin);
    }
  }

  // What of the span was spent waiting for later ranks, or in collectives.
  double Straggling(size_t r, const TraceEvent& e) const {
    return Within(r, e, &Waiting::last);
  }
  double Within(size_t r, const TraceEvent& e, int64_t Waiting::*until) const {
    const std::vector<Waiting>& waits = waits_[r];
    // Those before it may reach into it, when several are under way.
    auto at = std::ranges::lower_bound(waits, e.begin_ns, {}, &Waiting::begin);
    for (int i = 0; i < 8 && at != waits.begin(); ++i) --at;
    int64_t sum = 0, from = e.begin_ns;
    for (; at != waits.end() && at->begin < e.end_ns; ++at) {
      const int64_t end = (*at).*until;
      sum += Overlap(std::max(from, at->begin), end, from, e.end_ns);
      from = std::max(from, end);
    }
    return Ns(sum);
  }

  void SumRank(size_t r) {
    RankTimes& t = times_.ranks[r];
    const std::vector<TraceEvent>& events = log(r).events;
    t.rank = log(r).rank;
    t.host = log(r).host;
    if (events.empty()) return;
    int64_t end = events[0].end_ns;
    // Ops follow the run that they are part of.
    std::unordered_map<uint32_t, double> scales;
    std::vector<double> steps;
    double runs_ns = 0;
    for (const TraceEvent& e : events) {
      end = std::max(end, e.end_ns);
      if (e.kind == TraceKind::kInput) t.input_ns += Ns(e.duration_ns());
      if (e.kind != TraceKind::kRun) continue;
      const std::string& name = log(r).NameOf(e.name).name;
      runs_ns += RunsNs(e);
      if (name == times_.step_name) {
        steps.insert(steps.end(), RunsBefore(e.bytes) + 1, Ns(e.duration_ns()));
      }
      if (RunHasOps(e.bytes)) scales[e.number] = runs_[r][name].scale();
    }
    // A run that was not recorded to its end counts as it is; one whose begin
    // the ring has lost too.
    double in_ops = 0;
    for (const TraceEvent& e : events) {
      if (e.kind != TraceKind::kOp && e.kind != TraceKind::kWait) continue;
      const auto scale = scales.find(e.number);
      if (scale == scales.end()) continue;
      in_ops += SumOp(r, e, scale->second);
    }
    t.traced_ns = Ns(end - events[0].begin_ns);
    t.overhead_ns = std::max(0.0, runs_ns - in_ops);
    t.between_ns = std::max(0.0, t.traced_ns - runs_ns - t.input_ns);
    t.steps = steps.size();
    if (steps.empty()) return;
    std::ranges::sort(steps);
    t.step_median_ns = steps[steps.size() / 2];
    t.step_p95_ns = steps[(steps.size() - 1) * 95 / 100];
  }

  // Returns what it took of the run's own lane.
  double SumOp(size_t r, const TraceEvent& e, double scale) {
    RankTimes& t = times_.ranks[r];
    const TraceName& name = log(r).NameOf(e.name);
    const double took = Ns(e.duration_ns()) * scale;
    if (e.kind == TraceKind::kOp) CountOp(name, took, scale);
    if (e.lane != 0) return 0;
    const double straggling = Straggling(r, e) * scale;
    if (name.synchronizes) {
      t.straggler_ns += straggling;
      t.exposed_ns += took - straggling;
    } else if (e.kind == TraceKind::kWait) {
      // For a lane that exchanges, or for another.
      const double exchanging = Within(r, e, &Waiting::end) * scale;
      t.straggler_ns += straggling;
      t.exposed_ns += exchanging - straggling;
      t.lanes_ns += took - exchanging;
    } else {
      t.compute_ns += took;
    }
    return took;
  }

  void CountOp(const TraceName& name, double took, double scale) {
    OpTimes& op = ops_[name.op];
    op.op = name.op;
    op.synchronizes = name.synchronizes;
    op.total_ns += took;
    op.count += scale;
    double& node = nodes_[name.name];
    node += took;
    if (node > op.largest_ns) {
      op.largest_ns = node;
      op.largest = name.name;
    }
  }

  void FindSlowest() {
    const auto most =
        std::ranges::max_element(times_.ranks, {}, &RankTimes::kept_waiting_ns);
    if (most == times_.ranks.end() || times_.ranks.size() < 2) return;
    const double others =
        most->traced_ns * static_cast<double>(times_.ranks.size() - 1);
    if (most->kept_waiting_ns > kWorthNaming * others) {
      times_.slowest_rank = most->rank;
    }
  }

  const MergedTrace& trace_;
  TraceTimes times_;
  std::vector<std::map<std::string, RunSums>> runs_;
  std::vector<std::vector<Waiting>> waits_;
  std::map<std::string, OpTimes> ops_;
  std::unordered_map<std::string, double> nodes_;
};

}  // namespace

TraceTimes TimesOf(const MergedTrace& trace) { return Analysis(trace).Run(); }

}  // namespace lockstep
