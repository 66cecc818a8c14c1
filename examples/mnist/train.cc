// SPDX-License-Identifier: Apache-2.0
#include "examples/mnist/train.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace lockstep::mnist {
namespace {

constexpr const char* kPrefix = "model.ckpt";
constexpr double kRateDecay = 0.5;  // when validation accuracy drops

std::string Number(double value, const char* format) {
  char text[64];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

}  // namespace

Status Trainer::TrainEpoch(double* seconds) {
  Env& env = *Env::Default();
  const uint64_t start = env.SteadyMicros();
  const int64_t batches = batches_->batches_per_epoch();
  while (position_.batch < batches && StepsLeft() && !Stopping()) {
    LS_ASSIGN_OR_RETURN(const Batch* batch, NextBatch());
    LS_RETURN_IF_ERROR(Step(*batch));
    if (options_.log_every > 0 && position_.step % options_.log_every == 0) {
      LS_RETURN_IF_ERROR(LogStep(*batch));
    }
    // At its end the epoch is saved with what FinishEpoch finds.
    if (options_.save_every > 0 && position_.step % options_.save_every == 0 &&
        position_.batch < batches) {
      LS_RETURN_IF_ERROR(Save());
    }
    progress_.Bar(position_.epoch + 1, position_.batch, batches,
                  position_.loss_sum / static_cast<double>(std::max<int64_t>(
                                           position_.examples, 1)));
  }
  *seconds = static_cast<double>(env.SteadyMicros() - start) * 1e-6;
  trained_seconds_ += *seconds;
  return Ok();
}

bool Trainer::Stopping() {
  stopped_ = job_.StopAt(position_.step);
  if (stopped_) {
    progress_.Line(StrCat("stopped at step ", position_.step,
                          options_.checkpoint_dir.empty()
                              ? ", nothing saved: no --checkpoint-dir"
                              : ", to go on with --resume"));
  }
  return stopped_;
}

Result<const Batch*> Trainer::NextBatch() {
  const TraceSpan input(job_.trace(), TraceKind::kInput, input_name_);
  return batches_->Next();
}

Status Trainer::Step(const Batch& batch) {
  feeds_[0] = batch.features;
  feeds_[1] = batch.labels;
  // Also with no example of this batch: the other ranks average with us.
  LS_RETURN_IF_ERROR(step_->Run(feeds_, &fetches_));
  ++position_.step;
  ++position_.batch;
  if (batch.count == 0) return Ok();
  const auto count = static_cast<double>(batch.count);
  position_.loss_sum += SumOfLosses(fetches_[0]);
  position_.correct +=
      std::round(static_cast<double>(fetches_[1].scalar<float>()) * count);
  position_.examples += batch.count;
  return Ok();
}

Status Trainer::LogStep(const Batch& batch) {
  double loss = batch.count > 0 ? SumOfLosses(fetches_[0]) : 0;
  LS_RETURN_IF_ERROR(share_.Sum(job_, {&loss, 1}));
  loss /= static_cast<double>(batch.global_count);
  progress_.Line(
      StrCat("step ", position_.step, " loss ", Number(loss, "%.9g")));
  if (events_ == nullptr) return Ok();
  return events_->AddScalar("step/loss", static_cast<float>(loss),
                            position_.step);
}

Status Trainer::Train() {
  if (position_.epoch >= options_.epochs || !StepsLeft()) return Ok();
  progress_.Header();
  LS_RETURN_IF_ERROR(batches_->SeekTo(position_.epoch, position_.batch));
  while (position_.epoch < options_.epochs && StepsLeft()) {
    const int64_t examples_before = position_.examples;
    double seconds = 0;
    const Status trained = TrainEpoch(&seconds);
    if (!trained.ok()) {
      job_.Abort(trained);
      return trained;
    }
    const bool whole = position_.batch == batches_->batches_per_epoch();
    // In the middle of an epoch the state is saved before anything is run that
    // a run without this stop would not have run.
    if (!whole) LS_RETURN_IF_ERROR(Save());
    if (stopped_) return Ok();
    LS_RETURN_IF_ERROR(FinishEpoch(seconds, examples_before));
    if (whole) LS_RETURN_IF_ERROR(Save());
  }
  return Ok();
}

Status Trainer::FinishEpoch(double seconds, int64_t examples_before) {
  double sums[] = {position_.loss_sum, position_.correct,
                   static_cast<double>(position_.examples),
                   static_cast<double>(position_.examples - examples_before)};
  LS_RETURN_IF_ERROR(share_.Sum(job_, sums));
  EpochResult result{.epoch = position_.epoch + 1,
                     .step = position_.step,
                     .loss = sums[0] / sums[2],
                     .accuracy = sums[1] / sums[2],
                     .learning_rate = position_.learning_rate,
                     .images_per_second = sums[3] / std::max(seconds, 1e-9)};
  if (!std::isfinite(result.loss)) {
    return job_.Agree(FailedPrecondition(
        "the loss is no longer finite in epoch ", result.epoch,
        "; a smaller --lr than ", options_.lr, " may help"));
  }
  LS_ASSIGN_OR_RETURN(const Score score, validation_->Run());
  result.validation_loss = score.loss;
  result.validation_accuracy = score.accuracy;
  progress_.Row(result);
  LS_RETURN_IF_ERROR(job_.Agree(WriteEvents(result)));
  if (position_.batch < batches_->batches_per_epoch()) return Ok();
  if (score.accuracy < position_.validation_accuracy) {
    position_.learning_rate *= kRateDecay;
    feeds_[3] = Tensor(static_cast<float>(position_.learning_rate));
  }
  position_.validation_accuracy = score.accuracy;
  position_.loss_sum = position_.correct = 0;
  position_.examples = 0;
  position_.batch = 0;
  ++position_.epoch;
  return Ok();
}

Status Trainer::WriteEvents(const EpochResult& r) {
  if (events_ == nullptr) return Ok();
  const std::pair<const char*, double> scalars[] = {
      {"train/loss", r.loss},
      {"train/accuracy", r.accuracy},
      {"validation/loss", r.validation_loss},
      {"validation/accuracy", r.validation_accuracy},
      {"learning_rate", r.learning_rate},
      {"images_per_second", r.images_per_second}};
  for (const auto& [tag, value] : scalars) {
    LS_RETURN_IF_ERROR(
        events_->AddScalar(tag, static_cast<float>(value), r.step));
  }
  return Ok();
}

Status Trainer::Save() {
  if (saver_ == nullptr || saved_step_ == position_.step) return Ok();
  // The file holds the sums over all ranks, whatever their number.
  double sums[] = {position_.loss_sum, position_.correct,
                   static_cast<double>(position_.examples)};
  LS_RETURN_IF_ERROR(share_.Sum(job_, sums));
  Position saved = position_;
  saved.loss_sum = sums[0];
  saved.correct = sums[1];
  saved.examples = static_cast<int64_t>(sums[2]);
  Status status = position_variables_.Store(*session_, saved);
  // The stages of a pipeline save together, each what it has.
  if (status.ok() && (job_.speaks() || options_.pipeline > 1)) {
    status = saver_
                 ->Save(*session_, JoinPath(options_.checkpoint_dir, kPrefix),
                        position_.step)
                 .status();
  }
  LS_RETURN_IF_ERROR(job_.Agree(status));
  saved_step_ = position_.step;
  return Ok();
}

std::string Trainer::InputSummary() const {
  return "input: " + batches_->waits().ToString(trained_seconds_);
}

Result<double> Trainer::TestAccuracy() {
  LS_ASSIGN_OR_RETURN(const Score score, test_->Run());
  Status status;
  if (events_ != nullptr) {
    status = events_->AddScalar(
        "test/accuracy", static_cast<float>(score.accuracy), position_.step);
    status.Update(events_->Close());
  }
  LS_RETURN_IF_ERROR(job_.Agree(status));
  return score.accuracy;
}

}  // namespace lockstep::mnist
