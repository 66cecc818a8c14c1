// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/plan_builder.h"

#include <algorithm>

#include "runtime/device/element_compiler.h"
#include "runtime/exec/function_runner.h"
#include "runtime/exec/group_updates.h"
#include "runtime/exec/plan_assembly.h"
#include "runtime/exec/replica_cut.h"
#include "runtime/exec/restore_in_place.h"
#include "runtime/exec/sample_rows.h"
#include "runtime/exec/specialize.h"
#include "runtime/exec/task_order.h"
#include "runtime/exec/task_part.h"
#include "runtime/graph/control_flow.h"
#include "runtime/graph/memory_spaces.h"
#include "runtime/graph/partition.h"
#include "runtime/graph/passes/cse.h"
#include "runtime/graph/passes/extract_loops.h"
#include "runtime/graph/passes/fuse_elements.h"
#include "runtime/graph/passes/inline_calls.h"
#include "runtime/graph/passes/mixed_precision.h"
#include "runtime/graph/passes/rewrite.h"
#include "runtime/graph/placer.h"

namespace lockstep {

Result<std::unique_ptr<Plan>> PlanBuilder::Build() {
  LS_RETURN_IF_ERROR(Optimize());
  // Edges that the schedule adds, between the branches of a condition too, are
  // about order alone.
  LS_ASSIGN_OR_RETURN(const std::vector<Node*> order,
                      work_.graph.TopologicalOrder());
  conditions_ = std::make_unique<Conditions>(order);
  LS_ASSIGN_OR_RETURN(schedule_, MakeSchedule(&work_));
  if (environment_.spans_tasks()) schedule_.order = SendsFirst(schedule_.order);
  DivideIntoLanes();
  plan_->conditions_.resize(static_cast<size_t>(conditions_->count()));
  for (Node* n : schedule_.order) LS_RETURN_IF_ERROR(MakeValues(n));
  AssignLanes();
  if (HasLanes()) FindNeeds();
  MarkUses();
  ShareInPlace();
  for (size_t s = 0; s < pending_.size(); ++s) {
    LS_RETURN_IF_ERROR(PrepareStep(static_cast<int>(s)));
  }
  HandOutResults();
  LS_RETURN_IF_ERROR(PlaceMemory());
  Describe();
  if (!environment_.explain_only) {
    LS_RETURN_IF_ERROR(BindLanes());
    for (PendingStep& p : pending_) LS_RETURN_IF_ERROR(BindStep(p));
    BindEnds();
    BindTrace();
  }
  plan_->graph_ = std::move(work_.graph);
  if (!environment_.explain_only) plan_->number_ = RegisterPlan(plan_.get());
  return std::move(plan_);
}

Result<PlanGraph> SpecializedGraph(const PlanRequest& request) {
  LS_ASSIGN_OR_RETURN(PlanGraph plan,
                      Prune(request.graph, request.signature, request.feeds));
  LS_RETURN_IF_ERROR(InlineCalls(&plan));
  LS_RETURN_IF_ERROR(ExtractLoops(&plan));
  LS_RETURN_IF_ERROR(Specialize(&plan, request.environment));
  if (request.environment.options->optimize) DropUnreadNodes(&plan);
  if (request.environment.options->mixed_precision == kBfloat16) {
    LS_RETURN_IF_ERROR(MixPrecision(&plan));
  }
  return plan;
}

namespace {

// One answer for the GPUs of all tasks, who must make the same nodes.
bool GpusFuse(const std::vector<Device>& devices) {
  return std::ranges::all_of(devices, [](const Device& d) {
    return d.kind() != kGpu || d.memory == nullptr ||
           CompilesElements(d.memory->hardware());
  });
}

}  // namespace

Status PlanBuilder::Optimize() {
  LS_ASSIGN_OR_RETURN(const std::optional<ReplicaCut> cut,
                      CutReplicas(request_));
  plan_->has_replicas_ = cut.has_value();
  LS_ASSIGN_OR_RETURN(
      work_,
      SpecializedGraph({.graph = cut ? cut->graph : request_.graph,
                        .signature = cut ? cut->signature : request_.signature,
                        .feeds = request_.feeds,
                        .environment = environment_}));
  const auto& devices = environment_.devices->all();
  PassContext context{
      work_.graph,
      work_.feeds,
      work_.fetches,
      work_.targets,
      request_.graph,
      std::ranges::any_of(devices,
                          [](const Device& d) { return d.kind() != kCpu; }),
      environment_.options->reproducible > 0,
      environment_.options->direct_convolution};
  LS_RETURN_IF_ERROR(RunPasses(context));
  RemoveDeadNodes(&work_.graph, work_.feeds, work_.fetches, work_.targets);
  // Functions are run by a step of the CPU, on its thread.
  if (environment_.depth > 0) {
    const std::string cpu = DeviceAt(0).name.ToString();
    for (Node* n : work_.graph.nodes()) n->set_assigned_device(cpu);
  }
  LS_RETURN_IF_ERROR(PlaceGraph(
      *environment_.devices,
      {.task = environment_.spans_tasks() ? 0 : environment_.options->task,
       .allow_soft_placement = environment_.options->allow_soft_placement,
       .strict_placement = environment_.options->strict_placement},
      &work_.graph));
  // On the graph of all tasks, which shows what waits for what.
  if (environment_.options->optimize) {
    LS_RETURN_IF_ERROR(FuseElements(&work_, FusionOf(*environment_.resources),
                                    GpusFuse(devices)));
    LS_RETURN_IF_ERROR(GroupUpdates(&work_));
  }
  if (environment_.spans_tasks()) {
    LS_ASSIGN_OR_RETURN(plan_->task_part_, KeepTask(request_, &work_));
    plan_->random_ = plan_->task_part_.random;
  } else if (environment_.one_of_tasks) {
    LS_RETURN_IF_ERROR(CheckOneTask(environment_.options->task, work_.graph));
  }
  LS_RETURN_IF_ERROR(CutCrossingEdges(&work_.graph));
  if (environment_.options->optimize) RestoreInPlace(&work_);
  // Constants that are repeated elsewhere.
  RemoveDeadNodes(&work_.graph, work_.feeds, work_.fetches, work_.targets);
  return Ok();
}

Status PlanBuilder::RunPasses(PassContext& context) {
  const SessionOptions& options = *environment_.options;
  if (options.optimize) {
    LS_RETURN_IF_ERROR(ApplyRewrites(context, RewritePhase::kEarly));
  }
  if (!options.passes.empty() && !plan_->has_replicas_) {
    LS_RETURN_IF_ERROR(MarkSampleRows(request_, &work_));
  }
  for (const auto& pass : options.passes) {
    Status s = pass->Run(context);
    if (!s.ok()) return s.WithContext(StrCat("pass ", pass->name()));
  }
  DropSampleRows(&work_.graph);
  if (!options.optimize) return Ok();
  LS_RETURN_IF_ERROR(ApplyRewrites(context, RewritePhase::kLate));
  return MergeEqualNodes(context);
}

// --- Values: where every output lives --------------------------------------

// Hands a variable on: nothing to run.
bool PlanBuilder::ForwardsHandle(const Node* n) const {
  if (n->num_outputs() == 0 || !IsHandle(n->output_type(0))) return false;
  const bool forwards = n->traits().alias.second >= 0 || IsMerge(*n);
  return forwards && VariableBehind({const_cast<Node*>(n), 0}).defined();
}

bool PlanBuilder::IsStaticAlias(const Node* n) {
  const int from = n->traits().alias.second;
  if (from < 0 || schedule_.snapshots.contains(n)) return false;
  return n->output_shape(0).IsFullyKnown() &&
         values_.StorageOf(n->input(from)) != Storage::kHeap;
}

bool PlanBuilder::IsStatic(const Node* n) const {
  for (const Output& in : n->inputs()) {
    if (!in.shape().IsFullyKnown()) return false;
  }
  for (int i = 0; i < n->num_outputs(); ++i) {
    if (!n->output_shape(i).IsFullyKnown() ||
        !IsPod(BaseOf(n->output_type(i)))) {
      return false;
    }
  }
  for (int i : n->traits().needs_value) {
    const Output& in = n->input(OpTraits::InputNumber(i, n->num_inputs()));
    if (!in.node->output_value(in.index).defined()) return false;
  }
  return true;
}

Result<Variable*> PlanBuilder::VariableOf(const Node* n) {
  return environment_.resources->variables().GetOrCreate(
      VariableName(*n), n->Attr<DType>("dtype"), n->output_shape(0),
      DeviceAt(MemoryOf(*n, IsOnGpu(*n))).memory);
}

Status PlanBuilder::MakeSource(Node* n) {
  const Output out = n->output(0);
  const bool on_gpu = OperandMemoryOf(*n).output_on_gpu[0];
  const int memory = MemoryOf(*n, on_gpu);
  if (n->op() == "_Feed") {
    const bool known = out.shape().IsFullyKnown();
    values_.AddView(out,
                    values_.NewBuffer(known ? Storage::kFeed : Storage::kHeap,
                                      memory, out.name(), step()),
                    values_.NewTensor(out));
  } else if (n->traits().constant) {
    const Tensor& value = n->Attr<Tensor>("value");
    const int buffer =
        values_.NewBuffer(Storage::kConstant, memory, out.name(), step());
    values_.AddView(out, buffer,
                    on_gpu ? values_.NewTensor(out) : values_.NewTensor(value));
    if (on_gpu) values_.buffer(buffer).constant = value;
  } else {
    LS_ASSIGN_OR_RETURN(Variable * variable, VariableOf(n));
    // Operands point at the variable's own tensor, which follows re-allocation;
    // only a variable of fixed shape may be aliased at plan time.
    const bool fixed = n->output_shape(0).IsFullyKnown();
    const int buffer =
        values_.NewBuffer(fixed ? Storage::kVariable : Storage::kHeap, memory,
                          out.name(), step());
    values_.buffer(buffer).variable = variable;
    values_.AddView(out, buffer, &variable->value());
  }
  return Ok();
}

// The outputs share the input's memory.
Status PlanBuilder::MakeAlias(Node* n) {
  const Output from = n->input(n->traits().alias.second);
  const Value of = values_.Of(from);
  if (from.dtype() == kResource && VariableBehind(from).defined()) {
    LS_ASSIGN_OR_RETURN(Variable * read, VariableOf(VariableBehind(from).node));
    LS_RETURN_IF_ERROR(CheckVariableType(*n, *read));
  }
  for (int i = 0; i < n->num_outputs(); ++i) {
    Tensor* view = values_.NewTensor(n->output(i));
    view->Rebind(of.tensor->data());
    values_.AddView(n->output(i), of.buffer, view);
  }
  return Ok();
}

void PlanBuilder::MakeCondition(Node* n) {
  if (!conditions_taken_.insert(conditions_->Sides(n).first).second) return;
  pending_.push_back(
      {.kind = StepKind::kCondition, .node = n, .inputs = {n->input(1)}});
}

Status PlanBuilder::MakeMerge(Node* n) {
  if (ForwardsHandle(n)) {
    const Output variable = VariableBehind(n->output(0));
    for (const Output& in : n->inputs()) {
      if (VariableBehind(in) == variable) continue;
      return Unimplemented(Where(*n), ": its inputs are different variables");
    }
    values_.Same(n->output(0), values_.Of(variable));
    const Output index = n->output(1);
    values_.AddView(index,
                    values_.NewBuffer(Storage::kHeap, 0, index.name(), step()),
                    values_.NewTensor(Tensor(int32_t{0})));
    return Ok();
  }
  AddStep(StepKind::kMerge, n);
  return Ok();
}

// A step of the kind, with memory for its outputs.
void PlanBuilder::AddStep(StepKind kind, Node* n, const KernelDef* kernel) {
  const bool heap = kind == StepKind::kDynamic ||
                    kind == StepKind::kFunctions || !IsStatic(n);
  const OperandMemory memory = OperandMemoryOf(*n);
  PendingStep step{
      .kind = kind, .node = n, .inputs = n->inputs(), .kernel = kernel};
  for (int i = 0; i < n->num_outputs(); ++i) {
    const Output out = n->output(i);
    step.outputs.push_back(out);
    const Output variable =
        IsHandle(out.dtype()) ? VariableBehind(out) : Output{};
    if (variable.defined()) {
      values_.Same(out, values_.Of(variable));
      continue;
    }
    Tensor* tensor = values_.NewTensor(out);
    const bool on_gpu = memory.output_on_gpu[static_cast<size_t>(i)];
    values_.AddView(out,
                    values_.NewBuffer(heap ? Storage::kHeap : Storage::kArena,
                                      MemoryOf(*n, on_gpu), out.name(),
                                      this->step(), tensor->bytes()),
                    tensor);
  }
  if (kind == StepKind::kSnapshot) {
    step.inputs = {n->input(n->traits().alias.second)};
  }
  pending_.push_back(std::move(step));
}

// Whose functions run: on a virtual GPU the CPU's, of ops that a GPU has.
Result<const KernelDef*> PlanBuilder::KernelFor(const Node& n) const {
  const KernelDef* host = n.def().FindKernel(kCpu, n.attrs());
  const bool alias = n.traits().alias.first >= 0;
  if (!IsOnGpu(n)) {
    if (host || alias) return host;
    return Unimplemented(Where(n), ": there is no CPU kernel for these types");
  }
  const KernelDef* gpu = n.def().FindKernel(kGpu, n.attrs());
  const bool by_host =
      gpu && (!WorksOnGpu(n) || DeviceAt(DeviceOf(n)).is_virtual());
  const KernelDef* kernel = by_host ? host : gpu;
  if ((kernel && kernel->run) || (gpu && alias)) return kernel;
  return Unimplemented(Where(n), ": there is no GPU kernel for these types");
}

Status PlanBuilder::MakeStep(Node* n) {
  if (RunsFunctions(*n) || n->op() == "_Recv") {
    AddStep(RunsFunctions(*n) ? StepKind::kFunctions : StepKind::kReceive, n);
    return Ok();
  }
  if (n->op() == "_Replicas") {
    AddStep(StepKind::kReplicas, n);
    return Ok();
  }
  const bool alias = n->traits().alias.first >= 0;
  LS_ASSIGN_OR_RETURN(const KernelDef* kernel, KernelFor(*n));
  const bool snapshot = schedule_.snapshots.contains(n);
  StepKind kind = alias && !snapshot ? StepKind::kDynamic : StepKind::kKernel;
  if (!IsStatic(n)) {
    kind = StepKind::kDynamic;
  } else if (snapshot) {
    kind = StepKind::kSnapshot;
  }
  AddStep(kind, n, kernel);
  return Ok();
}

Status PlanBuilder::MakeValues(Node* n) {
  if (IsSwitch(*n)) MakeCondition(n);
  if (n->op() == "_Feed" || n->traits().constant || n->traits().variable) {
    return MakeSource(n);
  }
  if (IsMerge(*n)) return MakeMerge(n);
  if (ForwardsHandle(n)) {
    const Value of = values_.Of(n->input(n->traits().alias.second));
    for (int i = 0; i < n->num_outputs(); ++i) values_.Same(n->output(i), of);
    return Ok();
  }
  if (const int from = n->traits().alias.second;
      from >= 0 && IsObject(n->input(from).dtype()) &&
      !IsObject(n->output_type(0)) &&
      !VariableBehind(n->input(from)).defined()) {
    return InvalidArgument(Where(*n), ": input ", from,
                           " is not the handle of a variable in this graph");
  }
  if (IsStaticAlias(n)) return MakeAlias(n);
  if (n->num_inputs() + n->num_outputs() > 0 || n->traits().stateful) {
    return MakeStep(n);
  }
  return Ok();
}

void PlanBuilder::MarkUses() {
  for (size_t s = 0; s < pending_.size(); ++s) {
    for (const Output& in : pending_[s].inputs) {
      values_.Use(in, static_cast<int>(s));
    }
    for (const Output& out : pending_[s].outputs) {
      values_.Use(out, static_cast<int>(s));
    }
  }
  for (const Output& f : work_.fetches) {
    values_.Use(f, step());
    values_.BufferOf(f).fetched = true;
  }
}

void PlanBuilder::ShareInPlace() {
  for (size_t s = 0; s < pending_.size(); ++s) {
    if (pending_[s].kind != StepKind::kKernel) continue;
    const int step = static_cast<int>(s);
    std::vector<int> overwritten;
    values_.ShareInPlace(pending_[s].node, step, &overwritten);
    if (!HasLanes()) continue;
    for (int use : overwritten) {
      if (use < step) {
        After(&needs_[s], pending_[static_cast<size_t>(use)].lane, use);
      }
    }
  }
}

Result<std::unique_ptr<Plan>> BuildPlan(const PlanRequest& request) {
  return PlanBuilder(request).Build();
}

}  // namespace lockstep
