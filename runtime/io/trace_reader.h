// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads what runtime/core/trace.h wrote, also of a process that was killed or
// still runs, and of a file that was cut: what is whole counts.
//
//   LS_ASSIGN_OR_RETURN(TraceLog log, ReadTrace(env, "run1/trace/rank0...."));
//   for (const TraceEvent& e : log.events) Show(log.NameOf(e), e.begin_ns);

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/env.h"
#include "runtime/core/trace_format.h"

namespace lockstep {

struct TraceName {
  TraceKind kind = TraceKind::kNone;
  bool synchronizes = false;
  std::string op;
  std::string name;
};

// A record in nanoseconds of the process's steady clock.
struct TraceEvent {
  int64_t begin_ns = 0;
  int64_t end_ns = 0;
  uint64_t bytes = 0;
  uint32_t number = 0;
  uint32_t name = 0;
  TraceKind kind = TraceKind::kNone;
  uint8_t lane = 0;
  uint16_t group = 0;

  int64_t duration_ns() const { return end_ns - begin_ns; }
};

struct TraceLog {
  std::string path;
  int rank = 0;
  int ranks = 1;
  int process = 0;
  int threads = 0;
  std::string host;
  uint64_t job = 0;
  uint64_t clock = 0;   // equal: the same steady clock
  bool closed = false;  // the process came to its end by itself
  int64_t wall_minus_steady_ns = 0;
  uint64_t overwritten = 0;        // older records, which the ring has lost
  uint64_t damaged = 0;            // records of the ring that are not whole
  std::vector<TraceName> names;    // of number i + 1
  std::vector<TraceEvent> events;  // by begin
  // What ran on each lane when the process ended; 0: nothing.
  std::vector<uint32_t> current;

  // Of number 0, and of numbers that the table lacks: a nameless one.
  const TraceName& NameOf(uint32_t number) const;
};

// INVALID_ARGUMENT when it is no trace or the header is damaged.
Result<TraceLog> DecodeTrace(std::string_view bytes, const std::string& path);
Result<TraceLog> ReadTrace(Env& env, const std::string& path);

}  // namespace lockstep
