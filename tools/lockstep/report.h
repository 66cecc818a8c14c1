// SPDX-License-Identifier: Apache-2.0
#pragma once

// lockstep report: where the time of a traced job went, and its trace for
// Chrome and Perfetto.

#include <string>
#include <vector>

#include "tools/lockstep/json.h"
#include "tools/lockstep/trace_times.h"

namespace lockstep {

int ReportMain(const std::vector<std::string>& args);

// For people; `top`: how many ops and collectives.
std::string ReportText(const MergedTrace& trace, const TraceTimes& times,
                       size_t top);
Json ReportJson(const MergedTrace& trace, const TraceTimes& times);

}  // namespace lockstep
