// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/cpu_quota.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace lockstep {
namespace {

// "max 100000" or "150000 100000".
double Version2(const std::string& dir) {
  std::ifstream file(dir + "/cpu.max");
  double quota = 0, period = 0;
  return file >> quota >> period && period > 0 ? quota / period : 0;
}

double Version1(const std::string& dir) {
  std::ifstream quota_file(dir + "/cpu.cfs_quota_us");
  std::ifstream period_file(dir + "/cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (!(quota_file >> quota) || !(period_file >> period)) return 0;
  return quota > 0 && period > 0 ? quota / period : 0;
}

// The least of the group and those above it; 0: no limit.
template <class F>
double LeastOf(const std::string& root, std::string group, const F& limit) {
  double least = 0;
  for (;;) {
    const double here = limit(root + group);
    if (here > 0 && (least == 0 || here < least)) least = here;
    if (group.empty() || group == "/") return least;
    group.erase(group.rfind('/'));
  }
}

}  // namespace

int CpuQuota(const std::string& proc, const std::string& sys) {
  std::ifstream groups(proc);
  double least = 0;
  for (std::string line; std::getline(groups, line);) {
    // "0::/group" or "4:cpu,cpuacct:/group".
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string kinds = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    double here = 0;
    if (kinds.empty()) {
      here = LeastOf(sys, group, Version2);
    } else if (("," + kinds + ",").find(",cpu,") != std::string::npos) {
      here = LeastOf(sys + "/cpu", group, Version1);
    }
    if (here > 0 && (least == 0 || here < least)) least = here;
  }
  return static_cast<int>(std::ceil(std::min(least, 1e6)));
}

int LimitThreads(int threads, int processes) {
  if (const int quota = CpuQuota(); quota > 0) {
    threads = std::min(threads, quota / std::max(1, processes));
  }
  // Of a list, one number a level of nesting, the first.
  if (const char* wish = std::getenv("OMP_NUM_THREADS")) {
    if (const int most = std::atoi(wish); most > 0) {
      threads = std::min(threads, most);
    }
  }
  return std::max(1, threads);
}

}  // namespace lockstep
