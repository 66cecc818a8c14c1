// SPDX-License-Identifier: Apache-2.0
#pragma once

// Clipping by norms, of gradients mostly; by value: ops/math. Gradients of rows
// (IndexedSlices) stay so.
//
//   auto pairs = adam.ComputeGradients(scope, loss, variables);
//   std::vector<Output> gradients;
//   for (auto& p : pairs) gradients.push_back(p.gradient);
//   gradients = ops::ClipByGlobalNorm(scope, gradients, 5.0f).clipped;
//   for (size_t i = 0; i < pairs.size(); ++i) pairs[i].gradient = gradients[i];

#include <vector>

#include "runtime/graph/builder.h"

namespace lockstep::ops {

// t * clip_norm / max(|t|, clip_norm), where |t| is the root of the sum of
// squares over `axes`, or over all of t when empty.
Output ClipByNorm(const Scope& scope, const Input& t, const Input& clip_norm,
                  const std::vector<int32_t>& axes = {});
// sqrt(sum of squares of all elements of all tensors); undefined ones are left
// out.
Output GlobalNorm(const Scope& scope, const std::vector<Output>& tensors);

struct GloballyClipped {
  std::vector<Output> clipped;
  Output norm;  // before
};
// All tensors by one factor, so that their global norm is at most `clip_norm`;
// NaN when it is not finite. `norm`, if given, is used for it.
GloballyClipped ClipByGlobalNorm(const Scope& scope,
                                 const std::vector<Output>& tensors,
                                 const Input& clip_norm, Output norm = {});

}  // namespace lockstep::ops
