// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the time of traced ranks went.
//
// Ops are recorded in some runs only (runtime/exec/plan_trace.h); their times
// are scaled to all runs of the same name. An op that talks to other ranks is
// not computation: until the last rank has entered its collective it waits for
// that rank, then it is exposed communication.
//
//   const TraceTimes times = TimesOf(trace);
//   times.ranks[0].compute_ns

#include <cstdint>
#include <string>
#include <vector>

#include "tools/lockstep/trace_merge.h"

namespace lockstep {

// Sums over the traced time of one rank, in nanoseconds.
struct RankTimes {
  int rank = 0;
  std::string host;
  double traced_ns = 0;  // from its first event to its last
  double compute_ns = 0;
  double exposed_ns = 0;    // communication that nothing hides
  double straggler_ns = 0;  // waiting for ranks that came later
  double lanes_ns = 0;      // waiting for its own other lanes
  double overhead_ns = 0;   // in runs, but in no op: feeds, fetches, planning
  double input_ns = 0;
  double between_ns = 0;  // outside of runs and input
  // The job's main run: the name that takes most time.
  size_t steps = 0;
  double step_median_ns = 0;
  double step_p95_ns = 0;
  // What the others waited for this rank, and in how many collectives.
  double kept_waiting_ns = 0;
  size_t last_in = 0;
};

struct OpTimes {
  std::string op;
  bool synchronizes = false;
  double total_ns = 0;  // over all ranks
  double count = 0;     // scaled, as the times
  std::string largest;  // the node that takes most
  double largest_ns = 0;
};

struct CollectiveTimes {
  std::string call;
  std::string name;
  size_t count = 0;        // of calls on all ranks
  double bytes = 0;        // of one call, mean
  double transfer_ns = 0;  // of one call: from the last rank's entry
  double straggler_ns = 0;
};

struct TraceTimes {
  std::string step_name;
  std::vector<RankTimes> ranks;
  std::vector<OpTimes> ops;                  // largest first
  std::vector<CollectiveTimes> collectives;  // largest first
  // The one that the others waited for most; -1: they waited for none to speak
  // of.
  int slowest_rank = -1;
};

TraceTimes TimesOf(const MergedTrace& trace);

}  // namespace lockstep
