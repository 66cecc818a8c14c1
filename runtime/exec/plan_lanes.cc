// SPDX-License-Identifier: Apache-2.0
// PlanBuilder: which lane runs a step, and what it waits for in other lanes.
#include <algorithm>
#include <functional>

#include "runtime/core/threads.h"
#include "runtime/exec/branch_lanes.h"
#include "runtime/exec/lanes.h"
#include "runtime/exec/plan_assembly.h"
#include "runtime/graph/control_flow.h"
#include "runtime/graph/memory_spaces.h"
#include "runtime/graph/node_work.h"

namespace lockstep {

int PlanBuilder::DeviceOf(const Node& n) const {
  return std::max(0, environment_.devices->IndexOf(n.assigned_device()));
}

int PlanBuilder::MemoryOf(const Node& n, bool on_gpu) const {
  return on_gpu ? DeviceOf(n) : 0;
}

// Whether all that the plan does is of one CPU and always the same.
bool PlanBuilder::HasBranches() const {
  const auto& devices = environment_.devices->all();
  return environment_.options->optimize && environment_.depth == 0 &&
         !environment_.spans_tasks() && !plan_->has_replicas_ &&
         !environment_.options->communication_lane &&
         environment_.options->inter_op_threads != 1 && Threads() > 1 &&
         conditions_->count() == 0 &&
         std::ranges::all_of(
             devices, [](const Device& d) { return d.kind() == kCpu; }) &&
         std::ranges::none_of(schedule_.order, [](const Node* n) {
           return n->traits().synchronizes || RunsFunctions(*n);
         });
}

void PlanBuilder::DivideIntoLanes() {
  if (!HasBranches()) return;
  constexpr double kStepMicros = 0.02;
  auto branches = DivideBranches(
      schedule_.order,
      [](const Node& n) { return EstimateMicros(n, kStepMicros); }, {});
  if (!branches) return;
  schedule_.order = std::move(branches->order);
  beside_ = std::move(branches->beside);
}

int PlanBuilder::LaneOf(const PendingStep& step) const {
  const Node& n = *step.node;
  // Conditions are bytes of the plan, set from a value in host memory.
  if (step.kind == StepKind::kCondition) return 0;
  if (n.traits().synchronizes && environment_.depth == 0 &&
      environment_.options->communication_lane) {
    return environment_.lanes->Communication();
  }
  if (beside_.contains(&n)) return environment_.lanes->Beside();
  if (step.kind != StepKind::kReceive) {
    return environment_.lanes->Compute(DeviceOf(n));
  }
  // The GPU at either end does the copy; between two it is the receiver.
  const int to = environment_.lanes->Copy(DeviceOf(n));
  if (to != 0) return to;
  return environment_.lanes->Copy(std::max(
      0, environment_.devices->IndexOf(n.Attr<std::string>("send_device"))));
}

// Leaves needs_ empty when one lane is all there is.
void PlanBuilder::AssignLanes() {
  bool several = false;
  for (PendingStep& step : pending_) {
    step.lane = LaneOf(step);
    several = several || step.lane != 0;
  }
  if (!several) return;
  needs_.assign(
      pending_.size(),
      LaneClock(static_cast<size_t>(environment_.lanes->count()), -1));
}

LaneClock PlanBuilder::NeedsOf(const Node& n) const {
  LaneClock need(static_cast<size_t>(environment_.lanes->count()), -1);
  for (const Output& in : n.inputs()) After(&need, after_.at(in.node));
  for (const Node* c : n.control_inputs()) After(&need, after_.at(c));
  return need;
}

void PlanBuilder::NeedConditions(const PendingStep& step, LaneClock* need) {
  const auto add = [&](const std::vector<int>& conditions) {
    for (int c : conditions) {
      const auto it = condition_step_.find(c);
      if (it == condition_step_.end()) continue;
      const int at = it->second;
      After(need, pending_[static_cast<size_t>(at)].lane, at);
    }
  };
  add(conditions_->Of(step.node));
  for (const Output& in : step.inputs) add(conditions_->Of(in));
}

// Of data, of control edges and of conditions.
void PlanBuilder::FindNeeds() {
  std::unordered_map<const Node*, std::vector<int>> steps;
  for (size_t s = 0; s < pending_.size(); ++s) {
    steps[pending_[s].node].push_back(static_cast<int>(s));
  }
  for (const Node* n : schedule_.order) {
    LaneClock need = NeedsOf(*n);
    LaneClock after = need;
    for (int s : steps[n]) {
      const PendingStep& step = pending_[static_cast<size_t>(s)];
      LaneClock& needs = needs_[static_cast<size_t>(s)];
      After(&needs, need);
      NeedConditions(step, &needs);
      After(&after, step.lane, s);
      if (step.kind == StepKind::kCondition) {
        const auto [when_false, when_true] = conditions_->Sides(n);
        condition_step_[when_false] = condition_step_[when_true] = s;
      } else if (step.kind == StepKind::kMerge) {
        condition_step_[conditions_->SetBy(n)] = s;
      }
    }
    after_[n] = std::move(after);
  }
}

// Whether repeating what the kernel enqueued is running it again: it reads
// nothing in host memory that may change and no value that may be elsewhere in
// the next run, draws no numbers by the run, and talks to nobody.
bool PlanBuilder::CanRecord(const PendingStep& step) {
  const Node& n = *step.node;
  if (step.kind != StepKind::kKernel || step.lane == 0 || !IsOnGpu(n) ||
      n.traits().random || n.traits().synchronizes ||
      !conditions_->Of(&n).empty()) {
    return false;
  }
  const OperandMemory memory = OperandMemoryOf(n);
  for (size_t i = 0; i < n.inputs().size(); ++i) {
    const Output& in = n.inputs()[i];
    if (!memory.input_on_gpu[i] && !in.node->output_value(in.index).defined()) {
      return false;
    }
    if (values_.StorageOf(in) == Storage::kHeap) return false;
  }
  return std::ranges::all_of(memory.output_on_gpu, std::identity());
}

Status PlanBuilder::BindLanes() {
  if (!HasLanes()) return Ok();
  std::vector<int> lane_of;
  for (const PendingStep& step : pending_) lane_of.push_back(step.lane);
  values_.AddMemoryNeeds(lane_of, &needs_);
  plan_->lane_steps_ = MakeWaits(lane_of, needs_, environment_.lanes->count());
  std::vector<bool> can_record;
  for (const PendingStep& step : pending_) {
    can_record.push_back(CanRecord(step));
  }
  for (auto& lane : plan_->lane_steps_) FindRecordable(can_record, &lane);
  plan_->used_lanes_ = {0};
  for (int lane = 1; lane < environment_.lanes->count(); ++lane) {
    if (plan_->lane_steps_[static_cast<size_t>(lane)].empty()) continue;
    plan_->used_lanes_.push_back(lane);
  }
  LS_RETURN_IF_ERROR(environment_.lanes->Open(plan_->used_lanes_));
  plan_->lanes_ = environment_.lanes;
  plan_->progress_ = std::vector<Plan::Progress>(
      static_cast<size_t>(environment_.lanes->count()));
  return Ok();
}

}  // namespace lockstep
