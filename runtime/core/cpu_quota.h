// SPDX-License-Identifier: Apache-2.0
#pragma once

// CpuQuota: the processors' time that a container may use, in whole
// processors: what cgroups limit (cpu.max, or cpu.cfs_quota_us of version 1),
// in the process's own group and those above it. More threads than that wait
// for each other while the quota is used up.
//
//   const int most = CpuQuota();   // 0: no limit

#include <string>

namespace lockstep {

// Rounded up; 0 when there is no limit. `proc` and `sys` are for tests.
int CpuQuota(const std::string& proc = "/proc/self/cgroup",
             const std::string& sys = "/sys/fs/cgroup");

// `threads`, or what the container leaves each of its `processes` if that is
// less, or what OMP_NUM_THREADS says if that is. At least 1.
int LimitThreads(int threads, int processes);

}  // namespace lockstep
