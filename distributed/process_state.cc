// SPDX-License-Identifier: Apache-2.0
#include "distributed/process_state.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>

#include "runtime/core/strings.h"

namespace lockstep {

bool ProcessIsAlive(int32_t process) {
  if (kill(process, 0) != 0) return errno != ESRCH;
  // A killed process exists until its parent asks for its status. The state is
  // the letter behind the name, which is in brackets and may hold any text.
  const int file =
      open(StrCat("/proc/", process, "/stat").c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return true;
  char text[512];
  const ssize_t n = read(file, text, sizeof(text));
  close(file);
  if (n <= 0) return true;
  const std::string_view stat(text, static_cast<size_t>(n));
  const size_t bracket = stat.rfind(')');
  if (bracket == stat.npos || bracket + 2 >= stat.size()) return true;
  const char state = stat[bracket + 2];
  return state != 'Z' && state != 'X';
}

int ThreadShare(std::span<const cpu_set_t> masks, int rank) {
  double share = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &masks[static_cast<size_t>(rank)])) continue;
    const auto sharers = std::ranges::count_if(
        masks, [&](const cpu_set_t& mask) { return CPU_ISSET(cpu, &mask); });
    share += 1.0 / static_cast<double>(sharers);
  }
  // 3 * (1/3) may fall just short of 1.
  return std::max(1, static_cast<int>(share + 1e-6));
}

int CountProcessors(std::span<const cpu_set_t> masks) {
  cpu_set_t all;
  CPU_ZERO(&all);
  for (const cpu_set_t& mask : masks) CPU_OR(&all, &all, &mask);
  return CPU_COUNT(&all);
}

}  // namespace lockstep
