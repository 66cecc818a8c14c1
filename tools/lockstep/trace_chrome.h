// SPDX-License-Identifier: Apache-2.0
#pragma once

// A merged trace in Chrome's trace format, for chrome://tracing and Perfetto:
// a process for each rank, a thread for each lane and each group of ranks.
//
//   LS_RETURN_IF_ERROR(WriteChromeTrace(trace, env, "trace.json"));

#include "tools/lockstep/trace_merge.h"

namespace lockstep {

Status WriteChromeTrace(const MergedTrace& trace, Env& env,
                        const std::string& path);

}  // namespace lockstep
