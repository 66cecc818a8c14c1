// SPDX-License-Identifier: Apache-2.0
#pragma once

// Common subexpression elimination: of stateless nodes with equal op,
// attributes, inputs, control inputs and device the first is kept.

#include "runtime/graph/passes/pass.h"

namespace lockstep {

Status MergeEqualNodes(PassContext& context);

}  // namespace lockstep
