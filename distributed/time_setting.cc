// SPDX-License-Identifier: Apache-2.0
#include "distributed/time_setting.h"

#include <cstdlib>

namespace lockstep {

Result<uint64_t> TimeSetting(const char* variable, uint64_t otherwise,
                             bool may_be_never) {
  const char* text = std::getenv(variable);
  if (text == nullptr || *text == '\0') return otherwise;
  char* end = nullptr;
  const double seconds = std::strtod(text, &end);
  const bool fits = may_be_never ? seconds >= 0 : seconds > 0;
  if (*end != '\0' || !fits || seconds > 1e9) {
    return InvalidArgument(variable, " must be a number of seconds",
                           may_be_never ? ", 0 for never" : " above 0",
                           ", is '", text, "'");
  }
  return static_cast<uint64_t>(seconds * 1e6);
}

}  // namespace lockstep
