// SPDX-License-Identifier: Apache-2.0
#pragma once

// PlanBuilder: one plan on its way. plan_builder.cc optimises the graph and
// finds where values live, plan_memory.cc gives them memory, plan_lanes.cc
// finds what runs where and waits for what, plan_steps.cc prepares steps and
// binds them. Internal to runtime/exec.

#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "runtime/exec/binder.h"
#include "runtime/exec/memory_planner.h"
#include "runtime/exec/plan.h"
#include "runtime/exec/plan_values.h"
#include "runtime/exec/schedule.h"
#include "runtime/graph/conditions.h"

namespace lockstep {

enum class StepKind {
  kKernel,     // everything known: a call of the kernel
  kDynamic,    // shapes known as it runs
  kSnapshot,   // copies a variable's value before it changes
  kCondition,  // takes down a predicate
  kMerge,
  kFunctions,  // If, Case, While, _Loop
  kReceive,    // copies a value from another device's memory
  kReplicas,   // _Replicas: the virtual replicas of reproducible mode
};

// A step on its way.
struct PendingStep {
  StepKind kind = StepKind::kKernel;
  Node* node = nullptr;
  std::vector<Output> inputs;
  std::vector<Output> outputs;
  const KernelDef* kernel = nullptr;
  StepOperands operands;
  std::shared_ptr<void> state;
  int scratch_buffer = -1;
  int lane = 0;
};

class PlanBuilder {
 public:
  explicit PlanBuilder(const PlanRequest& request)
      : request_(request),
        environment_(request.environment),
        plan_(std::make_unique<Plan>()),
        values_(&plan_->values_) {}

  Result<std::unique_ptr<Plan>> Build();

 private:
  Status Optimize();
  Status RunPasses(PassContext& context);

  Status MakeValues(Node* n);
  Status MakeSource(Node* n);
  Status MakeMerge(Node* n);
  Status MakeStep(Node* n);
  Status MakeAlias(Node* n);
  void MakeCondition(Node* n);
  void AddStep(StepKind kind, Node* n, const KernelDef* kernel = nullptr);
  Result<const KernelDef*> KernelFor(const Node& n) const;
  bool ForwardsHandle(const Node* n) const;
  bool IsStaticAlias(const Node* n);
  bool IsStatic(const Node* n) const;
  Result<Variable*> VariableOf(const Node* n);
  Status CheckVariableType(const Node& n, const Variable& variable) const;
  void MarkUses();
  void ShareInPlace();
  void HandOutResults();
  // The number of the device that has output (or scratch) of the node in its
  // memory: 0 for all host memory.
  int MemoryOf(const Node& n, bool on_gpu) const;
  int DeviceOf(const Node& n) const;
  int ScratchMemoryOf(const Node& n) const;
  void* StreamOf(const PendingStep& p) const;
  std::vector<Allocator*> AllocatorsOf(const Node& n) const;
  const Device& DeviceAt(int number) const {
    return environment_.devices->all()[static_cast<size_t>(number)];
  }
  bool HasBranches() const;
  void DivideIntoLanes();
  int LaneOf(const PendingStep& step) const;
  bool HasLanes() const { return !needs_.empty(); }
  void AssignLanes();
  void FindNeeds();
  LaneClock NeedsOf(const Node& n) const;
  void NeedConditions(const PendingStep& step, LaneClock* need);
  bool CanRecord(const PendingStep& step);
  Status BindLanes();
  Status PlaceMemory();
  Status PlaceOn(int device);
  DeviceNeed NeedOn(int device, const MemoryPlan& memory);
  Status TakeMemory(int device, const MemoryPlan& memory);
  Status OverLimit(const DeviceNeed& need) const;
  Status FindOperands(PendingStep* step);
  Status PrepareStep(int number);
  Status BindStep(PendingStep& p);
  Status MakeRunner(PendingStep& p, Plan::Step* step);
  void BindKernel(PendingStep& p, Plan::Step* step);
  void BindReads(const PendingStep& p, Plan::Step* step);
  void BindEnds();
  void BindTrace();
  void Describe();

  std::string Where(const Node& n) const {
    return WhereIs(n, environment_.options->task, environment_.options->tasks);
  }
  int step() const { return static_cast<int>(pending_.size()); }
  uint8_t* ConditionByte(int condition) {
    return &plan_->conditions_[static_cast<size_t>(condition)];
  }
  OnlyIf Bytes(const std::vector<int>& conditions) {
    OnlyIf bytes;
    for (int c : conditions) bytes.push_back(ConditionByte(c));
    return bytes;
  }

  const PlanRequest& request_;
  const PlanEnvironment& environment_;
  std::unique_ptr<Plan> plan_;
  PlanGraph work_;
  Schedule schedule_;
  std::unique_ptr<Conditions> conditions_;
  std::unordered_set<int> conditions_taken_;
  PlanValues values_;
  std::vector<PendingStep> pending_;
  std::unordered_set<const Node*> beside_;  // on the CPU's second lane
  // Of plans with several lanes: by step, and by node what comes after it.
  std::vector<LaneClock> needs_;
  std::unordered_map<const Node*, LaneClock> after_;
  std::unordered_map<int, int> condition_step_;  // that sets the condition
};

}  // namespace lockstep
