// SPDX-License-Identifier: Apache-2.0
#pragma once

// The layout of a trace file, for who writes it (trace.h) and who reads it
// (runtime/io/trace_reader.h). All of it has a fixed size, so that it can be
// mapped and is whole whenever the process ends:
//
//   0             TraceHeader
//   kTraceNames   names: 2 bytes length of the op, 2 bytes length of the name,
//                 1 byte TraceKind, 1 byte flags, then the two texts
//   records_at    TraceRecord[capacity], a ring
//
// Little endian, as the machine that writes it.

#include <cstddef>
#include <cstdint>

namespace lockstep {

enum class TraceKind : uint8_t {
  kNone = 0,
  kRun = 1,         // one Session run; bytes: see trace_runs.h
  kOp = 2,          // one step of a plan
  kCollective = 3,  // one call of a communicator; number: its sequence
  kWait = 4,        // for another lane
  kInput = 5,       // for data, by the program
  kOther = 6,       // any other span of a program
};
inline constexpr uint8_t kLastTraceKind = 6;

// Of names.
inline constexpr uint8_t kTraceSynchronizes = 1;  // an op that talks to ranks

// One span of time. Written by one thread; `sequence` last, so that a record
// whose sequence fits its slot is whole.
struct TraceRecord {
  uint64_t begin = 0;  // ticks
  uint64_t end = 0;
  uint64_t bytes = 0;
  uint32_t number = 0;  // of the run, or of the collective in its group
  uint32_t name = 0;    // 0: none; else 1 + place in the table
  TraceKind kind = TraceKind::kNone;
  uint8_t lane = 0;
  uint16_t group = 0;     // of ranks: a communicator
  uint32_t sequence = 0;  // low half of (place in all records + 1)
};
static_assert(sizeof(TraceRecord) == 40);

// The same instant on three clocks.
struct TraceInstant {
  uint64_t ticks = 0;      // of the records
  uint64_t steady_ns = 0;  // CLOCK_MONOTONIC
  uint64_t wall_ns = 0;    // since 1970
};

inline constexpr char kTraceMagic[8] = {'L', 'S', 'T', 'R', 'A', 'C', 'E', '1'};
inline constexpr size_t kTraceHeaderBytes = 4096;
inline constexpr size_t kTraceNames = kTraceHeaderBytes;
inline constexpr size_t kTraceNamesBytes = size_t{1} << 20;
inline constexpr size_t kTraceNameHead = 6;
inline constexpr int kTraceLanes = 64;

struct TraceHeader {
  char magic[8] = {};
  int32_t rank = 0;
  int32_t ranks = 1;
  int32_t process = 0;
  int32_t threads = 0;
  uint64_t job = 0;    // equal on the ranks of a job, and larger in later ones
  uint64_t clock = 0;  // equal where steady_ns is one clock
  uint64_t capacity = 0;
  uint64_t records_at = 0;
  char host[64] = {};
  TraceInstant first;
  // The later of the two is as late as possible; one is always whole.
  TraceInstant last[2];
  // What follows changes while the process runs.
  alignas(64) uint32_t last_index = 0;
  uint32_t closed = 0;  // 1: the process came to its end
  uint64_t names_used = 0;
  alignas(64) uint64_t written = 0;  // records begun, overwritten ones included
  // Names of what runs on each lane; 0: nothing.
  alignas(64) uint32_t current[kTraceLanes] = {};
};
static_assert(sizeof(TraceHeader) <= kTraceHeaderBytes);

}  // namespace lockstep
