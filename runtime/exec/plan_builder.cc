// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/plan_builder.h"

#include <algorithm>

#include "runtime/exec/dynamic_step.h"
#include "runtime/exec/function_steps.h"
#include "runtime/exec/plan.h"
#include "runtime/exec/plan_values.h"
#include "runtime/exec/schedule.h"
#include "runtime/exec/specialize.h"
#include "runtime/graph/conditions.h"
#include "runtime/graph/control_flow.h"
#include "runtime/graph/partition.h"
#include "runtime/graph/passes/cse.h"
#include "runtime/graph/passes/extract_loops.h"
#include "runtime/graph/passes/inline_calls.h"
#include "runtime/graph/passes/rewrite.h"
#include "runtime/graph/placer.h"

namespace lockstep {
namespace {

enum class Kind {
  kKernel,     // everything known: a call of the kernel
  kDynamic,    // shapes known as it runs
  kSnapshot,   // copies a variable's value before it changes
  kCondition,  // takes down a predicate
  kMerge,
  kFunctions,  // If, Case, While, _Loop
};

// A step on its way.
struct Pending {
  Kind kind = Kind::kKernel;
  Node* node = nullptr;
  std::vector<Output> inputs;
  std::vector<Output> outputs;
  const KernelDef* kernel = nullptr;
  StepOperands operands;
  std::shared_ptr<void> state;
  int scratch_buffer = -1;
};

Status CopyAlias(KernelContext& k) {
  for (int i = 0; i < k.num_outputs(); ++i) k.output(i).CopyFrom(k.input(0));
  return Ok();
}

}  // namespace

class PlanBuilder {
 public:
  explicit PlanBuilder(const PlanRequest& request)
      : request_(request), environment_(request.environment),
        plan_(std::make_unique<Plan>()), values_(&plan_->values_) {}

  Result<std::unique_ptr<Plan>> Build() {
    LS_RETURN_IF_ERROR(Optimize());
    // Edges that the schedule adds, between the branches of a condition too,
    // are about order alone.
    LS_ASSIGN_OR_RETURN(const std::vector<Node*> order,
                        work_.graph.TopologicalOrder());
    conditions_ = std::make_unique<Conditions>(order);
    LS_ASSIGN_OR_RETURN(schedule_, MakeSchedule(&work_));
    plan_->conditions_.resize(static_cast<size_t>(conditions_->count()));
    for (Node* n : schedule_.order) LS_RETURN_IF_ERROR(MakeValues(n));
    MarkUses();
    for (size_t s = 0; s < pending_.size(); ++s) {
      if (pending_[s].kind == Kind::kKernel) {
        values_.ShareInPlace(pending_[s].node, static_cast<int>(s));
      }
    }
    for (size_t s = 0; s < pending_.size(); ++s) {
      LS_RETURN_IF_ERROR(PrepareStep(static_cast<int>(s)));
    }
    LS_ASSIGN_OR_RETURN(MemoryUse memory, values_.Place(environment_));
    plan_->info_.arena_bytes = memory.arena_bytes;
    plan_->info_.lower_bound_bytes = memory.lower_bound_bytes;
    plan_->info_.variable_bytes = environment_.resources->variables().TotalBytes();
    for (Pending& p : pending_) LS_RETURN_IF_ERROR(BindStep(p));
    BindEnds();
    Describe();
    plan_->graph_ = std::move(work_.graph);
    return std::move(plan_);
  }

 private:
  Status Optimize();
  Status RunPasses(PassContext& context);

