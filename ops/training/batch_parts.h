// SPDX-License-Identifier: Apache-2.0
#pragma once

// BatchParts: a batch that goes through a model in parts - the micro-batches of
// a pipeline, the towers of several devices - with one update for all of them.
// The mean over the batch is the mean over the parts, each with the weight of
// its samples, so that losses and gradients are those of the whole batch but
// for rounding; the batch need not divide evenly.
//
//   const ops::BatchParts parts(root, images, 4);
//   for (int i = 0; i < parts.count(); ++i) {
//     const Output loss = Model(parts.Part(root, images, i), variables);
//     losses.push_back(loss);
//     gradients.push_back(sgd.ComputeGradients(root, loss, variables));
//   }
//   sgd.ApplyGradients(root, parts.Average(root, gradients));
//
// Mistakes are kept in scope.status(), as builder functions do.

#include <vector>

#include "ops/training/optimizer_base.h"

namespace lockstep::ops {

class BatchParts {
 public:
  // Dimension 0 of `batch` counts the samples.
  BatchParts(const Scope& scope, Output batch, int count);

  int count() const { return static_cast<int>(weights_.size()); }
  // The rows of `tensor`, one for each sample, that part `i` has.
  Output Part(const Scope& scope, Output tensor, int i) const;
  // The part's share of the samples: float [].
  Output weight(int i) const { return weights_[static_cast<size_t>(i)]; }

  // Of one value for each part; what a part without samples says, be it NaN,
  // does not count.
  Output Average(const Scope& scope, const std::vector<Output>& values) const;
  // The same for each variable, beside the variable. All parts have the same
  // variables.
  std::vector<Optimizer::GradientAndVariable> Average(
      const Scope& scope,
      const std::vector<std::vector<Optimizer::GradientAndVariable>>& parts)
      const;

 private:
  std::vector<Output> begins_;  // int32 []: first sample; one more than parts
  std::vector<Output> weights_;
};

}  // namespace lockstep::ops
