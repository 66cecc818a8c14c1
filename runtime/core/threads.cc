// SPDX-License-Identifier: Apache-2.0
#include "runtime/core/threads.h"

#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <thread>

#include "runtime/core/cpu_quota.h"

namespace lockstep {
namespace {

int MaskCount() {
  // The kernel refuses a mask smaller than its own with EINVAL.
  for (int cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
    const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> mask(
        CPU_ALLOC(cpus), [](cpu_set_t* set) { CPU_FREE(set); });
    if (mask == nullptr) break;
    const size_t bytes = CPU_ALLOC_SIZE(cpus);
    if (sched_getaffinity(0, bytes, mask.get()) == 0) {
      return std::max(1, CPU_COUNT_S(bytes, mask.get()));
    }
    if (errno != EINVAL) break;
  }
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

int AffinityCount() {
  const int quota = CpuQuota();
  return quota > 0 ? std::min(MaskCount(), quota) : MaskCount();
}

int SetThreads(int count) {
  const int width = count > 0 ? count : AffinityCount();
  omp_set_num_threads(width);
  return width;
}

}  // namespace lockstep
