// SPDX-License-Identifier: Apache-2.0
#pragma once

// Plan: an array of steps, each a kernel with its operands resolved to
// addresses; made once for a signature and the shapes of its feeds, then run
// many times. Running one allocates nothing, hashes nothing and looks nothing
// up, unless it has dynamic steps. Internal to runtime/exec; made by
// BuildPlan (plan_builder.h), run by the session, one run at a time.

#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/device/arena.h"
#include "runtime/exec/binder.h"
#include "runtime/exec/branch_steps.h"
#include "runtime/exec/session.h"
#include "runtime/graph/passes/prune.h"

namespace lockstep {

class Plan {
 public:
  // True when the feeds have the dtypes and shapes the plan was made for.
  bool Fits(std::span<const Tensor> feeds) const;
  // Requires Fits(feeds). See Callable::Run. `outer`, if given, is the run
  // that this one is part of.
  Status Run(std::span<const Tensor> feeds, std::vector<Tensor>* fetches,
             const RunInfo* outer = nullptr);
  std::vector<FeedSpec> FeedSpecs() const;
  const PlanInfo& info() const { return info_; }

 private:
  friend class PlanBuilder;

  struct Step {
    RunFn run = nullptr;
    KernelContext context;
    StepRunner* runner = nullptr;  // when set, it runs instead
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
    const Tensor* value = nullptr;
    const Variable* variable = nullptr;  // when it reads one
    OnlyIf only_if;
    std::string name;
  };

  Status RunSteps();
  void BindFeeds(std::span<const Tensor> feeds);
  Status TakeFetches(std::vector<Tensor>* fetches);

  Graph graph_;              // what the steps' nodes belong to
  std::deque<Tensor> values_;  // stable addresses
  std::deque<std::vector<Tensor*>> operands_;
  std::deque<std::vector<Variable*>> variables_;
  std::vector<std::unique_ptr<StepRunner>> runners_;
  std::vector<uint8_t> conditions_;  // set anew in each run
  std::deque<OnlyIf> only_if_;
  std::vector<Step> steps_;
  std::vector<Feed> feeds_;
  std::vector<Fetch> fetches_;
  SessionResources* resources_ = nullptr;
  int task_ = 0;
  int tasks_ = 1;
  bool random_ = false;
  // Variables never lose their value, so one complete run proves them all.
  bool initialized_ = false;
  RunInfo run_;
  PlanInfo info_;
};

}  // namespace lockstep
