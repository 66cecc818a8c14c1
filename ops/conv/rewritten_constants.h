// SPDX-License-Identifier: Apache-2.0
#pragma once

// Constants that rewrite rules of convolutions add beside their node.
//
//   LS_ASSIGN_OR_RETURN(const Output dims, AddDims(c, shape, kInt32));

#include "runtime/graph/passes/rewrite.h"

namespace lockstep::detail {

// Named after the node, with `name` behind it.
Result<Output> AddConstant(RewriteContext& c, std::string_view name,
                           Tensor value);
// The sizes of `shape`, int32 or int64.
Result<Output> AddDims(RewriteContext& c, const Shape& shape, DType dtype);

}  // namespace lockstep::detail