  Status MakeValues(Node* n);
  Status MakeSource(Node* n);
  Status MakeMerge(Node* n);
  Status MakeStep(Node* n);
  Status MakeAlias(Node* n);
  void MakeCondition(Node* n);
  void AddStep(Kind kind, Node* n, const KernelDef* kernel = nullptr);
  bool ForwardsHandle(const Node* n) const;
  bool IsStaticAlias(const Node* n);
  bool IsStatic(const Node* n) const;
  Result<Variable*> VariableOf(const Node* n);
  Status CheckVariableType(const Node& n, const Variable& variable) const;
  void MarkUses();
  Status FindOperands(Pending* step);
  Status PrepareStep(int number);
  Status BindStep(Pending& p);
  Status MakeRunner(Pending& p, Plan::Step* step);
  void BindKernel(Pending& p, Plan::Step* step);
  void BindReads(const Pending& p, Plan::Step* step);
  void BindEnds();
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
  std::vector<Pending> pending_;
};

Result<PlanGraph> SpecializedGraph(const PlanRequest& request) {
  LS_ASSIGN_OR_RETURN(PlanGraph plan, Prune(request.graph, request.signature,
                                            request.feeds));
  LS_RETURN_IF_ERROR(InlineCalls(&plan));
  LS_RETURN_IF_ERROR(ExtractLoops(&plan));
  LS_RETURN_IF_ERROR(Specialize(&plan, request.environment));
  return plan;
}

Status PlanBuilder::Optimize() {
  LS_ASSIGN_OR_RETURN(work_, SpecializedGraph(request_));
  PassContext context{work_.graph, work_.feeds, work_.fetches, work_.targets,
                      request_.graph};
  LS_RETURN_IF_ERROR(RunPasses(context));
  RemoveDeadNodes(&work_.graph, work_.feeds, work_.fetches, work_.targets);
  LS_RETURN_IF_ERROR(PlaceGraph(
      *environment_.devices,
      {.task = environment_.options->task,
       .allow_soft_placement = environment_.options->allow_soft_placement},
      &work_.graph));
  return CutCrossingEdges(&work_.graph);
}

Status PlanBuilder::RunPasses(PassContext& context) {
  const SessionOptions& options = *environment_.options;
  if (options.optimize) LS_RETURN_IF_ERROR(ApplyRewrites(context));
  for (const auto& pass : options.passes) {
    Status s = pass->Run(context);
    if (!s.ok()) return s.WithContext(StrCat("pass ", pass->name()));
  }
  return options.optimize ? MergeEqualNodes(context) : Ok();
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
  const std::string* shared = GetIf<std::string>(n->attrs(), "shared_name");
  return environment_.resources->variables().GetOrCreate(
      shared && !shared->empty() ? *shared : n->name(),
      n->Attr<DType>("dtype"), n->output_shape(0));
}

Status PlanBuilder::MakeSource(Node* n) {
  const Output out = n->output(0);
  if (n->op() == "_Feed") {
    const bool known = out.shape().IsFullyKnown();
    values_.AddView(out,
                    values_.NewBuffer(known ? Storage::kFeed : Storage::kHeap,
                                      out.name(), step()),
                    values_.NewTensor(out));
  } else if (n->traits().constant) {
    values_.AddView(out,
                    values_.NewBuffer(Storage::kConstant, out.name(), step()),
                    values_.NewTensor(n->Attr<Tensor>("value")));
  } else {
    LS_ASSIGN_OR_RETURN(Variable * variable, VariableOf(n));
    // Operands point at the variable's own tensor, which follows re-allocation;
    // only a variable of fixed shape may be aliased at plan time.
    const bool fixed = n->output_shape(0).IsFullyKnown();
    values_.AddView(
        out,
        values_.NewBuffer(fixed ? Storage::kVariable : Storage::kHeap,
                          out.name(), step()),
        &variable->value());
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
    values_.AddView(n->output(i), of.buffer,
                    values_.NewTensor(n->output(i), of.tensor->data()));
  }
  return Ok();
}

void PlanBuilder::MakeCondition(Node* n) {
  if (!conditions_taken_.insert(conditions_->Sides(n).first).second) return;
  pending_.push_back(
      {.kind = Kind::kCondition, .node = n, .inputs = {n->input(1)}});
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
                    values_.NewBuffer(Storage::kHeap, index.name(), step()),
                    values_.NewTensor(Tensor(int32_t{0})));
    return Ok();
  }
  AddStep(Kind::kMerge, n);
  return Ok();
}

// A step of the kind, with memory for its outputs.
void PlanBuilder::AddStep(Kind kind, Node* n, const KernelDef* kernel) {
  const bool heap = kind == Kind::kDynamic || kind == Kind::kFunctions ||
                    !IsStatic(n);
  Pending step{.kind = kind, .node = n, .inputs = n->inputs(),
               .kernel = kernel};
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
    values_.AddView(out,
                    values_.NewBuffer(heap ? Storage::kHeap : Storage::kArena,
                                      out.name(), this->step(),
                                      tensor->bytes()),
                    tensor);
  }
  if (kind == Kind::kSnapshot) {
    step.inputs = {n->input(n->traits().alias.second)};
  }
  pending_.push_back(std::move(step));
}

