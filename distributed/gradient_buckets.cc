// SPDX-License-Identifier: Apache-2.0
#include "distributed/gradient_buckets.h"

#include <algorithm>

#include "distributed/bucketing.h"
#include "distributed/step_estimate.h"

namespace lockstep {
namespace {

int64_t BytesOf(const Gradient& gradient) {
  return std::max<int64_t>(0, gradient.output.shape().NumElements()) *
         static_cast<int64_t>(DTypeSize(BaseOf(gradient.output.dtype())));
}

std::vector<int> BucketsUpTo(std::span<const Gradient> row, int64_t most) {
  std::vector<int> ends;
  int64_t bytes = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    if (i > 0 && bytes + BytesOf(row[i]) > most) {
      ends.push_back(static_cast<int>(i));
      bytes = 0;
    }
    bytes += BytesOf(row[i]);
  }
  ends.push_back(static_cast<int>(row.size()));
  return ends;
}

}  // namespace

std::vector<int> BucketsOf(std::span<const Gradient> row,
                           const OriginalOrder& order, int ranks,
                           const DataParallelOptions& options) {
  if (options.bucket_bytes > 0) return BucketsUpTo(row, options.bucket_bytes);
  if (options.overlap != DataParallelOptions::Overlap::kOn) {
    return {static_cast<int>(row.size())};
  }
  std::vector<Output> outputs;
  for (const Gradient& g : row) outputs.push_back(order.OutputOf(g));
  const std::vector<double> micros = EstimateReady(order.nodes(), outputs);
  std::vector<GradientReady> ready;
  double latest = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    ready.push_back({BytesOf(row[i]), latest = std::max(latest, micros[i])});
  }
  return ChooseBuckets(ready, [&](int64_t bytes) {
    return AllReduceMicros(bytes, ranks, options.link);
  });
}

}  // namespace lockstep
