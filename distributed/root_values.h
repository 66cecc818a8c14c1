// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which values of a plan are rank 0's on all ranks: those that variables are
// set to. Internal to distributed/.

#include <utility>
#include <vector>

#include "runtime/graph/passes/pass.h"

namespace lockstep {

// Inputs of nodes, in a plan whose gradients are exchanged. Not what is the
// same on all ranks anyway. But where updates are divided (`divided`) a rank
// may still read another one's slices of a slot: it is changed, by whatever,
// when both have come here.
std::vector<std::pair<Node*, int>> FindRootValues(const PassContext& context,
                                                  bool divided);

}  // namespace lockstep
