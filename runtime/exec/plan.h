// SPDX-License-Identifier: Apache-2.0
#pragma once

// Plan: an array of steps, each a kernel with its operands resolved to
// addresses; made once for a signature and the shapes of its feeds, then run
// many times. Running one allocates nothing, hashes nothing and looks nothing
// up, unless it has dynamic steps. Internal to runtime/exec; made by
// BuildPlan (plan_builder.h), run by the session, one run at a time.

#include <atomic>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "runtime/core/progress.h"
#include "runtime/device/arena.h"
#include "runtime/exec/binder.h"
#include "runtime/exec/branch_steps.h"
#include "runtime/exec/lane_waits.h"
#include "runtime/exec/plan_trace.h"
#include "runtime/exec/session.h"
#include "runtime/exec/task_part.h"
#include "runtime/graph/passes/prune.h"

namespace lockstep {

class Lanes;

class Plan final : public PlanText {
 public:
  Plan() = default;
  ~Plan() override;
  // True when the feeds have the dtypes and shapes the plan was made for.
  bool Fits(std::span<const Tensor> feeds) const;
  // Requires Fits(feeds). See Callable::Run. `outer`, if given, is the run
  // that this one is part of.
  Status Run(std::span<const Tensor> feeds, std::vector<Tensor>* fetches,
             const RunInfo* outer = nullptr);
  // As a part of another plan's run, beside others: with its random step and
  // its place in the global batch. The fetches are where the plan has them,
  // until it runs again. Of plans on the host.
  Status RunPart(std::span<const Tensor> feeds,
                 std::vector<const Tensor*>* fetches, const RunInfo& part);
  // Has the virtual replicas of reproducible mode.
  bool has_replicas() const { return has_replicas_; }
  std::vector<FeedSpec> FeedSpecs() const;
  const PlanInfo& info() const { return info_; }
  // Of a plan that several tasks run together.
  TaskPart& task_part() { return task_part_; }
  std::string PositionText(uint32_t position) const override;

 private:
  friend class PlanBuilder;

  struct Step {
    RunFn run = nullptr;
    KernelContext context;
    StepRunner* runner = nullptr;     // when set, it runs instead
    const OnlyIf* only_if = nullptr;  // null: runs always
    const Node* node = nullptr;
    std::span<Tensor* const> inputs;
    std::span<Tensor* const> outputs;
    // Variables that must have a value before the step.
    std::vector<const Variable*> reads;
    std::shared_ptr<void> state;
  };
  struct Feed {
    FeedSpec spec;
    std::vector<Tensor*> views;  // the fed value and its aliases
    bool any_shape = false;      // the value is handed on as it comes
    Tensor staging;              // for values that are not aligned
  };
  struct Fetch {
    Tensor* value = nullptr;
    std::vector<Tensor*> views;          // of a value made where it is wanted
    bool on_heap = false;                // the value's memory may be taken
    int feed = -1;                       // the one that it is
    const Variable* variable = nullptr;  // when it reads one
    Hardware* hardware = nullptr;        // whose memory it is in; null: host
    OnlyIf only_if;
    std::string name;
  };
  // Steps that a lane has done in this run; kGone when it has stopped.
  struct alignas(64) Progress {
    std::atomic<int> done = 0;
  };

  Status RunOnce(std::span<const Tensor> feeds, std::vector<Tensor>* fetches,
                 const RunInfo* outer);
  Status RunInto(std::span<const Tensor> feeds, std::vector<Tensor>* fetches,
                 bool inner);
  Status RunTraced(std::span<const Tensor> feeds, std::vector<Tensor>* fetches,
                   const RunInfo* outer);
  Status CheckFetch(const Fetch& fetch) const;
  Status RunSteps();
  Status RunInOrder();
  Status RunInOrderTraced();
  Status RunStep(Step& step);
  [[gnu::cold]] Status Thrown(const Step& step,
                              const std::exception& error) const;
  Status CheckReads(const Step& step) const;
  Status RunLanes();
  void RunLane(int lane);
  Status RunLaneSteps(int lane);
  Status RunRow(LaneStep* first, Queue& queue, bool* failed);
  void AwaitLane(const LaneWait& wait, std::atomic<int>& done);
  Status AwaitLanes(const std::vector<LaneWait>& waits, Queue& queue);
  void Fail(int step, Status status);
  void BindFeeds(std::span<const Tensor> feeds);
  Status BindResults(std::vector<Tensor>* fetches);
  Status TakeFetches(std::span<const Tensor> feeds,
                     std::vector<Tensor>* fetches, bool inner);

  Graph graph_;                // what the steps' nodes belong to
  std::deque<Tensor> values_;  // stable addresses
  std::deque<std::vector<Tensor*>> operands_;
  std::deque<std::vector<Variable*>> variables_;
  std::vector<std::unique_ptr<StepRunner>> runners_;
  std::vector<uint8_t> conditions_;  // set anew in each run
  std::deque<OnlyIf> only_if_;
  std::vector<Step> steps_;
  std::vector<Feed> feeds_;
  std::vector<Fetch> fetches_;
  std::vector<Tensor> constants_;  // in the memory of GPUs
  // Of plans with several lanes.
  Lanes* lanes_ = nullptr;
  std::vector<int> used_lanes_;  // 0 and others
  std::vector<std::vector<LaneStep>> lane_steps_;
  std::vector<Progress> progress_;
  std::atomic<bool> failed_ = false;
  std::mutex failure_mutex_;
  int failed_step_ = 0;  // the first in the static order that failed
  Status failure_;

  SessionResources* resources_ = nullptr;
  int task_ = 0;
  int tasks_ = 1;
  TaskPart task_part_;
  bool random_ = false;
  bool has_replicas_ = false;
  // Variables never lose their value, so one complete run proves them all.
  bool initialized_ = false;
  uint32_t number_ = 0;  // among the process's plans; 0: not ready to run
  std::unique_ptr<PlanTrace> trace_;  // null: not traced
  RunInfo run_;
  PlanInfo info_;
};

[[gnu::always_inline]] inline Status Plan::RunStep(Step& step) {
  if (step.only_if && !Holds(*step.only_if)) return Ok();
  if (!initialized_) [[unlikely]]
    LS_RETURN_IF_ERROR(CheckReads(step));
  try {
    Status s = step.runner ? step.runner->Run(step.inputs, step.outputs)
                           : step.run(step.context);
    if (s.ok()) [[likely]]
      return s;
    return s.WithContext(WhereIs(*step.node, task_, tasks_));
  } catch (const std::exception& e) {  // of a kernel's library, out of memory
    return Thrown(step, e);
  }
}

}  // namespace lockstep
