// SPDX-License-Identifier: Apache-2.0
#include "examples/mnist/evaluate.h"

#include <cmath>

namespace lockstep::mnist {
namespace {

constexpr int64_t kEvaluationBatch = 200;

}  // namespace

double SumOfLosses(const Tensor& losses) {
  double sum = 0;
  for (const float loss : losses.flat<float>()) {
    const auto exact = static_cast<double>(loss);
    sum +=
        std::isfinite(exact) ? std::nearbyint(exact * 0x1p24) * 0x1p-24 : exact;
  }
  return sum;
}

Result<std::unique_ptr<Evaluator>> Evaluator::Create(Session& session, Job& job,
                                                     const Share& share,
                                                     const Model& model,
                                                     const Examples& examples) {
  std::unique_ptr<Evaluator> e(new Evaluator(job, share));
  LS_ASSIGN_OR_RETURN(
      e->batches_,
      BatchPipeline::Create(examples.images, examples.labels,
                            {.batch = kEvaluationBatch,
                             .shuffle = false,
                             .rank = share.rank,
                             .ranks = share.ranks,
                             .replicas = session.options().reproducible,
                             .classes = kClasses,
                             .scale = 0}));
  LS_ASSIGN_OR_RETURN(
      e->step_,
      session.MakeCallable({model.images, model.labels, model.keep_prob,
                            model.learning_rate, model.is_training},
                           {model.losses, model.accuracy}));
  e->feeds_ = {Tensor(), Tensor(), Tensor(1.0f), Tensor(0.0f), Tensor(false)};
  return e;
}

Result<Score> Evaluator::Run() {
  double sums[2] = {0, 0};  // of the losses; correct answers
  Status status = batches_->SeekTo(0, 0);
  for (int64_t b = 0; status.ok() && b < batches_->batches_per_epoch(); ++b) {
    const Result<const Batch*> batch = batches_->Next();
    if (!batch.ok()) {
      status = batch.status();
      break;
    }
    const auto count = static_cast<double>((*batch)->count);
    if (count == 0) continue;  // more ranks than examples
    feeds_[0] = (*batch)->features;
    feeds_[1] = (*batch)->labels;
    status = step_->Run(feeds_, &fetches_);
    if (!status.ok()) break;
    sums[0] += SumOfLosses(fetches_[0]);
    sums[1] +=
        std::round(static_cast<double>(fetches_[1].scalar<float>()) * count);
  }
  LS_RETURN_IF_ERROR(job_.Agree(status));
  LS_RETURN_IF_ERROR(share_.Sum(job_, sums));
  const auto n = static_cast<double>(batches_->size());
  return Score{sums[0] / n, sums[1] / n};
}

}  // namespace lockstep::mnist
