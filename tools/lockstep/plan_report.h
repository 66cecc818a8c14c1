// SPDX-License-Identifier: Apache-2.0
#pragma once

// What lockstep plan tells, as JSON and for people.

#include <optional>
#include <string>
#include <vector>

#include "runtime/exec/session.h"
#include "tools/lockstep/json.h"

namespace lockstep {

struct PlanReport {
  std::string file;
  const Graph* graph = nullptr;
  std::vector<Placement> placements;  // of its nodes
  std::optional<PlanInfo> plan;       // of a run, when one was asked for
};

Json ReportJson(const PlanReport& report);
// `explain`: every node and step, not sums alone.
void PrintReport(const Json& json, bool explain);

}  // namespace lockstep
