// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which gradients of a plan are exchanged together, by the options or by the
// cost model of bucketing.h. Internal to distributed/.

#include <span>
#include <vector>

#include "distributed/data_parallel.h"
#include "distributed/gradient_bucket.h"
#include "distributed/original_order.h"

namespace lockstep {

// The end of each bucket of `row`, gradients in the order in which they become
// ready; the same on all ranks.
std::vector<int> BucketsOf(std::span<const Gradient> row,
                           const OriginalOrder& order, int ranks,
                           const DataParallelOptions& options);

}  // namespace lockstep
