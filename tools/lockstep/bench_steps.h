// SPDX-License-Identifier: Apache-2.0
#pragma once

// `lockstep bench MODEL`, or --graph FILE: step times, and with --profile where
// the time of a step goes.

#include "distributed/job.h"
#include "runtime/exec/session.h"
#include "tools/lockstep/bench_models.h"
#include "tools/lockstep/bench_options.h"

namespace lockstep {

// The instants at which parts of a program's start were done, in nanoseconds of
// the system's steady clock, which all processes share.
struct StartLog {
  void Done(const char* part);
  std::vector<std::pair<std::string, int64_t>> parts;
};
int64_t SteadyNanos();

// Called by all ranks; the one that speaks prints.
Status BenchSteps(const BenchOptions& options, Job& job, StartLog* log);

// Times of single steps after the warm-up; `first_us` is that of the first one,
// planning included. Ends early, but not before five steps, once `most_us`
// have been spent.
Result<BenchTimes> TimeSteps(const BenchModel& model, Session& session,
                             int steps, int warmup, double* first_us,
                             double most_us = 1e12);

}  // namespace lockstep
