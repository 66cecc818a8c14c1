// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/trace_merge.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lockstep {
namespace {

constexpr size_t kLeastPerWindow = 8;
constexpr size_t kMostWindows = 32;
// Crystals differ by less; a larger slope is noise.
constexpr double kMostDrift = 500e-6;

// What has to be added to one clock to have another, by the collectives of a
// part of the run.
struct Offset {
  std::vector<double> by_ends;  // each collective's estimate
  int64_t low = std::numeric_limits<int64_t>::min() / 4;
  int64_t high = std::numeric_limits<int64_t>::max() / 4;
  double at = 0;  // when, on the clock to be moved
  double value = 0;
  double error = 0;

  void Finish() {
    std::ranges::sort(by_ends);
    const size_t last = by_ends.size() - 1;
    value = by_ends[last / 2];
    error = (by_ends[last - last / 10] - by_ends[last / 10]) / 2;
    // Drift within the part may make the bounds contradict each other.
    if (low <= high) {
      value = std::clamp(value, static_cast<double>(low),
                         static_cast<double>(high));
    }
  }
  double bound() const {
    return std::max(std::abs(static_cast<double>(high) - value),
                    std::abs(value - static_cast<double>(low)));
  }
};

struct Line {
  double offset = 0;  // at time `at`
  double slope = 0;
  double at = 0;
  double error = 0;
  double bound = 0;
  int64_t At(int64_t t) const {
    return static_cast<int64_t>(
        std::llround(offset + slope * (static_cast<double>(t) - at)));
  }
};

// Last to enter, first to leave, among the ranks of one clock.
struct Passage {
  int64_t entered = std::numeric_limits<int64_t>::min();
  int64_t left = std::numeric_limits<int64_t>::max();
  bool any = false;
};

Passage PassageOf(const MergedTrace& trace,
                  const std::vector<CollectivePart>& parts, uint64_t clock) {
  Passage p;
  for (const CollectivePart& part : parts) {
    if (trace.ranks[part.rank].log.clock != clock) continue;
    const TraceEvent& e = trace.event(part);
    p.entered = std::max(p.entered, e.begin_ns);
    p.left = std::min(p.left, e.end_ns);
    p.any = true;
  }
  return p;
}

// Nobody leaves these before all have entered.
bool BindsAll(const MergedTrace& trace,
              const std::vector<CollectivePart>& parts) {
  const TraceEvent& e = trace.event(parts[0]);
  return trace.ranks[parts[0].rank].log.NameOf(e.name).op != "Broadcast";
}

// The collectives that both clocks have taken part in, in order of time.
std::vector<std::pair<Passage, Passage>> CommonPassages(
    const MergedTrace& trace, uint64_t reference, uint64_t clock) {
  std::vector<std::pair<Passage, Passage>> common;
  for (const auto& [key, parts] : trace.collectives) {
    if (!BindsAll(trace, parts)) continue;
    const Passage theirs = PassageOf(trace, parts, reference);
    const Passage mine = PassageOf(trace, parts, clock);
    if (theirs.any && mine.any) common.push_back({theirs, mine});
  }
  std::ranges::sort(common, {}, [](const std::pair<Passage, Passage>& p) {
    return p.second.entered;
  });
  return common;
}

std::vector<Offset> OffsetsByWindow(
    const std::vector<std::pair<Passage, Passage>>& common) {
  const size_t windows =
      std::clamp<size_t>(common.size() / kLeastPerWindow, 1, kMostWindows);
  std::vector<Offset> offsets(windows);
  for (size_t i = 0; i < common.size(); ++i) {
    Offset& b = offsets[i * windows / common.size()];
    const auto& [theirs, mine] = common[i];
    b.low = std::max(b.low, theirs.entered - mine.left);
    b.high = std::min(b.high, theirs.left - mine.entered);
    b.at += static_cast<double>(mine.entered - common[0].second.entered);
    b.by_ends.push_back(static_cast<double>(theirs.left - mine.left));
  }
  for (Offset& b : offsets) {
    b.at = b.at / static_cast<double>(b.by_ends.size()) +
           static_cast<double>(common[0].second.entered);
    b.Finish();
  }
  return offsets;
}

// Each weighs the more the less it is off.
Line FitLine(const std::vector<Offset>& offsets) {
  double weights = 0, at = 0, offset = 0;
  std::vector<double> weight;
  // Offsets are large next to their differences.
  const double base = offsets[0].value;
  for (const Offset& b : offsets) {
    weight.push_back(1 / std::pow(b.error + 100, 2));
    weights += weight.back();
    at += weight.back() * (b.at - offsets[0].at);
    offset += weight.back() * (b.value - base);
  }
  at /= weights;
  offset /= weights;
  double across = 0, along = 0, error = 0, bound = 0;
  for (size_t i = 0; i < offsets.size(); ++i) {
    const double t = offsets[i].at - offsets[0].at - at;
    across += weight[i] * t * (offsets[i].value - base - offset);
    along += weight[i] * t * t;
    error += weight[i] * offsets[i].error;
    bound = std::max(bound, offsets[i].bound());
  }
  Line line{.offset = base + offset,
            .at = offsets[0].at + at,
            .error = error / weights,
            .bound = bound};
  if (offsets.size() >= 4 && along > 0) line.slope = across / along;
  if (std::abs(line.slope) > kMostDrift) line.slope = 0;
  return line;
}

void FindCollectives(MergedTrace* trace) {
  for (size_t r = 0; r < trace->ranks.size(); ++r) {
    const std::vector<TraceEvent>& events = trace->ranks[r].log.events;
    for (size_t i = 0; i < events.size(); ++i) {
      const TraceEvent& e = events[i];
      if (e.kind != TraceKind::kCollective || e.number == 0) continue;
      trace->collectives[{e.group, e.number}].push_back({r, i});
    }
  }
  std::erase_if(trace->collectives,
                [](const auto& c) { return c.second.size() < 2; });
}

void Move(RankTrace* rank, const Line& line) {
  rank->offset_ns = static_cast<int64_t>(std::llround(line.offset));
  rank->offset_error_ns = static_cast<int64_t>(std::llround(line.error));
  rank->offset_bound_ns = static_cast<int64_t>(std::llround(line.bound));
  rank->drift_ppm = line.slope * 1e6;
  for (TraceEvent& e : rank->log.events) {
    e.begin_ns += line.At(e.begin_ns);
    e.end_ns += line.At(e.end_ns);
  }
}

}  // namespace

