// SPDX-License-Identifier: Apache-2.0
// How a Trainer is made: checks, session, checkpoint, inputs, event file.
#include <cmath>

#include "examples/mnist/train.h"
#include "runtime/graph/graph_def.h"
#include "runtime/io/checkpoint_state.h"
#include "tools/command_line.h"

namespace lockstep::mnist {
namespace {

int64_t ValidationSize(const Options& options, const Data& data) {
  return options.validation > 0 ? options.validation
                                : std::max<int64_t>(data.train.size() / 12, 1);
}

Result<std::string> Newest(Env& env, const std::string& dir) {
  Result<std::string> newest = LatestCheckpoint(env, dir);
  if (newest.code() == Code::kNotFound) {
    return NotFound("--resume: no checkpoint in '", dir, "'");
  }
  return newest.ok() ? newest : newest.status().WithContext("--resume");
}

}  // namespace

Result<std::unique_ptr<Trainer>> Trainer::Create(const Options& options,
                                                 Job& job, const Data& data) {
  std::unique_ptr<Trainer> t(new Trainer(options, job));
  LS_RETURN_IF_ERROR(job.Agree(t->CheckSizes(data)));
  LS_RETURN_IF_ERROR(job.Agree(job.speaks() ? t->CheckFolders() : Ok()));
  LS_RETURN_IF_ERROR(t->MakeSession());
  LS_RETURN_IF_ERROR(job.Agree(t->Restore()));
  LS_RETURN_IF_ERROR(job.Agree(t->MakeInputs(data)));
  LS_RETURN_IF_ERROR(job.Agree(t->OpenEvents()));
  t->Introduce(data);
  return t;
}

Status Trainer::CheckSizes(const Data& data) {
  const int64_t held_out = ValidationSize(options_, data);
  if (held_out >= data.train.size()) {
    return InvalidArgument("--validation ", held_out, " leaves nothing of the ",
                           data.train.size(), " training images");
  }
  const int64_t training = data.train.size() - held_out;
  if (options_.batch > training) {
    return InvalidArgument("--batch ", options_.batch, " is larger than the ",
                           training, " training images");
  }
  position_.learning_rate = options_.lr;
  position_.seed = options_.seed;
  position_.batch_size = options_.batch;
  position_.training_examples = training;
  return Ok();
}

Status Trainer::CheckFolders() {
  Env& env = *Env::Default();
  if (options_.resume) {
    // Before the folder would be made.
    LS_RETURN_IF_ERROR(Newest(env, options_.checkpoint_dir).status());
  }
  LS_RETURN_IF_ERROR(TryFolder(env, "checkpoint-dir", options_.checkpoint_dir));
  return TryFolder(env, "log-dir", options_.log_dir);
}

Status Trainer::MakeSession() {
  LS_RETURN_IF_ERROR(job_.StartTrace(options_.trace));
  if (Trace* trace = job_.trace()) {
    input_name_ = trace->Name(TraceKind::kInput, "Input", "batch");
  }
  model_ = BuildModel(scope_, options_);
  std::vector<Output> variables = model_.variables;
  for (const Output& v : position_variables_.variables()) {
    variables.push_back(v);
  }
  Status status = scope_.status();
  if (status.ok() && !options_.checkpoint_dir.empty()) {
    Result<Saver> saver =
        Saver::Create(scope_, variables, {.max_to_keep = options_.max_to_keep});
    status = saver.status();
    if (saver.ok()) saver_ = std::make_unique<Saver>(*std::move(saver));
  }
  if (status.ok()) {
    SessionOptions session_options;
    session_options.intra_op_threads = Threads();
    session_options.reproducible = options_.reproducible;
    session_options.gpu_options.virtual_gpus.count = options_.virtual_gpus;
    // Saving and counting are the host's, wherever the model is.
    session_options.allow_soft_placement = true;
    for (const auto& [name, value] :
         {std::pair("--batch", StrCat(options_.batch)),
          std::pair("--epochs", StrCat(options_.epochs)),
          std::pair("--steps", StrCat(options_.steps)),
          std::pair("--seed", StrCat(options_.seed)),
          std::pair("--lr", StrCat(options_.lr)),
          std::pair("--log-every", StrCat(options_.log_every)),
          std::pair("images to train with",
                    StrCat(position_.training_examples))}) {
      job_.Declare(name, value);
    }
    if (options_.pipeline > 1) {
      status = job_.ConfigureTasks(&session_options);
    } else {
      job_.Configure("images:0", &session_options);
    }
    if (status.ok()) {
      Result<std::unique_ptr<Session>> session =
          Session::Create(graph_, session_options);
      status = session.status();
      if (session.ok()) session_ = *std::move(session);
    }
  }
  LS_RETURN_IF_ERROR(job_.Agree(status));
  return job_.Agree(session_->RunTargets({model_.init->name()}));
}

Status Trainer::Restore() {
  if (!options_.resume) return Ok();
  LS_ASSIGN_OR_RETURN(const std::string latest,
                      Newest(*Env::Default(), options_.checkpoint_dir));
  LS_RETURN_IF_ERROR(NamingOlderCheckpoint(*Env::Default(),
                                           options_.checkpoint_dir,
                                           saver_->Restore(*session_, latest))
                         .WithContext("--resume"));
  LS_ASSIGN_OR_RETURN(const Position position,
                      position_variables_.Load(*session_));
  LS_RETURN_IF_ERROR(position.CheckSameRun(position_));
  position_ = position;
  saved_step_ = position.step;
  if (!job_.speaks()) {  // rank 0 alone carries the sums so far
    position_.loss_sum = position_.correct = 0;
    position_.examples = 0;
  }
  return Ok();
}

Status Trainer::MakeInputs(const Data& data) {
  const int64_t training = position_.training_examples;
  const Examples train = Slice(data.train, 0, training);
  LS_ASSIGN_OR_RETURN(
      batches_,
      BatchPipeline::Create(train.images, train.labels,
                            {.batch = options_.batch,
                             .seed = static_cast<uint64_t>(options_.seed),
                             .rank = share_.rank,
                             .ranks = share_.ranks,
                             .replicas = session_->options().reproducible,
                             .depth = Prefetch(),
                             .classes = kClasses,
                             .scale = 0}));
  LS_ASSIGN_OR_RETURN(
      step_,
      session_->MakeCallable({model_.images, model_.labels, model_.keep_prob,
                              model_.learning_rate, model_.is_training},
                             {model_.losses, model_.accuracy}, {model_.train}));
  feeds_ = {Tensor(), Tensor(), Tensor(static_cast<float>(options_.keep_prob)),
            Tensor(static_cast<float>(position_.learning_rate)), Tensor(true)};
  LS_ASSIGN_OR_RETURN(
      validation_,
      Evaluator::Create(*session_, job_, share_, model_,
                        Slice(data.train, training, data.train.size())));
  LS_ASSIGN_OR_RETURN(
      test_, Evaluator::Create(*session_, job_, share_, model_, data.test));
  return Ok();
}

Status Trainer::OpenEvents() {
  if (options_.log_dir.empty() || !job_.speaks()) return Ok();
  LS_ASSIGN_OR_RETURN(events_,
                      EventWriter::Open(*Env::Default(), options_.log_dir));
  if (options_.resume) {
    LS_RETURN_IF_ERROR(events_->AddStart(position_.step + 1));
  }
  LS_ASSIGN_OR_RETURN(const std::string graph_def, ToGraphDef(graph_));
  return events_->AddGraph(graph_def);
}

void Trainer::Introduce(const Data& data) {
  const int64_t training = position_.training_examples;
  progress_.Line(StrCat("images: ", training, " training, ",
                        data.train.size() - training, " validation, ",
                        data.test.size(), " test"));
  progress_.Line(StrCat("model: ", options_.model, ", ", model_.parameters,
                        " parameters, ", options_.optimizer, ", batch ",
                        options_.batch, ", seed ", options_.seed));
  progress_.Line(StrCat("ranks: ", job_.size(), ", ", Threads(),
                        " threads each",
                        job_.size() == 1 ? ""
                        : options_.pipeline == 1
                            ? StrCat(", gradients by ", job_.transport())
                            : StrCat(", a pipeline of ", options_.micro_batches,
                                     " micro-batches by ", job_.transport())));
  if (const int replicas = session_->options().reproducible; replicas > 0) {
    progress_.Line(StrCat("reproducible: ", replicas, " virtual replicas"));
  }
  if (options_.resume) {
    progress_.Line(StrCat("resumed at step ", position_.step, ", epoch ",
                          position_.epoch + 1));
  }
}

}  // namespace lockstep::mnist
