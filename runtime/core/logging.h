// SPDX-License-Identifier: Apache-2.0
#pragma once

// Log lines to standard error, "W 10:31:05.123 [rank 3] text" (spdlog
// underneath). Thread-safe. LOCKSTEP_LOG=debug|info|warning|error sets the
// lowest level shown; the default is info.

#include <string>
#include <string_view>

#include "runtime/core/strings.h"

namespace lockstep {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

void LogLine(LogLevel level, std::string_view text);
// Put in front of each line from then on, e.g. "rank 3"; empty for none.
void SetLogPrefix(std::string prefix);

template <class... A>
void LogInfo(const A&... parts) {
  LogLine(LogLevel::kInfo, StrCat(parts...));
}
template <class... A>
void LogWarning(const A&... parts) {
  LogLine(LogLevel::kWarning, StrCat(parts...));
}

}  // namespace lockstep
