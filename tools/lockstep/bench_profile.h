// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the time of a step goes, by op, beside what the machine could do at
// best (bench_peaks.h).

#include <string>
#include <vector>

#include "runtime/exec/session.h"
#include "tools/lockstep/calibrate.h"
#include "tools/lockstep/json.h"

namespace lockstep {

struct StepShares {
  struct Step {
    StepWork work;
    double us = 0;
    double least_us = 0;  // at the machine's peak
  };
  std::vector<Step> steps;  // the longest first
  double run_us = 0;        // of a whole run, traced
  double flops_per_us = 0;  // the machine's peaks
  double bytes_per_us = 0;  // from its memory
  int threads = 1;
};

StepShares SharesOf(const std::vector<StepWork>& work,
                    const MeasuredSteps& measured, int threads);
Json SharesJson(const StepShares& shares);
void PrintShares(const StepShares& shares);

}  // namespace lockstep
