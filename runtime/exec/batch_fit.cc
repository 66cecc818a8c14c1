// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/batch_fit.h"

#include <algorithm>

#include "runtime/exec/plan.h"

namespace lockstep {
namespace {

// The numbers of the feeds that have the batch; empty when they disagree.
std::vector<size_t> BatchFeeds(const PlanRequest& request, int64_t* batch) {
  std::vector<size_t> feeds;
  for (size_t i = 0; i < request.feeds.size(); ++i) {
    const Shape& declared = request.signature.feeds[i].shape();
    const Shape& fed = request.feeds[i].shape;
    if (!declared.HasRank() || declared.rank() < 1 || declared.dim(0) >= 0 ||
        !fed.IsFullyKnown()) {
      continue;
    }
    if (!feeds.empty() && fed.dim(0) != *batch) return {};
    *batch = fed.dim(0);
    feeds.push_back(i);
  }
  return feeds;
}

bool Fits(const PlanRequest& request, const std::vector<size_t>& feeds,
          int64_t batch) {
  std::vector<FeedSpec> specs = request.feeds;
  for (size_t i : feeds) specs[i].shape.set_dim(0, batch);
  PlanEnvironment environment = request.environment;
  environment.explain_only = true;
  const Result<std::unique_ptr<Plan>> plan =
      BuildPlan({.graph = request.graph,
                 .signature = request.signature,
                 .feeds = specs,
                 .environment = environment});
  return plan.ok() && std::ranges::all_of(
                          (*plan)->info().devices, [](const DeviceNeed& need) {
                            return need.total_bytes <= need.limit_bytes;
                          });
}

}  // namespace

std::string LargestBatch(const PlanRequest& request) {
  int64_t batch = 0;
  const std::vector<size_t> feeds = BatchFeeds(request, &batch);
  if (feeds.empty() || batch <= 1) return "";
  int64_t fits = 0, too_large = batch;
  while (too_large - fits > 1) {
    const int64_t middle = fits + (too_large - fits) / 2;
    (Fits(request, feeds, middle) ? fits : too_large) = middle;
  }
  return fits == 0 ? "not even a batch of 1 fits"
                   : StrCat("a batch of ", fits, " fits");
}

}  // namespace lockstep
