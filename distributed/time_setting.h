// SPDX-License-Identifier: Apache-2.0
#pragma once

// Times that users set by environment variables, in seconds.
//
//   LS_ASSIGN_OR_RETURN(const uint64_t micros,
//                       TimeSetting("LOCKSTEP_STALL_TIMEOUT", 30'000'000));

#include <cstdint>

#include "runtime/core/status.h"

namespace lockstep {

// In microseconds; `otherwise` when it is not set. 0 is a time, "never", where
// that is allowed; INVALID_ARGUMENT for anything else that is no time.
Result<uint64_t> TimeSetting(const char* variable, uint64_t otherwise,
                             bool may_be_never = true);

}  // namespace lockstep
