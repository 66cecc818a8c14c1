// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <set>

#include "tools/lockstep/report.h"

namespace lockstep {
namespace {

[[gnu::format(printf, 1, 2)]] std::string Format(const char* format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  return text;
}

double Percent(double part, double whole) {
  return whole > 0 ? 100 * part / whole : 0;
}

std::string TellFiles(const MergedTrace& trace) {
  std::set<std::string> hosts;
  uint64_t overwritten = 0, damaged = 0;
  for (const RankTrace& r : trace.ranks) {
    hosts.insert(r.log.host);
    overwritten += r.log.overwritten;
    damaged += r.log.damaged;
  }
  std::string text = StrCat(
      trace.ranks.size(), trace.ranks.size() == 1 ? " rank" : " ranks", " on ",
      hosts.size(), hosts.size() == 1 ? " host" : " hosts", "\n");
  if (static_cast<int>(trace.ranks.size()) < trace.expected_ranks) {
    text += StrCat("the job had ", trace.expected_ranks,
                   " ranks: the files of the others are missing\n");
  }
  if (trace.aligned_by == "collectives") {
    int64_t error = 0;
    for (const RankTrace& r : trace.ranks) {
      error = std::max(error, r.offset_error_ns);
    }
    text += Format("clocks: aligned by %zu collectives, to about %.1f us\n",
                   trace.collectives_used, static_cast<double>(error) * 1e-3);
  } else if (trace.aligned_by != "one clock") {
    text +=
        "clocks: aligned by wall clock, as there were no collectives "
        "between some ranks\n";
  }
  if (overwritten > 0) {
    text += StrCat("the newest records: ", overwritten,
                   " older ones were overwritten (LOCKSTEP_TRACE_BYTES)\n");
  }
  if (damaged > 0) text += StrCat(damaged, " damaged records left out\n");
  if (trace.other_jobs > 0) {
    text += StrCat(trace.other_jobs, " other jobs in the folder left out\n");
  }
  for (const std::string& why : trace.unreadable) {
    text += StrCat("left out: ", why, "\n");
  }
  return text;
}

// Ranks that did not close their files.
std::string TellEnds(const MergedTrace& trace) {
  std::string text;
  for (const RankTrace& r : trace.ranks) {
    if (r.log.closed) continue;
    std::string where = "between runs";
    for (const uint32_t name : r.log.current) {
      if (name == 0) continue;
      const TraceName& n = r.log.NameOf(name);
      where = StrCat("in ", n.op, " '", n.name, "'");
      break;
    }
    text += StrCat("rank ", r.log.rank, " on ", r.log.host, ", process ",
                   r.log.process, ", has not ended by itself: it was ", where,
                   "\n");
  }
  return text;
}

std::string TellRanks(const TraceTimes& times) {
  std::string text =
      "\n rank host              steps  median ms     95 % |  compute  exposed "
      " waiting    lanes  overhead    input  between\n";
  for (const RankTimes& r : times.ranks) {
    const auto part = [&](double ns) { return Percent(ns, r.traced_ns); };
    text += Format(
        "%5d %-16.16s %6zu %10.3f %8.3f | %6.1f %% %6.1f %% %6.1f %% %6.1f %% "
        " %6.1f %% %6.1f %%  %6.1f %%\n",
        r.rank, r.host.c_str(), r.steps, r.step_median_ns * 1e-6,
        r.step_p95_ns * 1e-6, part(r.compute_ns), part(r.exposed_ns),
        part(r.straggler_ns), part(r.lanes_ns), part(r.overhead_ns),
        part(r.input_ns), part(r.between_ns));
  }
  return text;
}

std::string TellSlowest(const TraceTimes& times, const MergedTrace& trace) {
  if (times.ranks.size() < 2 || trace.collectives.empty()) return {};
  for (const RankTimes& r : times.ranks) {
    if (r.rank != times.slowest_rank) continue;
    const auto others = static_cast<double>(times.ranks.size() - 1);
    return Format(
        "slowest: rank %d on %s: it came last to %zu of %zu collectives; each "
        "other rank waited %.1f ms for it, %.1f %% of the time\n",
        r.rank, r.host.c_str(), r.last_in, trace.collectives.size(),
        r.kept_waiting_ns / others * 1e-6,
        Percent(r.kept_waiting_ns / others, r.traced_ns));
  }
  return "slowest: no rank kept the others waiting for 1 % of the time\n";
}

std::string TellOps(const TraceTimes& times, size_t top) {
  double all = 0;
  for (const OpTimes& op : times.ops) all += op.total_ns;
  if (all == 0) return {};
  std::string text =
      "\nop                              ms  share     count  largest node\n";
  for (size_t i = 0; i < std::min(top, times.ops.size()); ++i) {
    const OpTimes& op = times.ops[i];
    text += Format("%-24.24s %9.2f %5.1f %% %9.0f  %s %.0f %%\n", op.op.c_str(),
                   op.total_ns * 1e-6, Percent(op.total_ns, all), op.count,
                   op.largest.substr(0, 200).c_str(),
                   Percent(op.largest_ns, op.total_ns));
  }
  if (times.ops.size() > top) {
    text += StrCat("... and ", times.ops.size() - top, " more\n");
  }
  return text;
}

std::string TellCollectives(const TraceTimes& times, size_t top) {
  if (times.collectives.empty()) return {};
  std::string text =
      "\ncollective       calls       bytes  transfer us  waiting us  asked "
      "by\n";
  for (size_t i = 0; i < std::min(top, times.collectives.size()); ++i) {
    const CollectiveTimes& c = times.collectives[i];
    text += Format("%-14.14s %7zu %11.0f %12.1f %11.1f  %s\n", c.call.c_str(),
                   c.count, c.bytes, c.transfer_ns * 1e-3,
                   c.straggler_ns * 1e-3, c.name.substr(0, 200).c_str());
  }
  return text;
}

Json RankJson(const RankTrace& r, const RankTimes& t) {
  return {{"rank", t.rank},
          {"host", t.host},
          {"process", r.log.process},
          {"threads", r.log.threads},
          {"closed", r.log.closed},
          {"clock_offset_ns", r.offset_ns},
          {"clock_error_ns", r.offset_error_ns},
          {"clock_bound_ns", r.offset_bound_ns},
          {"drift_ppm", r.drift_ppm},
          {"overwritten", r.log.overwritten},
          {"damaged", r.log.damaged},
          {"traced_ms", t.traced_ns * 1e-6},
          {"steps", t.steps},
          {"step_median_ms", t.step_median_ns * 1e-6},
          {"step_p95_ms", t.step_p95_ns * 1e-6},
          {"compute_ms", t.compute_ns * 1e-6},
          {"exposed_ms", t.exposed_ns * 1e-6},
          {"waiting_ms", t.straggler_ns * 1e-6},
          {"lanes_ms", t.lanes_ns * 1e-6},
          {"overhead_ms", t.overhead_ns * 1e-6},
          {"input_ms", t.input_ns * 1e-6},
          {"between_ms", t.between_ns * 1e-6},
          {"kept_waiting_ms", t.kept_waiting_ns * 1e-6},
          {"last_in", t.last_in}};
}

}  // namespace

std::string ReportText(const MergedTrace& trace, const TraceTimes& times,
                       size_t top) {
  return TellFiles(trace) + TellEnds(trace) +
         (times.step_name.empty() ? ""
                                  : StrCat("step: ", times.step_name, "\n")) +
         TellRanks(times) + TellSlowest(times, trace) + TellOps(times, top) +
         TellCollectives(times, top);
}

Json ReportJson(const MergedTrace& trace, const TraceTimes& times) {
  Json ranks = Json::array(), ops = Json::array(), collectives = Json::array();
  for (size_t i = 0; i < times.ranks.size(); ++i) {
    ranks.push_back(RankJson(trace.ranks[i], times.ranks[i]));
  }
  for (const OpTimes& op : times.ops) {
    ops.push_back({{"op", op.op},
                   {"synchronizes", op.synchronizes},
                   {"ms", op.total_ns * 1e-6},
                   {"count", op.count},
                   {"largest_node", op.largest},
                   {"largest_ms", op.largest_ns * 1e-6}});
  }
  for (const CollectiveTimes& c : times.collectives) {
    collectives.push_back({{"call", c.call},
                           {"name", c.name},
                           {"calls", c.count},
                           {"bytes", c.bytes},
                           {"transfer_us", c.transfer_ns * 1e-3},
                           {"waiting_us", c.straggler_ns * 1e-3}});
  }
  return {{"job", trace.job},
          {"ranks_expected", trace.expected_ranks},
          {"aligned_by", trace.aligned_by},
          {"collectives_used", trace.collectives_used},
          {"step", times.step_name},
          {"slowest_rank", times.slowest_rank},
          {"ranks", ranks},
          {"ops", ops},
          {"collectives", collectives}};
}

}  // namespace lockstep
