// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which tensors of a plan the ranks sum, and who reads the sums: Apply* ops, or
// the arithmetic before them and that of composed updates. What Apply* ops read
// that is the same on all ranks, such as gradients that earlier runs added up,
// is not summed. Internal to distributed/.

#include <unordered_set>
#include <vector>

#include "distributed/gradient_bucket.h"
#include "distributed/original_order.h"
#include "runtime/graph/passes/pass.h"

namespace lockstep {

struct FoundGradients {
  std::vector<Gradient> gradients;  // in the order of the original graph
  // Variables (nodes) that composed updates train.
  std::unordered_set<const Node*> composed;
};

// UNIMPLEMENTED naming the node whose gradient cannot be summed, gradients of
// rows included, which are not among these (row_gradients.h).
Result<FoundGradients> FindGradients(const PassContext& context,
                                     const OriginalOrder& order);

}  // namespace lockstep