MergedTrace MergeTraces(std::vector<TraceLog> logs) {
  MergedTrace trace;
  std::ranges::sort(logs, {}, &TraceLog::rank);
  for (TraceLog& log : logs) {
    trace.job = log.job;
    trace.expected_ranks = std::max(trace.expected_ranks, log.ranks);
    trace.ranks.push_back({.log = std::move(log)});
  }
  trace.aligned_by = "one clock";
  if (trace.ranks.empty()) return trace;
  FindCollectives(&trace);
  const TraceLog& first = trace.ranks[0].log;
  const uint64_t reference = first.clock;
  std::map<uint64_t, Line> lines;
  for (const RankTrace& r : trace.ranks) {
    if (r.log.clock == reference || lines.contains(r.log.clock)) continue;
    const auto common = CommonPassages(trace, reference, r.log.clock);
    if (!common.empty()) {
      lines[r.log.clock] = FitLine(OffsetsByWindow(common));
      trace.collectives_used += common.size();
      if (trace.aligned_by == "one clock") trace.aligned_by = "collectives";
    } else {
      lines[r.log.clock] = {
          .offset = static_cast<double>(r.log.wall_minus_steady_ns -
                                        first.wall_minus_steady_ns)};
      trace.aligned_by = "wall clocks";
    }
  }
  for (RankTrace& r : trace.ranks) {
    if (const auto line = lines.find(r.log.clock); line != lines.end()) {
      Move(&r, line->second);
    }
  }
  return trace;
}

Result<MergedTrace> ReadTraces(Env& env, const std::string& dir, uint64_t job) {
  LS_ASSIGN_OR_RETURN(const std::vector<std::string> names, env.ListDir(dir));
  std::vector<TraceLog> logs;
  std::vector<std::string> unreadable;
  for (const std::string& name : names) {
    if (!name.ends_with(".trace")) continue;
    Result<TraceLog> log = ReadTrace(env, JoinPath(dir, name));
    if (log.ok()) {
      logs.push_back(*std::move(log));
    } else {
      unreadable.push_back(log.status().message());
    }
  }
  std::vector<uint64_t> jobs;
  for (const TraceLog& log : logs) jobs.push_back(log.job);
  std::ranges::sort(jobs);
  jobs.erase(std::ranges::unique(jobs).begin(), jobs.end());
  const uint64_t wanted = job != 0 || jobs.empty() ? job : jobs.back();
  if (std::ranges::find(jobs, wanted) == jobs.end()) {
    return NotFound("no trace in '", dir, "'",
                    job != 0 ? StrCat(" of job ", job) : std::string(),
                    unreadable.empty() ? "" : "; ", Join(unreadable, "; "));
  }
  std::erase_if(logs, [&](const TraceLog& log) { return log.job != wanted; });
  MergedTrace trace = MergeTraces(std::move(logs));
  trace.other_jobs = static_cast<int>(jobs.size()) - 1;
  trace.unreadable = std::move(unreadable);
  return trace;
}

}  // namespace lockstep
