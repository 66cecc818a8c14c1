// SPDX-License-Identifier: Apache-2.0
#pragma once

// The traces of a job's ranks, with their times on one clock.
//
// Ranks that share a steady clock (one machine) need nothing. Between others
// the offset follows from their collectives: all leave one at about the same
// time, and nobody leaves before everyone has entered, which bounds the offset
// from both sides for certain. Drift is a line through the offsets of parts of
// the run.
//
//   LS_ASSIGN_OR_RETURN(MergedTrace trace, ReadTraces(env, "run1/trace", 0));
//   for (const RankTrace& r : trace.ranks) Show(r.log, r.offset_ns);

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "runtime/io/trace_reader.h"

namespace lockstep {

struct RankTrace {
  TraceLog log;  // its events on the common clock
  // What was added to its clock, in the middle of the run; how far that is
  // probably off, from the spread of the collectives' ends; and at most.
  int64_t offset_ns = 0;
  int64_t offset_error_ns = 0;
  int64_t offset_bound_ns = 0;
  double drift_ppm = 0;
};

// One rank's part in a collective: rank's place in MergedTrace::ranks, event's
// in its events.
struct CollectivePart {
  size_t rank = 0;
  size_t event = 0;
};
// By group and number. Messages, which have no number, are not among them.
using Collectives =
    std::map<std::pair<uint16_t, uint32_t>, std::vector<CollectivePart>>;

struct MergedTrace {
  std::vector<RankTrace> ranks;  // by rank
  Collectives collectives;
  uint64_t job = 0;
  int expected_ranks = 0;
  // "one clock", "collectives", or "wall clocks" where some ranks had no
  // collectives with the others.
  std::string aligned_by;
  size_t collectives_used = 0;
  int other_jobs = 0;                   // in the same folder, left out
  std::vector<std::string> unreadable;  // messages

  const TraceEvent& event(const CollectivePart& part) const {
    return ranks[part.rank].log.events[part.event];
  }
};

// Takes logs of one job and aligns them.
MergedTrace MergeTraces(std::vector<TraceLog> logs);
// The files *.trace in `dir`, those of `job`; 0: of the latest job. NOT_FOUND
// when there are none.
Result<MergedTrace> ReadTraces(Env& env, const std::string& dir, uint64_t job);

}  // namespace lockstep
