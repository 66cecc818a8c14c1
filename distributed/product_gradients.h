// SPDX-License-Identifier: Apache-2.0
#pragma once

// Gradients of large weights that are products of two matrices, a layer's input
// and the gradient of its output: where ranks see each other's memory, they
// need not be exchanged, as their factors can (product_update.cc). Internal to
// distributed/.

#include "distributed/gradient_bucket.h"
#include "distributed/original_order.h"
#include "runtime/graph/passes/pass.h"

namespace lockstep {

// Whether the gradient is one, of the graph as it was built: the same on all
// of so many ranks, whatever their plans are.
bool IsLargeProduct(const Gradient& gradient, const OriginalOrder& order,
                    int ranks);

// Turns the _GradientUpdate of such a gradient alone into a _ProductUpdate, and
// says which node makes the product in this plan and is no longer needed; null
// where the gradient has to be made.
Node* UseFactors(const Gradient& gradient, const OriginalOrder& order,
                 const PassContext& context, const Consumers& consumers,
                 bool weighted, NodeSpec* update);

}  // namespace lockstep
