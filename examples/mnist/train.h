// SPDX-License-Identifier: Apache-2.0
#pragma once

// The training run: everything between the parsed options and the accuracy on
// the test data.
//
//   LS_ASSIGN_OR_RETURN(auto trainer, Trainer::Create(options, job, data));
//   LS_RETURN_IF_ERROR(trainer->Train());
//   LS_ASSIGN_OR_RETURN(double accuracy, trainer->TestAccuracy());

#include <memory>
#include <string>
#include <vector>

#include "distributed/job.h"
#include "examples/mnist/data.h"
#include "examples/mnist/evaluate.h"
#include "examples/mnist/model.h"
#include "examples/mnist/options.h"
#include "examples/mnist/position.h"
#include "examples/mnist/progress.h"
#include "examples/mnist/share.h"
#include "runtime/exec/saver.h"
#include "runtime/exec/session.h"
#include "runtime/io/batch_pipeline.h"
#include "runtime/io/event_writer.h"

namespace lockstep::mnist {

class Trainer {
 public:
  // Builds graph and session, restores a checkpoint if asked to, and tries
  // whether the folders can be written. Borrows `job` for its lifetime. Called
  // by all ranks; either all succeed or none.
  static Result<std::unique_ptr<Trainer>> Create(const Options& options,
                                                 Job& job, const Data& data);
  // The remaining epochs or steps, with their lines, checkpoints and events.
  Status Train();
  Result<double> TestAccuracy();
  // One line: how long this rank's steps waited for their batches.
  std::string InputSummary() const;
  // Train returned because the job was asked to stop.
  bool stopped() const { return stopped_; }

 private:
  Trainer(const Options& options, Job& job)
      : options_(options),
        job_(job),
        share_(Share::Of(options, job)),
        progress_(!job.speaks()),
        scope_(Scope(&graph_).WithSeed(options.seed)),
        position_variables_(scope_) {}

  Status CheckSizes(const Data& data);
  Status CheckFolders();
  Status MakeSession();
  Status Restore();
  Status MakeInputs(const Data& data);
  Status OpenEvents();
  void Introduce(const Data& data);
  int Threads() const {
    return options_.threads > 0 ? options_.threads : job_.default_threads();
  }
  // Batches to fill ahead: a thread that does so must not take a processor
  // from those that train.
  int Prefetch() const {
    return options_.prefetch.value_or(Threads() < job_.default_threads() ? 1
                                                                         : 0);
  }

  // Trains until the epoch or the run ends.
  Status TrainEpoch(double* seconds);
  Result<const Batch*> NextBatch();
  Status Step(const Batch& batch);
  Status LogStep(const Batch& batch);
  // Prints the epoch's line; at its end also adjusts the learning rate.
  Status FinishEpoch(double seconds, int64_t examples_before);
  Status WriteEvents(const EpochResult& result);
  Status Save();
  // All ranks stop before the same step.
  bool Stopping();
  bool StepsLeft() const {
    return options_.steps == 0 || position_.step < options_.steps;
  }

  const Options options_;
  Job& job_;
  const Share share_;
  Progress progress_;
  Graph graph_;
  Scope scope_;
  PositionVariables position_variables_;
  Model model_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<Saver> saver_;
  std::unique_ptr<EventWriter> events_;
  std::unique_ptr<BatchPipeline> batches_;
  std::unique_ptr<Callable> step_;
  std::unique_ptr<Evaluator> validation_;
  std::unique_ptr<Evaluator> test_;
  std::vector<Tensor> feeds_;
  std::vector<Tensor> fetches_;
  Position position_;
  int64_t saved_step_ = -1;
  bool stopped_ = false;
  double trained_seconds_ = 0;  // without validation and checkpoints
  uint32_t input_name_ = 0;     // in the job's trace
};

}  // namespace lockstep::mnist
