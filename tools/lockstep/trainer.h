// SPDX-License-Identifier: Apache-2.0
#pragma once

// The run of lockstep train: everything between the parsed options and the
// last checkpoint.
//
//   LS_ASSIGN_OR_RETURN(auto trainer, Trainer::Create(options, job));
//   LS_RETURN_IF_ERROR(trainer->Train());

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distributed/job.h"
#include "runtime/exec/saver.h"
#include "runtime/exec/session.h"
#include "runtime/graph/meta_graph.h"
#include "runtime/io/batch_pipeline.h"
#include "runtime/io/event_writer.h"
#include "tools/lockstep/train_data.h"
#include "tools/lockstep/train_names.h"
#include "tools/lockstep/train_options.h"

namespace lockstep {

class Trainer {
 public:
  // Reads graph and data, makes the session, initialises or restores. Borrows
  // `job`. Called by all ranks; either all succeed or none.
  static Result<std::unique_ptr<Trainer>> Create(const TrainOptions& options,
                                                 Job& job);
  Status Train();
  // Train returned because the job was asked to stop.
  bool stopped() const { return stopped_; }

 private:
  // What one pass over data gave: means over its examples.
  struct Means {
    std::vector<double> sums;  // loss and metrics, times examples; examples
    double examples() const { return sums.back(); }
  };

  Trainer(const TrainOptions& options, Job& job)
      : options_(options), job_(job) {}

  Status Load();
  Status CheckFolder();
  Status MakeSession();
  void Declare() const;
  Status InitOrRestore();
  Status MakeSteps();
  Status OpenEvents();
  void Introduce() const;

  Status TrainEpoch(int64_t epoch, Means* means);
  Status Step(int64_t epoch, int64_t index, Means* means);
  Status LogStep(int64_t global_count, int64_t count);
  // Adds a run's first fetches, which had `count` examples.
  void Accumulate(int64_t count, Means* means) const;
  Status WriteSummaries(const std::vector<Tensor>& fetched);
  Status Evaluate(int64_t epoch, Means* means);
  Status FinishEpoch(int64_t epoch, double seconds, Means means);
  Status Save();
  void Print(const std::string& line) const;
  bool StepsLeft() const {
    return options_.steps == 0 || step_ < options_.steps;
  }
  Means NoMeans() const {
    return {std::vector<double>(scalars_.size() + 1, 0.0)};
  }

  const TrainOptions options_;
  Job& job_;
  MetaGraph meta_;
  TrainNames names_;
  std::vector<Output> scalars_;  // loss and metrics
  std::optional<TrainData> data_;
  std::optional<TrainData> eval_data_;
  std::unique_ptr<Session> session_;
  std::optional<Saver> saver_;
  std::unique_ptr<EventWriter> events_;
  std::unique_ptr<Callable> train_;            // fetches scalars_
  std::unique_ptr<Callable> train_summaries_;  // and the summaries behind
  std::unique_ptr<Callable> eval_;
  std::vector<Tensor> values_;       // of --set, behind the data in feeds
  std::vector<Tensor> eval_values_;  // of --eval-set and the rest of --set
  std::vector<Tensor> feeds_;
  std::vector<Tensor> fetches_;
  uint32_t input_name_ = 0;  // in the job's trace
  InputWaits waits_;
  int64_t step_ = 0;
  int64_t saved_step_ = -1;
  bool stopped_ = false;
};

}  // namespace lockstep
