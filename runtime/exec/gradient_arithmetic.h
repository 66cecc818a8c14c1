// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is done to gradients between where they are made and the updates that
// use them, and whether a mean may be taken before or after it: a mean of sums
// and multiples is the sum or multiple of the mean, a mean of clipped gradients
// is not the clipped mean. Internal to runtime/exec.
//
//   const GradientArithmetic arithmetic(nodes, {g1, g2});
//   if (!arithmetic.IsAffine(*scale)) ...  // g1, g2 have to be summed before

#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "runtime/exec/sample_flow.h"

namespace lockstep {

class GradientArithmetic {
 public:
  // `nodes`: those between gradients and updates. They have to outlive it.
  GradientArithmetic(const std::unordered_set<const Node*>& nodes,
                     const std::vector<Output>& gradients);

  // One of the gradients, or made of one.
  bool IsOfGradient(Output o) const { return of_gradient_.contains(o); }
  // The node's outputs are linear in those of its inputs that are made of
  // gradients, but for what is added and does not depend on them. False for ops
  // that it does not know.
  bool IsAffine(const Node& n) const;
  // Of the nodes.
  const std::vector<const Node*>& UsersOf(Output o) const;

 private:
  std::unordered_map<Output, std::vector<const Node*>, OutputHash> users_;
  std::unordered_set<Output, OutputHash> of_gradient_;
};

// How a value is made element by element, by shapes alone: for graphs in which
// nothing else tells gradients from samples.
struct ElementPath {
  bool affine = true;   // all of it
  bool is_fed = false;  // it begins at something fed
};
// Upwards from `value` along inputs of its own shape that depend on samples.
ElementPath ElementPathTo(Output value, const SampleFlow& samples);

}  // namespace lockstep
