// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the data-parallel rewrite asks of nodes. Internal to distributed/.

#include "runtime/graph/graph.h"

namespace lockstep {

// What is computed from variables alone is the same on all ranks: powers of a
// decay, counters of steps.
bool FollowsFromVariables(Output o);

// The inputs of an update of some rows: values and indices; -1: it is none.
struct RowInputs {
  int values = -1, indices = -1;
};
// Of an Apply* op with indices. Gradient descent on rows is written as an
// addition to them: what each rank adds comes of its own samples.
RowInputs RowsOf(const Node& n);

}  // namespace lockstep
