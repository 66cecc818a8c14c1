// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/bench_profile.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "tools/lockstep/bench_options.h"
#include "tools/lockstep/bench_peaks.h"

namespace lockstep {
namespace {

constexpr double kLargeBytes = 256e6;
constexpr size_t kShown = 40;

void PrintLine(double us, double share, double bytes, double flops,
               double least_us, const std::string& what) {
  const double seconds = us * 1e-6;
  std::printf("%10.2f %5.1f %% %9.3f %8.2f %9.3f %9.1f %7.1f %%  %s\n", us,
              share, bytes * 1e-6, bytes * 1e-9 / seconds, flops * 1e-6,
              flops * 1e-9 / seconds, 100 * least_us / us, what.c_str());
}

}  // namespace

StepShares SharesOf(const std::vector<StepWork>& work,
                    const MeasuredSteps& measured, int threads) {
  std::map<std::string, const StepWork*> by_name;
  for (const StepWork& w : work) by_name[w.name] = &w;
  MachinePeaks peaks(threads);
  StepShares shares{.steps = {},
                    .run_us = measured.run_us,
                    .flops_per_us = peaks.FlopsPerMicro(),
                    .bytes_per_us = peaks.BytesPerMicro(kLargeBytes),
                    .threads = threads};
  for (size_t i = 0; i < measured.names.size(); ++i) {
    const auto known = by_name.find(measured.names[i]);
    StepShares::Step step{.work = {.name = measured.names[i], .op = "?"},
                          .us = measured.us[i]};
    if (known != by_name.end()) step.work = *known->second;
    step.least_us =
        peaks.Micros({.bytes = step.work.bytes, .flops = step.work.flops});
    shares.steps.push_back(std::move(step));
  }
  std::ranges::stable_sort(shares.steps, std::ranges::greater(),
                           &StepShares::Step::us);
  return shares;
}

Json SharesJson(const StepShares& shares) {
  Json steps = Json::array();
  for (const StepShares::Step& s : shares.steps) {
    steps.push_back({{"node", s.work.name},
                     {"op", s.work.op},
                     {"us", Rounded(s.us, 3)},
                     {"bytes", s.work.bytes},
                     {"flops", s.work.flops},
                     {"least_us", Rounded(s.least_us, 3)}});
  }
  return {{"run_us", Rounded(shares.run_us)},
          {"peak_gflop_s", Rounded(shares.flops_per_us * 1e-3, 1)},
          {"peak_gb_s", Rounded(shares.bytes_per_us * 1e-3, 1)},
          {"steps", steps}};
}

void PrintShares(const StepShares& shares) {
  std::printf(
      "peaks of this machine, %d threads: %.0f GFLOP/s in registers, %.1f GB/s "
      "from memory (more from caches)\n"
      "        us  share        MB     GB/s     MFLOP   GFLOP/s  of peak\n",
      shares.threads, shares.flops_per_us * 1e-3, shares.bytes_per_us * 1e-3);
  StepShares::Step all;
  for (size_t i = 0; i < shares.steps.size(); ++i) {
    const StepShares::Step& s = shares.steps[i];
    all.us += s.us;
    all.least_us += s.least_us;
    all.work.bytes += s.work.bytes;
    all.work.flops += s.work.flops;
    if (i >= kShown || s.us <= 0) continue;
    PrintLine(s.us, 100 * s.us / shares.run_us, s.work.bytes, s.work.flops,
              s.least_us, StrCat(s.work.op, " ", s.work.name));
  }
  if (shares.steps.size() > kShown) {
    std::printf("... and %zu more\n", shares.steps.size() - kShown);
  }
  if (all.us <= 0) return;
  PrintLine(all.us, 100 * all.us / shares.run_us, all.work.bytes,
            all.work.flops, all.least_us, "all ops");
  std::printf("%10.2f in no op, of a run of %.2f us\n",
              std::max(0.0, shares.run_us - all.us), shares.run_us);
}

}  // namespace lockstep
