// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/bench_options.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace lockstep {

BenchTimes::BenchTimes(std::vector<double> times) : us(std::move(times)) {
  std::ranges::sort(us);
}

double Rounded(double value, int decimals) {
  const double scale = std::pow(10.0, decimals);
  return std::round(value * scale) / scale;
}

Json RowJson(const BenchRow& row, const BenchTimes& times, const Json& more) {
  Json json = {{"name", row.name},
               {"us_min", Rounded(times.min())},
               {"us_med", Rounded(times.median())},
               {"us_p95", Rounded(times.At(0.95))},
               {"threads", row.threads},
               {"ranks", row.ranks},
               {"batch", row.batch},
               {"steps", times.us.size()}};
  if (!more.is_null()) json.update(more);
  return json;
}

void PrintJson(const Json& json) {
  std::printf("%s\n", DumpJson(json).c_str());
  std::fflush(stdout);
}

}  // namespace lockstep