Status PlanBuilder::MakeStep(Node* n) {
  if (RunsFunctions(*n)) {
    AddStep(Kind::kFunctions, n);
    return Ok();
  }
  const bool alias = n->traits().alias.first >= 0;
  const KernelDef* kernel = n->def().FindKernel(kCpu, n->attrs());
  if (!kernel && !alias) {
    return Unimplemented(Where(*n), ": there is no CPU kernel for these types");
  }
  const bool snapshot = schedule_.snapshots.contains(n);
  Kind kind = alias && !snapshot ? Kind::kDynamic : Kind::kKernel;
  if (!IsStatic(n)) {
    kind = Kind::kDynamic;
  } else if (snapshot) {
    kind = Kind::kSnapshot;
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

// --- Steps -----------------------------------------------------------------

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

Status PlanBuilder::FindOperands(Pending* step) {
  const Node* n = step->node;
  const auto types = ArgTypes(n->def(), n->def().inputs, n->attrs());
  for (int i = 0; i < n->num_inputs(); ++i) {
    const Output& in = n->input(i);
    step->operands.input_shapes.push_back(in.shape());
    const Tensor& value = in.node->output_value(in.index);
    step->operands.input_values.push_back(value.defined() ? &value : nullptr);
    Variable* variable = nullptr;
    const Output behind = VariableBehind(in);
    const bool handle = PassesHandle(*n, i) ||
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
  Pending& step = pending_[static_cast<size_t>(number)];
  if (step.kind == Kind::kCondition) return Ok();
  LS_RETURN_IF_ERROR(FindOperands(&step));
  if (step.kind != Kind::kKernel || !step.kernel->prepare) return Ok();
  StepPrepare context(*step.node, step.operands, *environment_.resources);
  Status prepared = step.kernel->prepare(context);
  if (!prepared.ok()) return prepared.WithContext(Where(*step.node));
  step.state = context.TakeState();
  if (context.scratch_bytes() > 0) {
    step.scratch_buffer =
        values_.NewBuffer(Storage::kArena, step.node->name() + " (scratch)",
                          number, context.scratch_bytes());
  }
  return Ok();
}

// The variables that must have a value before the step.
void PlanBuilder::BindReads(const Pending& p, Plan::Step* step) {
  // A Merge reads one of its inputs only and looks at that.
  if (p.kind == Kind::kCondition || p.kind == Kind::kMerge) return;
  for (int i = 0; i < p.node->num_inputs(); ++i) {
    const Output variable = VariableBehind(p.node->input(i));
    const bool reference = p.operands.variables[static_cast<size_t>(i)];
    if (!variable.defined() ||
        (reference && (p.node->traits().allows_uninitialized ||
                       RunsFunctions(*p.node)))) {
      continue;
    }
    Result<Variable*> v = VariableOf(variable.node);
    if (v.ok()) step->reads.push_back(*v);
  }
}

Status PlanBuilder::MakeRunner(Pending& p, Plan::Step* step) {
  std::unique_ptr<StepRunner> runner;
  if (p.kind == Kind::kCondition) {
    const auto [when_false, when_true] = conditions_->Sides(p.node);
    runner = std::make_unique<ConditionStep>(ConditionByte(when_false),
                                             ConditionByte(when_true));
  } else if (p.kind == Kind::kMerge) {
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
  } else if (p.kind == Kind::kFunctions) {
    Result<std::unique_ptr<StepRunner>> made = MakeFunctionStep(
        *p.node, environment_, work_.graph.functions(), &plan_->run_);
    if (!made.ok()) return made.status().WithContext(Where(*p.node));
    runner = *std::move(made);
  } else {
    LS_ASSIGN_OR_RETURN(
        runner, DynamicStep::Create(*p.node, std::move(p.operands.variables),
                                    &plan_->run_, environment_.resources,
                                    schedule_.snapshots.contains(p.node)));
  }
  plan_->runners_.push_back(std::move(runner));
  step->runner = plan_->runners_.back().get();
  plan_->info_.num_dynamic_steps += p.kind == Kind::kDynamic;
  return Ok();
}

void PlanBuilder::BindKernel(Pending& p, Plan::Step* step) {
  plan_->variables_.push_back(std::move(p.operands.variables));
  step->run = p.kind == Kind::kSnapshot ? CopyAlias : p.kernel->run;
  step->state = std::move(p.state);
  step->context = KernelBinder::Bind(
      {.inputs = step->inputs,
       .outputs = step->outputs,
       .variables = plan_->variables_.back(),
       .scratch = p.scratch_buffer < 0 ? nullptr
                                       : values_.Address(p.scratch_buffer),
       .state = step->state.get(),
       .run = &plan_->run_,
       .resources = environment_.resources,
       .node = p.node});
}

Status PlanBuilder::BindStep(Pending& p) {
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
  if (p.kind == Kind::kCondition) only_if = conditions_->Of(p.inputs[0]);
  if (p.kind == Kind::kMerge && conditions_->SetBy(p.node) >= 0) {
    only_if.clear();
  }
  if (!only_if.empty()) {
    plan_->only_if_.push_back(Bytes(only_if));
    step.only_if = &plan_->only_if_.back();
  }
  if (p.kind == Kind::kKernel || p.kind == Kind::kSnapshot) {
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
    plan_->fetches_.push_back(std::move(fetch));
  }
}

void PlanBuilder::Describe() {
  PlanInfo& info = plan_->info_;
  info.num_steps = static_cast<int>(plan_->steps_.size());
  for (const Plan::Step& step : plan_->steps_) {
    std::vector<std::string> inputs;
    for (const Output& in : step.node->inputs()) inputs.push_back(in.name());
    std::string text = StrCat(step.node->name(), " = ", step.node->op(), "(",
                              Join(inputs, ", "), ")");
    for (int i = 0; i < step.node->num_outputs(); ++i) {
      text += StrCat(i ? ", " : " ",
                     DTypeName(BaseOf(step.node->output_type(i))), " ",
                     step.node->output_shape(i));
    }
    info.steps.push_back(std::move(text));
  }
}

Result<std::unique_ptr<Plan>> BuildPlan(const PlanRequest& request) {
  return PlanBuilder(request).Build();
}

}  // namespace lockstep
