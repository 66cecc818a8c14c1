// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/command.h"

#include <algorithm>
#include <cctype>
#include <cstdio>

namespace lockstep {

int Fail(const std::string& command, const Status& status, int exit_status) {
  std::string line = status.ToString();
  std::ranges::replace_if(
      line, [](unsigned char c) { return std::iscntrl(c) != 0; }, ' ');
  std::fprintf(stderr, "lockstep %s: %s\n", command.c_str(), line.c_str());
  return exit_status;
}

Status Required(const char* option, const std::string& value) {
  if (!value.empty()) return Ok();
  return InvalidArgument("--", option, " is missing; see --help");
}

}  // namespace lockstep
