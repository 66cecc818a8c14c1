// SPDX-License-Identifier: Apache-2.0
// PlanBuilder's second half: steps are prepared and bound to addresses.
#include "runtime/core/threads.h"
#include "runtime/exec/dynamic_step.h"
#include "runtime/exec/function_steps.h"
#include "runtime/exec/lanes.h"
#include "runtime/exec/plan_assembly.h"
#include "runtime/exec/replica_step.h"
#include "runtime/graph/control_flow.h"
#include "runtime/graph/memory_spaces.h"
#include "runtime/graph/node_work.h"

namespace lockstep {

// A handle does not carry its variable's dtype, so graphs can get it wrong.
Status PlanBuilder::CheckVariableType(const Node& n,
                                      const Variable& variable) const {
  for (const char* attr : {"dtype", "T"}) {
    const DType* type = GetIf<DType>(n.attrs(), attr);
    if (!type || BaseOf(*type) == variable.dtype() || *type == kResource) {
      continue;
    }
    return InvalidArgument(Where(n), ": attribute '", attr, "' is ",
                           DTypeName(*type), ", variable '", variable.name(),
                           "' has dtype ", DTypeName(variable.dtype()));
  }
  return Ok();
}

Status PlanBuilder::FindOperands(PendingStep* step) {
  const Node* n = step->node;
  const auto types = ArgTypes(n->def(), n->def().inputs, n->attrs());
  for (int i = 0; i < n->num_inputs(); ++i) {
    const Output& in = n->input(i);
    step->operands.input_shapes.push_back(in.shape());
    const Tensor& value = in.node->output_value(in.index);
    step->operands.input_values.push_back(value.defined() ? &value : nullptr);
    Variable* variable = nullptr;
    const Output behind = VariableBehind(in);
    const bool handle =
        PassesHandle(*n, i) ||
        (types.ok() && IsHandle((*types)[static_cast<size_t>(i)]));
    if (handle && behind.defined()) {
      LS_ASSIGN_OR_RETURN(variable, VariableOf(behind.node));
      LS_RETURN_IF_ERROR(CheckVariableType(*n, *variable));
    }
    step->operands.variables.push_back(variable);
  }
  for (int i = 0; i < n->num_outputs(); ++i) {
    step->operands.output_shapes.push_back(n->output_shape(i));
  }
  return Ok();
}

Status PlanBuilder::PrepareStep(int number) {
  PendingStep& step = pending_[static_cast<size_t>(number)];
  if (step.kind == StepKind::kCondition) return Ok();
  LS_RETURN_IF_ERROR(FindOperands(&step));
  if (step.kind != StepKind::kKernel || !step.kernel->prepare) return Ok();
  StepPrepare context(*step.node, step.operands, *environment_.resources,
                      DeviceAt(DeviceOf(*step.node)));
  // A thread for each branch: kernels that could use more are to use one.
  Status prepared = [&] {
    const ThreadsScope width(beside_.empty() ? Threads() : 1);
    return step.kernel->prepare(context);
  }();
  if (!prepared.ok()) return prepared.WithContext(Where(*step.node));
  step.state = context.TakeState();
  if (context.scratch_bytes() > 0) {
    step.scratch_buffer = values_.NewBuffer(
        Storage::kArena, ScratchMemoryOf(*step.node),
        step.node->name() + " (scratch)", number, context.scratch_bytes());
  }
  return Ok();
}

// Where a kernel works, its scratch memory is.
int PlanBuilder::ScratchMemoryOf(const Node& n) const {
  return MemoryOf(n, WorksOnGpu(n));
}

// What the host makes, of a GPU's node too, is there when its function returns:
// launched on the GPU's stream it would be read before.
void* PlanBuilder::StreamOf(const PendingStep& p) const {
  return ScratchMemoryOf(*p.node) == 0
             ? nullptr
             : environment_.lanes->queue(p.lane).stream();
}

// Where outputs whose size is known only as they are made go.
std::vector<Allocator*> PlanBuilder::AllocatorsOf(const Node& n) const {
  std::vector<Allocator*> allocators;
  for (const bool on_gpu : OperandMemoryOf(n).output_on_gpu) {
    allocators.push_back(on_gpu ? DeviceAt(DeviceOf(n)).memory.get() : nullptr);
  }
  return allocators;
}

// The variables that must have a value before the step.
void PlanBuilder::BindReads(const PendingStep& p, Plan::Step* step) {
  // A Merge reads one of its inputs only and looks at that.
  if (p.kind == StepKind::kCondition || p.kind == StepKind::kMerge) return;
  for (int i = 0; i < p.node->num_inputs(); ++i) {
    const Output variable = VariableBehind(p.node->input(i));
    const bool reference = p.operands.variables[static_cast<size_t>(i)];
    if (!variable.defined() ||
        (reference &&
         (p.node->traits().allows_uninitialized || RunsFunctions(*p.node)))) {
      continue;
    }
    Result<Variable*> v = VariableOf(variable.node);
    if (v.ok()) step->reads.push_back(*v);
  }
}

Status PlanBuilder::MakeRunner(PendingStep& p, Plan::Step* step) {
  std::unique_ptr<StepRunner> runner;
  if (p.kind == StepKind::kCondition) {
    const auto [when_false, when_true] = conditions_->Sides(p.node);
    runner = std::make_unique<ConditionStep>(ConditionByte(when_false),
                                             ConditionByte(when_true));
  } else if (p.kind == StepKind::kMerge) {
    std::vector<MergeStep::Input> inputs;
    for (const Output& in : p.inputs) {
      inputs.push_back({.only_if = Bytes(conditions_->Of(in))});
      const Output variable = VariableBehind(in);
      if (!variable.defined()) continue;
      LS_ASSIGN_OR_RETURN(inputs.back().variable, VariableOf(variable.node));
    }
    const int set = conditions_->SetBy(p.node);
    runner = std::make_unique<MergeStep>(
        std::move(inputs), set < 0 ? nullptr : ConditionByte(set));
  } else if (p.kind == StepKind::kReceive || p.kind == StepKind::kSnapshot) {
    runner = std::make_unique<CopyStep>(&environment_.lanes->queue(p.lane),
                                        AllocatorsOf(*p.node)[0]);
  } else if (p.kind == StepKind::kFunctions) {
    Result<std::unique_ptr<StepRunner>> made = MakeFunctionStep(
        *p.node, environment_, work_.graph.functions(), &plan_->run_);
    if (!made.ok()) return made.status().WithContext(Where(*p.node));
    runner = *std::move(made);
  } else if (p.kind == StepKind::kReplicas) {
    LS_ASSIGN_OR_RETURN(runner,
                        MakeReplicaStep(request_, *p.node, &plan_->run_));
  } else {
    const int scratch = ScratchMemoryOf(*p.node);
    runner = std::make_unique<DynamicStep>(
        *p.node,
        StepHome{
            .device = &DeviceAt(DeviceOf(*p.node)),
            .kernel = p.kernel,
            .stream = StreamOf(p),
            .allocators = AllocatorsOf(*p.node),
            .scratch = scratch > 0 ? DeviceAt(scratch).memory.get() : nullptr},
        std::move(p.operands.variables), &plan_->run_, environment_.resources,
        schedule_.snapshots.contains(p.node));
  }
  plan_->runners_.push_back(std::move(runner));
  step->runner = plan_->runners_.back().get();
  return Ok();
}

void PlanBuilder::BindKernel(PendingStep& p, Plan::Step* step) {
  plan_->variables_.push_back(std::move(p.operands.variables));
  step->run = p.kernel->run;
  step->state = std::move(p.state);
  step->context = KernelBinder::Bind(
      {.inputs = step->inputs,
       .outputs = step->outputs,
       .variables = plan_->variables_.back(),
       .scratch =
           p.scratch_buffer < 0 ? nullptr : values_.Address(p.scratch_buffer),
       .state = step->state.get(),
       .stream = StreamOf(p),
       .run = &plan_->run_,
       .resources = environment_.resources,
       .node = p.node});
}

Status PlanBuilder::BindStep(PendingStep& p) {
  Plan::Step step;
  step.node = p.node;
  std::vector<Tensor*> inputs, outputs;
  for (const Output& in : p.inputs) inputs.push_back(values_.TensorOf(in));
  for (const Output& out : p.outputs) outputs.push_back(values_.TensorOf(out));
  plan_->operands_.push_back(std::move(inputs));
  step.inputs = plan_->operands_.back();
  plan_->operands_.push_back(std::move(outputs));
  step.outputs = plan_->operands_.back();
  plan_->random_ = plan_->random_ || p.node->traits().random;
  BindReads(p, &step);
  std::vector<int> only_if = conditions_->Of(p.node);
  if (p.kind == StepKind::kCondition) only_if = conditions_->Of(p.inputs[0]);
  if (p.kind == StepKind::kMerge && conditions_->SetBy(p.node) >= 0) {
    only_if.clear();
  }
  if (!only_if.empty()) {
    plan_->only_if_.push_back(Bytes(only_if));
    step.only_if = &plan_->only_if_.back();
  }
  if (p.kind == StepKind::kKernel) {
    BindKernel(p, &step);
  } else {
    LS_RETURN_IF_ERROR(MakeRunner(p, &step));
  }
  plan_->steps_.push_back(std::move(step));
  return Ok();
}

void PlanBuilder::BindEnds() {
  plan_->resources_ = environment_.resources;
  plan_->task_ = environment_.options->task;
  plan_->tasks_ = environment_.options->tasks;
  for (size_t i = 0; i < work_.feeds.size(); ++i) {
    Plan::Feed feed;
    feed.spec = request_.feeds[i];
    feed.views = values_.BufferOf(work_.feeds[i]).views;
    feed.any_shape = !feed.spec.shape.IsFullyKnown();
    plan_->feeds_.push_back(std::move(feed));
  }
  for (size_t i = 0; i < work_.fetches.size(); ++i) {
    const Output& f = work_.fetches[i];
    Plan::Fetch fetch{.value = values_.TensorOf(f),
                      .only_if = Bytes(conditions_->Of(f)),
                      .name = request_.signature.fetches[i].name()};
    const Output variable = VariableBehind(f);
    if (variable.defined()) {
      Result<Variable*> v = VariableOf(variable.node);
      if (v.ok()) fetch.variable = *v;
    }
    Buffer& b = values_.BufferOf(f);
    if (b.storage == Storage::kResult) fetch.views = std::move(b.views);
    fetch.on_heap =
        b.storage == Storage::kHeap && b.variable == nullptr && b.device == 0;
    const auto fed = std::ranges::find(work_.feeds, f);
    if (fed != work_.feeds.end()) {
      fetch.feed = static_cast<int>(fed - work_.feeds.begin());
    }
    if (const int memory = b.device; memory > 0) {
      fetch.hardware = &DeviceAt(memory).memory->hardware();
    }
    // The last of those that take one value may keep it, the others copy.
    for (auto& earlier : plan_->fetches_) {
      if (earlier.value == fetch.value) earlier.on_heap = false;
    }
    plan_->fetches_.push_back(std::move(fetch));
  }
}

namespace {

// The ops that a fused node computes: " of Mul, Relu".
std::string FusedOps(const Node& n) {
  constexpr size_t kMost = 12;
  const auto* program = GetIf<std::vector<std::string>>(n.attrs(), "program");
  if (!program) return {};
  std::string text;
  for (size_t i = 0; i < program->size() && i < kMost; ++i) {
    const std::string& line = (*program)[i];
    text += StrCat(i ? ", " : " of ", line.substr(0, line.find(' ')));
  }
  if (program->size() > kMost) {
    text += StrCat(" and ", program->size() - kMost, " more");
  }
  return text;
}

}  // namespace

void PlanBuilder::Describe() {
  PlanInfo& info = plan_->info_;
  info.num_steps = static_cast<int>(pending_.size());
  for (const PendingStep& step : pending_) {
    const Node& n = *step.node;
    std::vector<std::string> inputs;
    for (const Output& in : n.inputs()) inputs.push_back(in.name());
    std::string text =
        StrCat(n.name(), " = ", n.op(), "(", Join(inputs, ", "), ")");
    for (int i = 0; i < n.num_outputs(); ++i) {
      text += StrCat(i ? ", " : " ", DTypeName(BaseOf(n.output_type(i))), " ",
                     n.output_shape(i));
    }
    text += FusedOps(n);
    if (HasLanes()) text += " on " + environment_.lanes->Name(step.lane);
    info.steps.push_back(std::move(text));
    const NodeWork work = WorkOf(n);
    info.work.push_back({n.name(), n.op(), work.bytes, work.flops});
    info.num_dynamic_steps += step.kind == StepKind::kDynamic;
  }
}

}  // namespace lockstep
