// SPDX-License-Identifier: Apache-2.0
#pragma once

// Trace: what this process did when, in a ring in a mapped file. The file is
// as large from the start as it will ever be, holds the newest records, and is
// whole after any end of the process, SIGKILL included. `lockstep report` reads
// the files of all ranks. Format: trace_format.h; what is recorded:
// docs/trace.md.
//
// A record costs some 20 ns. Not through Env: a mapping cannot be.
//
// Thread-safe; Add is wait-free, Name takes a lock.
//
//   LS_ASSIGN_OR_RETURN(std::shared_ptr<Trace> trace,
//                       Trace::Open({.dir = "run1/trace", .rank = 2}));
//   const uint32_t name = trace->Name(TraceKind::kOp, "MatMul", "fc1/MatMul");
//   const uint64_t begin = trace->Now();
//   ...
//   trace->Add({.begin = begin, .end = trace->Now(), .name = name,
//               .kind = TraceKind::kOp});

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "runtime/core/status.h"
#include "runtime/core/trace_format.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace lockstep {

struct TraceOptions {
  std::string dir;  // made when it is not there
  int rank = 0;
  int ranks = 1;
  int threads = 0;
  std::string host;  // empty: the machine's name
  uint64_t job = 0;  // 0: made from the clock
  // Bytes of records; the file has 1 MiB more. 0: LOCKSTEP_TRACE_BYTES, else
  // 8 MiB.
  uint64_t bytes = 0;
};

class Trace {
 public:
  // RESOURCE_EXHAUSTED when the disk has no room for it.
  static Result<std::shared_ptr<Trace>> Open(TraceOptions options);
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  const std::string& path() const { return path_; }
  // A number for the job, larger than those of earlier jobs.
  static uint64_t NewJob();

  uint64_t Now() const {
#if defined(__x86_64__)
    if (counter_) [[likely]]
      return __rdtsc();
#endif
    return SteadyNanos();
  }
  // The same number for the same arguments; 0 when the table is full.
  uint32_t Name(TraceKind kind, std::string_view op, std::string_view name,
                uint8_t flags = 0);
  // `sequence` of the record is ignored.
  void Add(const TraceRecord& record) {
    const uint64_t place = std::atomic_ref(header_->written)
                               .fetch_add(1, std::memory_order_relaxed);
    TraceRecord& slot = records_[place % capacity_];
    std::atomic_ref sequence(slot.sequence);
    sequence.store(0, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    slot.begin = record.begin;
    slot.end = record.end;
    slot.bytes = record.bytes;
    slot.number = record.number;
    slot.name = record.name;
    slot.kind = record.kind;
    slot.lane = record.lane;
    slot.group = record.group;
    sequence.store(static_cast<uint32_t>(place + 1), std::memory_order_release);
    if (record.end > sync_at_.load(std::memory_order_relaxed)) [[unlikely]] {
      Sync();
    }
  }
  // What runs now: of use when the process does not live to record it.
  void SetCurrent(int lane, uint32_t name) {
    header_->current[static_cast<size_t>(lane) % kTraceLanes] = name;
  }
  // Of runs, from 1.
  uint32_t NextRun() { return ++runs_; }
  // Ticks in a microsecond, about: measured when the trace was opened.
  double ticks_per_us() const { return ticks_per_us_; }

 private:
  Trace() = default;
  static uint64_t SteadyNanos();
  TraceInstant Instant() const;
  void Calibrate();
  void Sync();

  std::string path_;
  bool counter_ = false;  // the processor's, else the system's clock
  void* mapping_ = nullptr;
  size_t mapped_bytes_ = 0;
  TraceHeader* header_ = nullptr;
  TraceRecord* records_ = nullptr;
  uint64_t capacity_ = 0;
  std::atomic<uint32_t> runs_ = 0;
  // When the clocks are compared next.
  std::atomic<uint64_t> sync_at_ = 0;
  uint64_t sync_interval_ = 0;
  double ticks_per_us_ = 1000;
  std::mutex mutex_;
  std::unordered_map<std::string, uint32_t> names_;  // guarded by mutex_
};

// A span from its making to its end; does nothing when `trace` is null.
class TraceSpan {
 public:
  TraceSpan(Trace* trace, TraceKind kind, uint32_t name)
      : trace_(trace),
        kind_(kind),
        name_(name),
        begin_(trace ? trace->Now() : 0) {}
  TraceSpan(const TraceSpan&) = delete;
  TraceSpan& operator=(const TraceSpan&) = delete;
  ~TraceSpan() {
    if (trace_ == nullptr) return;
    trace_->Add(
        {.begin = begin_, .end = trace_->Now(), .name = name_, .kind = kind_});
  }

 private:
  Trace* trace_;
  TraceKind kind_;
  uint32_t name_;
  uint64_t begin_;
};

}  // namespace lockstep
