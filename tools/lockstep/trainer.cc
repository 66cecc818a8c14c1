// SPDX-License-Identifier: Apache-2.0
#include "tools/lockstep/trainer.h"

#include <cmath>
#include <cstdio>

namespace lockstep {
namespace {

constexpr const char* kPrefix = "model.ckpt";
// The random step of a run is a function of the training step, so that a
// resumed run draws what the uninterrupted one would have.
constexpr uint64_t kFirstRandomStep = 1 << 20;

std::string Number(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

}  // namespace

void Trainer::Accumulate(int64_t count, Means* means) const {
  if (count == 0) return;
  for (size_t i = 0; i < scalars_.size(); ++i) {
    means->sums[i] += static_cast<double>(fetches_[i].scalar<float>()) *
                      static_cast<double>(count);
  }
  means->sums.back() += static_cast<double>(count);
}

Status Trainer::Step(int64_t epoch, int64_t index, Means* means) {
  std::vector<Tensor>& feeds = feeds_;
  feeds.resize(options_.data.size());
  Result<int64_t> filled = 0;
  {
    const TraceSpan input(job_.trace(), TraceKind::kInput, input_name_);
    const uint64_t begin = Env::Default()->SteadyMicros();
    filled = data_->Fill(epoch, index, job_.rank(), job_.size(),
                         session_->options().reproducible, &feeds);
    ++waits_.batches;
    ++waits_.stalls;
    waits_.nanos +=
        static_cast<int64_t>(Env::Default()->SteadyMicros() - begin) * 1000;
  }
  LS_ASSIGN_OR_RETURN(const int64_t count, std::move(filled));
  feeds.insert(feeds.end(), values_.begin(), values_.end());
  const bool summarise =
      train_summaries_ && (step_ + 1) % options_.summary_every == 0;
  // Also with no example of this batch: the other ranks average with us.
  LS_RETURN_IF_ERROR(
      (summarise ? train_summaries_ : train_)->Run(feeds, &fetches_));
  ++step_;
  for (size_t i = 0; i < scalars_.size(); ++i) {
    if (fetches_[i].NumElements() != 1) {
      return InvalidArgument("'", scalars_[i].name(), "' has shape ",
                             fetches_[i].shape(),
                             ", a loss or metric has to be a scalar");
    }
  }
  Accumulate(count, means);
  if (summarise) LS_RETURN_IF_ERROR(WriteSummaries(fetches_));
  if (options_.log_every > 0 && step_ % options_.log_every == 0) {
    return LogStep(data_->BatchSize(index), count);
  }
  return Ok();
}

Status Trainer::LogStep(int64_t global_count, int64_t count) {
  if (scalars_.empty()) return Ok();
  double loss = 0;
  if (count > 0) {
    loss = static_cast<double>(fetches_[0].scalar<float>()) *
           static_cast<double>(count);
  }
  LS_RETURN_IF_ERROR(job_.Sum({&loss, 1}));
  loss /= static_cast<double>(global_count);
  char text[64];
  std::snprintf(text, sizeof text, "%.9g", loss);
  Print(StrCat("step ", step_, " ", scalars_[0].node->name(), " ", text));
  return Ok();
}

Status Trainer::WriteSummaries(const std::vector<Tensor>& fetched) {
  if (events_ == nullptr) return Ok();
  for (size_t i = scalars_.size(); i < fetched.size(); ++i) {
    if (fetched[i].dtype() != kString || fetched[i].NumElements() != 1) {
      return InvalidArgument("'", names_.summaries[i - scalars_.size()],
                             "' is no summary");
    }
    LS_RETURN_IF_ERROR(
        events_->AddSummary(fetched[i].scalar<std::string>(), step_));
  }
  return Ok();
}

Status Trainer::TrainEpoch(int64_t epoch, Means* means) {
  session_->resources().set_random_step(kFirstRandomStep +
                                        static_cast<uint64_t>(step_));
  for (int64_t b = step_ % data_->batches();
       b < data_->batches() && StepsLeft(); ++b) {
    stopped_ = job_.StopAt(step_);
    if (stopped_) return Ok();
    const Status status = Step(epoch, b, means);
    if (!status.ok()) {
      job_.Abort(status);
      return status;
    }
    // The last one is saved when the epoch is done.
    if (options_.save_every > 0 && step_ % options_.save_every == 0 &&
        b + 1 < data_->batches()) {
      LS_RETURN_IF_ERROR(Save());
    }
  }
  return Ok();
}

Status Trainer::Evaluate(int64_t epoch, Means* means) {
  if (!eval_data_ || scalars_.empty()) return Ok();
  std::vector<Tensor> feeds;
  for (int64_t b = 0; b < eval_data_->batches(); ++b) {
    feeds.resize(options_.data.size());
    LS_ASSIGN_OR_RETURN(
        const int64_t count,
        eval_data_->Fill(epoch, b, job_.rank(), job_.size(),
                         session_->options().reproducible, &feeds));
    if (count == 0) continue;
    feeds.insert(feeds.end(), eval_values_.begin(), eval_values_.end());
    LS_RETURN_IF_ERROR(eval_->Run(feeds, &fetches_));
    Accumulate(count, means);
  }
  return Ok();
}

Status Trainer::Train() {
  Env& env = *Env::Default();
  double trained_seconds = 0;
  while (StepsLeft() && step_ / data_->batches() < options_.epochs) {
    const int64_t epoch = step_ / data_->batches();
    const uint64_t start = env.SteadyMicros();
    Means means = NoMeans();
    LS_RETURN_IF_ERROR(TrainEpoch(epoch, &means));
    const double seconds =
        static_cast<double>(env.SteadyMicros() - start) * 1e-6;
    LS_RETURN_IF_ERROR(Save());
    trained_seconds += seconds;
    if (stopped_) {
      Print(StrCat("stopped at step ", step_));
      return events_ == nullptr ? Ok() : events_->Close();
    }
    LS_RETURN_IF_ERROR(FinishEpoch(epoch, seconds, std::move(means)));
  }
  LS_RETURN_IF_ERROR(Save());
  Print("input: " + waits_.ToString(trained_seconds));
  Print(StrCat("trained ", step_, " steps"));
  return events_ == nullptr ? Ok() : events_->Close();
}

Status Trainer::FinishEpoch(int64_t epoch, double seconds, Means means) {
  Means eval = NoMeans();
  LS_RETURN_IF_ERROR(job_.Agree(Evaluate(epoch, &eval)));
  LS_RETURN_IF_ERROR(job_.Sum(means.sums));
  LS_RETURN_IF_ERROR(job_.Sum(eval.sums));
  std::string line = StrCat("epoch ", epoch + 1, "  step ", step_);
  Status status;
  for (size_t i = 0; i < scalars_.size(); ++i) {
    const std::string& name = scalars_[i].node->name();
    const std::pair<const char*, const Means*> parts[] = {{"train", &means},
                                                          {"eval", &eval}};
    for (const auto& [part, m] : parts) {
      if (m->examples() == 0) continue;
      const double value = m->sums[i] / m->examples();
      line += StrCat("  ", part, " ", name, " ", Number(value));
      if (events_ != nullptr) {
        status.Update(events_->AddScalar(StrCat(part, "/", name),
                                         static_cast<float>(value), step_));
      }
      if (i == 0 && !names_.loss.empty() && !std::isfinite(value)) {
        status.Update(FailedPrecondition(
            "the loss is no longer finite in epoch ", epoch + 1));
      }
    }
  }
  Print(StrCat(line, "  ", Number(means.examples() / std::max(seconds, 1e-9)),
               " examples/s"));
  return job_.Agree(status);
}

Status Trainer::Save() {
  if (!saver_ || saved_step_ == step_) return Ok();
  Status status;
  if (job_.speaks()) {
    status = Env::Default()->CreateDirs(options_.checkpoint_dir);
    if (status.ok()) {
      status = saver_
                   ->Save(*session_, JoinPath(options_.checkpoint_dir, kPrefix),
                          step_)
                   .status();
    }
  }
  LS_RETURN_IF_ERROR(job_.Agree(status));
  saved_step_ = step_;
  return Ok();
}

}  // namespace lockstep
