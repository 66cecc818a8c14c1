// SPDX-License-Identifier: Apache-2.0
#pragma once

// Share: which part of each batch this rank feeds. In a pipeline all ranks feed
// all of it, and metrics count once.
//
//   const Share share = Share::Of(options, job);
//   LS_RETURN_IF_ERROR(share.Sum(job, sums));

#include <algorithm>
#include <span>

#include "distributed/job.h"
#include "examples/mnist/options.h"

namespace lockstep::mnist {

struct Share {
  int rank = 0;
  int ranks = 1;
  bool counts = true;  // what this rank measures is nobody else's

  static Share Of(const Options& options, const Job& job) {
    if (options.pipeline > 1) return {.counts = job.rank() == 0};
    return {.rank = job.rank(), .ranks = job.size()};
  }
  // Adds up what the ranks measured, on every rank.
  Status Sum(Job& job, std::span<double> values) const {
    if (!counts) std::ranges::fill(values, 0.0);
    return job.Sum(values);
  }
};

}  // namespace lockstep::mnist
