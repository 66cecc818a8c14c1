// SPDX-License-Identifier: Apache-2.0
#pragma once

// PlanTrace: what a plan needs to record its runs. A run is recorded, and so
// are its ops, each time when that costs little, else one of so many that it
// does. Internal to runtime/exec; plan_trace.cc has the traced forms of the
// loops of plan.cc.

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "runtime/core/trace.h"
#include "runtime/core/trace_runs.h"

namespace lockstep {

struct PlanTrace {
  // About what one record costs, and the share of a run's time that the ops'
  // records may.
  static constexpr double kRecordMicros = 0.03;
  static constexpr double kShare = 0.01;
  static constexpr double kLongestPeriod = 4096;
  // The same of a run's own record, with the clock read twice.
  static constexpr double kRunMicros = 0.04;
  static constexpr double kMostSkipped = kMostRunsBefore;

  Trace* trace = nullptr;  // the session's
  uint32_t run_name = 0;
  uint32_t wait_name = 0;
  std::vector<uint32_t> step_names;  // in the order of the steps
  // Of this run.
  bool ops = false;
  uint32_t run = 0;
  // Runs until the next one whose ops are recorded, of those recorded.
  uint32_t left = 0;
  // Runs until the next one that is recorded, and those since the last one.
  uint32_t to_skip = 0;
  uint32_t skipped = 0;

  // Whether this run is not recorded.
  bool Skip() {
    if (skipped == to_skip) return false;
    ++skipped;
    return true;
  }
  void BeginRun() {
    run = trace->NextRun();
    ops = left == 0;
    left -= ops ? 0 : 1;
  }
  void EndRun(uint64_t begin, uint64_t end) {
    trace->Add({.begin = begin,
                .end = end,
                .bytes = RunBytes(ops, skipped),
                .number = run,
                .name = run_name,
                .kind = TraceKind::kRun});
    const double cost = kRecordMicros * static_cast<double>(step_names.size());
    const double took =
        static_cast<double>(end - begin) / trace->ticks_per_us();
    const double without = ops ? std::max(took - cost, took / 8) : took;
    skipped = 0;
    to_skip = Period(kRunMicros, without, kMostSkipped);
    if (std::exchange(ops, false)) {
      left = Period(cost, without, kLongestPeriod) / (to_skip + 1);
    }
  }
  // Of how many runs, that take so long, one may cost so much more.
  static uint32_t Period(double cost, double took, double most) {
    return static_cast<uint32_t>(
        std::min(cost / (kShare * std::max(took, 1e-3)), most));
  }
  uint64_t AddWait(uint64_t begin, int lane) {
    const uint64_t end = trace->Now();
    trace->Add({.begin = begin,
                .end = end,
                .number = run,
                .name = wait_name,
                .kind = TraceKind::kWait,
                .lane = static_cast<uint8_t>(lane)});
    return end;
  }
  // Returns when the step ended.
  uint64_t AddStep(size_t step, uint64_t begin, int lane) {
    const uint64_t end = trace->Now();
    trace->Add({.begin = begin,
                .end = end,
                .number = run,
                .name = step_names[step],
                .kind = TraceKind::kOp,
                .lane = static_cast<uint8_t>(lane)});
    return end;
  }
};

}  // namespace lockstep
