// SPDX-License-Identifier: Apache-2.0
#include "distributed/process_state.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "runtime/core/strings.h"

namespace lockstep {

namespace {

// What the system tells of a process, from the letter of its state on: that
// stands behind its name, which is in brackets and may hold any text. Empty
// when there is nothing to read.
std::string StatusFields(int32_t process) {
  const int file =
      open(StrCat("/proc/", process, "/stat").c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  char text[1024];
  const ssize_t n = read(file, text, sizeof(text));
  close(file);
  if (n <= 0) return {};
  const std::string_view stat(text, static_cast<size_t>(n));
  const size_t bracket = stat.rfind(')');
  if (bracket == stat.npos || bracket + 2 >= stat.size()) return {};
  return std::string(stat.substr(bracket + 2));
}

// Of an environment, "NAME=value" ended by 0 each; empty: not set.
std::string ValueOf(const std::string& environment, const std::string& name) {
  const std::string head = StrCat(name, "=");
  for (size_t at = 0; at < environment.size();) {
    const std::string entry = environment.c_str() + at;
    if (entry.starts_with(head)) return entry.substr(head.size());
    at += entry.size() + 1;
  }
  return {};
}

// Hosts have names of their own, also where several are one machine.
std::string NameSpaceOf(const std::filesystem::path& process) {
  std::error_code error;
  return std::filesystem::read_symlink(process / "ns/uts", error).string();
}

}  // namespace

bool ProcessIsAlive(int32_t process) {
  if (kill(process, 0) != 0) return errno != ESRCH;
  // A killed process exists until its parent asks for its status.
  const char state = ProcessState(process);
  return state != 'Z' && state != 'X';
}

char ProcessState(int32_t process) {
  const std::string fields = StatusFields(process);
  return fields.empty() ? '\0' : fields[0];
}

bool StateRuns(char state) {
  return state == 'R' || state == 'S' || state == 'D' || state == 't';
}

std::string ProcessEnd(int32_t process) {
  const std::string fields = StatusFields(process);
  if (fields.empty() || fields[0] != 'Z') return {};
  // The status that its parent will get is the last field.
  const size_t end = fields.find_last_not_of(" \n");
  const size_t begin = fields.rfind(' ', end);
  const int status = std::atoi(fields.c_str() + begin + 1);
  // It reads 0 also where it may not be looked at.
  if (WIFSIGNALED(status)) {
    return StrCat("was killed by signal ", WTERMSIG(status), " (",
                  sigdescr_np(WTERMSIG(status)), ")");
  }
  if (status == 0) return {};
  return StrCat("exited with status ", WEXITSTATUS(status));
}

std::vector<JobProcess> ProcessesWith(const std::string& variable,
                                      const std::string& value,
                                      const std::string& rank_variable) {
  std::vector<JobProcess> found;
  const std::string here = NameSpaceOf("/proc/self");
  std::error_code error;
  for (std::filesystem::directory_iterator at("/proc", error), end;
       !error && at != end; at.increment(error)) {
    const int32_t process = std::atoi(at->path().filename().c_str());
    if (process <= 0 || NameSpaceOf(at->path()) != here) continue;
    std::ifstream file(at->path() / "environ", std::ios::binary);
    const std::string environment{std::istreambuf_iterator<char>(file), {}};
    if (ValueOf(environment, variable) != value) continue;
    found.push_back({process, ValueOf(environment, rank_variable)});
  }
  return found;
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
