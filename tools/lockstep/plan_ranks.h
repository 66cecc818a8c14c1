// SPDX-License-Identifier: Apache-2.0
#pragma once

// lockstep plan --ranks: what a step would take on several numbers of ranks.

#include <string>
#include <vector>

#include "tools/lockstep/calibrate.h"
#include "tools/lockstep/command.h"
#include "tools/lockstep/json.h"
#include "tools/lockstep/simulate.h"

namespace lockstep {

struct RanksFlags {
  std::string ranks;  // "2,4,8" or "1..1024" (powers of two); empty: not asked
  double alpha_us = 50;
  double mbit = 10000;
  double message_us = 5;
  int ranks_per_host = 1;
  double shared_mb = 20000;
  std::string buckets = "one";  // one, chosen, bytes
  bool overlap = false;
  double jitter = 0;
  int simulate_up_to = 128;
  int steps = 50;
  std::string init;

  bool asked() const { return !ranks.empty(); }
  void AddTo(po::options_description& options);
  // INVALID_ARGUMENT naming the flag.
  Result<std::vector<int>> Ranks() const;
  Result<ScheduleOptions> Schedule() const;
};

Result<Json> PredictRanks(const StepProfile& profile, const RanksFlags& flags);
void PrintRanks(const Json& report);

}  // namespace lockstep
