// SPDX-License-Identifier: Apache-2.0
#pragma once

// Loss and accuracy on a whole set, its batches divided over the ranks (all of
// each on every rank of a pipeline).

#include <memory>
#include <vector>

#include "distributed/job.h"
#include "examples/mnist/data.h"
#include "examples/mnist/model.h"
#include "examples/mnist/share.h"
#include "runtime/exec/session.h"
#include "runtime/io/batch_pipeline.h"

namespace lockstep::mnist {

struct Score {
  double loss = 0;
  double accuracy = 0;
};

// Of the cross-entropies of some examples. Each is taken to the nearest 2^-24,
// so that sums are exact, and equal however examples are divided among ranks.
double SumOfLosses(const Tensor& losses);

class Evaluator {
 public:
  // Borrows session and job for its lifetime.
  static Result<std::unique_ptr<Evaluator>> Create(Session& session, Job& job,
                                                   const Share& share,
                                                   const Model& model,
                                                   const Examples& examples);
  // The same on every rank; called by all of them.
  Result<Score> Run();

 private:
  Evaluator(Job& job, const Share& share) : job_(job), share_(share) {}

  Job& job_;
  const Share share_;
  std::unique_ptr<BatchPipeline> batches_;
  std::unique_ptr<Callable> step_;
  std::vector<Tensor> feeds_;
  std::vector<Tensor> fetches_;
};

}  // namespace lockstep::mnist
