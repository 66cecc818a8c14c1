// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/plan_builder.h"

#include <algorithm>
#include <unordered_map>

#include "runtime/exec/memory_planner.h"
#include "runtime/exec/schedule.h"
#include "runtime/exec/specialize.h"
#include "runtime/graph/passes/cse.h"
#include "runtime/graph/partition.h"
#include "runtime/graph/passes/rewrite.h"
#include "runtime/graph/placer.h"

namespace lockstep {
namespace {

// Where the memory of a value comes from.
enum class Storage { kNone, kFeed, kConstant, kVariable, kArena, kHeap };

// A value or a group of aliases that share memory.
struct Buffer {
  Storage storage = Storage::kNone;
  size_t bytes = 0;
  size_t offset = 0;     // in the arena, once planned
  int merged_into = -1;  // the buffer whose memory it shares, when in place
  int first_step = 0;
  int last_step = -1;
  bool fetched = false;
  std::vector<Tensor*> views;
  std::string owner;  // the value's name, for messages
};

struct Value {
  Tensor* tensor = nullptr;
  int buffer = -1;
};

Status CopyAlias(KernelContext& k) {
  k.output(0).CopyFrom(k.input(0));
  return Ok();
}

}  // namespace

class PlanBuilder {
 public:
  explicit PlanBuilder(const PlanRequest& request)
      : request_(request), plan_(std::make_unique<Plan>()) {}

  Result<std::unique_ptr<Plan>> Build() {
    LS_RETURN_IF_ERROR(Optimize());
    LS_ASSIGN_OR_RETURN(schedule_, MakeSchedule(&work_));
    LS_RETURN_IF_ERROR(MakeValues());
    ShareInPlace();
    LS_RETURN_IF_ERROR(PrepareSteps());
    LS_RETURN_IF_ERROR(PlaceBuffers());
    BindSteps();
    BindEnds();
    Describe();
    plan_->graph_ = std::move(work_.graph);
    return std::move(plan_);
  }

 private:
  struct Pending {  // a step on its way
    Node* node = nullptr;
    bool dynamic = false;
    bool snapshot = false;
    const KernelDef* kernel = nullptr;
    StepOperands operands;
    std::shared_ptr<void> state;
    int scratch_buffer = -1;
  };

  Status Optimize();
  Status RunPasses(PassContext& context);

  Status MakeValues();
  Status MakeSource(Node* n);
  Status MakeStep(Node* n);
  bool ForwardsHandle(const Node* n) const;
  bool IsStaticAlias(const Node* n) const;
  bool IsStatic(const Node* n) const;
  Result<Variable*> VariableOf(const Node* n);
  void MarkUses();
  void ShareInPlace();
  Status CheckVariableType(const Node& n, const Variable& variable) const;
  Status PrepareSteps();
  Status PlaceBuffers();
  Status OverLimit(size_t need, size_t limit) const;
  void BindSteps();
  void BindEnds();
  void Describe();

  const Value& ValueOf(Output o) const { return values_.at(o); }
  int BufferIndex(Output o) const {
    int index = values_.at(o).buffer;
    while (buffers_[static_cast<size_t>(index)].merged_into >= 0) {
      index = buffers_[static_cast<size_t>(index)].merged_into;
    }
    return index;
  }
  Buffer& BufferOf(Output o) {
    return buffers_[static_cast<size_t>(BufferIndex(o))];
  }
  int NewBuffer(Storage storage, Output owner) {
    buffers_.push_back({.storage = storage,
                        .first_step = static_cast<int>(pending_.size()),
                        .owner = owner.name()});
    return static_cast<int>(buffers_.size()) - 1;
  }
  Tensor* NewTensor(Output o, void* data = nullptr) {
    const Shape& shape = o.shape();
    plan_->values_.push_back(
        Tensor::Borrow(BaseOf(o.dtype()),
                       shape.IsFullyKnown() ? shape : Shape{0}, data));
    return &plan_->values_.back();
  }
  void AddView(Output o, int buffer, Tensor* tensor) {
    values_[o] = {tensor, buffer};
    buffers_[static_cast<size_t>(buffer)].views.push_back(tensor);
  }

  const PlanRequest& request_;
  std::unique_ptr<Plan> plan_;
  PlanGraph work_;
  Schedule schedule_;
  std::unordered_map<Output, Value, OutputHash> values_;
  std::vector<Buffer> buffers_;
  std::vector<Pending> pending_;
};

Status PlanBuilder::Optimize() {
  LS_ASSIGN_OR_RETURN(
      work_, Prune(request_.graph, request_.signature, request_.feeds));
  LS_RETURN_IF_ERROR(Specialize(&work_, request_.resources,
                                request_.options.optimize));
  PassContext context{work_.graph, work_.feeds, work_.fetches, work_.targets,
                      request_.graph};
  LS_RETURN_IF_ERROR(RunPasses(context));
  RemoveDeadNodes(&work_.graph, work_.feeds, work_.fetches, work_.targets);
  LS_RETURN_IF_ERROR(PlaceGraph(
      request_.devices,
      {.task = request_.options.task,
       .allow_soft_placement = request_.options.allow_soft_placement},
      &work_.graph));
  return CutCrossingEdges(&work_.graph);
}

Status PlanBuilder::RunPasses(PassContext& context) {
  if (request_.options.optimize) LS_RETURN_IF_ERROR(ApplyRewrites(context));
  for (const auto& pass : request_.options.passes) {
    Status s = pass->Run(context);
    if (!s.ok()) return s.WithContext(StrCat("pass ", pass->name()));
  }
  return request_.options.optimize ? MergeEqualNodes(context) : Ok();
}

// --- Values: where every output lives --------------------------------------

// Hands a variable on: nothing to run.
bool PlanBuilder::ForwardsHandle(const Node* n) const {
  return n->traits().alias.second >= 0 && IsHandle(n->output_type(0)) &&
         VariableBehind(n->input(n->traits().alias.second)).defined();
}

bool PlanBuilder::IsStaticAlias(const Node* n) const {
  const int from = n->traits().alias.second;
  if (from < 0 || schedule_.snapshots.contains(n)) return false;
  auto it = values_.find(n->input(from));
  return n->output_shape(0).IsFullyKnown() && it->second.buffer >= 0 &&
         buffers_[static_cast<size_t>(it->second.buffer)].storage !=
             Storage::kHeap;
}

bool PlanBuilder::IsStatic(const Node* n) const {
  for (const Output& in : n->inputs()) {
    if (!in.shape().IsFullyKnown()) return false;
  }
  for (int i = 0; i < n->num_outputs(); ++i) {
    if (!n->output_shape(i).IsFullyKnown() || !IsPod(BaseOf(n->output_type(i)))) {
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
  return request_.resources->variables().GetOrCreate(
      shared && !shared->empty() ? *shared : n->name(),
      n->Attr<DType>("dtype"), n->output_shape(0));
}

Status PlanBuilder::MakeSource(Node* n) {
  const Output out = n->output(0);
  if (n->op() == "_Feed") {
    AddView(out, NewBuffer(Storage::kFeed, out), NewTensor(out));
  } else if (n->traits().constant) {
    plan_->values_.push_back(n->Attr<Tensor>("value"));
    AddView(out, NewBuffer(Storage::kConstant, out), &plan_->values_.back());
  } else {
    LS_ASSIGN_OR_RETURN(Variable * variable, VariableOf(n));
    // Operands point at the variable's own tensor, which follows re-allocation;
    // only a variable of fixed shape may be aliased at plan time.
    const bool fixed = n->output_shape(0).IsFullyKnown();
    AddView(out, NewBuffer(fixed ? Storage::kVariable : Storage::kHeap, out),
         &variable->value());
  }
  return Ok();
}

Status PlanBuilder::MakeStep(Node* n) {
  Pending step{.node = n};
  step.snapshot = schedule_.snapshots.contains(n);
  step.dynamic = !IsStatic(n) || (n->traits().alias.first >= 0 &&
                                  !step.snapshot);
  step.kernel = n->def().FindKernel(kCpu, n->attrs());
  if (!step.kernel && n->traits().alias.first < 0) {
    return Unimplemented(WhereIs(*n, request_.options.task,
                                 request_.options.tasks),
                         ": there is no CPU kernel for these types");
  }
  for (int i = 0; i < n->num_outputs(); ++i) {
    const Output out = n->output(i);
    const Output variable =
        IsHandle(out.dtype()) ? VariableBehind(out) : Output{};
    if (variable.defined()) {
      const Value of = values_.at(variable);
      AddView(out, of.buffer, of.tensor);
    } else {
      const bool heap = step.dynamic;
      AddView(out, NewBuffer(heap ? Storage::kHeap : Storage::kArena, out),
           NewTensor(out));
      Buffer& b = buffers_.back();
      b.bytes = plan_->values_.back().bytes();
    }
  }
  pending_.push_back(std::move(step));
  return Ok();
}

Status PlanBuilder::MakeValues() {
  for (Node* n : schedule_.order) {
    if (n->op() == "_Feed" || n->traits().constant || n->traits().variable) {
      LS_RETURN_IF_ERROR(MakeSource(n));
    } else if (ForwardsHandle(n)) {
      const Value of = values_.at(n->input(n->traits().alias.second));
      AddView(n->output(0), of.buffer, of.tensor);
    } else if (IsStaticAlias(n)) {
      const Output from = n->input(n->traits().alias.second);
      const Value of = values_.at(from);
      if (from.dtype() == kResource) {
        LS_ASSIGN_OR_RETURN(Variable * read,
                            VariableOf(VariableBehind(from).node));
        LS_RETURN_IF_ERROR(CheckVariableType(*n, *read));
      }
      AddView(n->output(0), of.buffer,
              NewTensor(n->output(0), of.tensor->data()));
    } else if (n->num_inputs() + n->num_outputs() > 0 ||
               n->traits().stateful) {
      LS_RETURN_IF_ERROR(MakeStep(n));
    }
  }
  MarkUses();
  return Ok();
}

void PlanBuilder::MarkUses() {
  for (size_t s = 0; s < pending_.size(); ++s) {
    const Node* n = pending_[s].node;
    auto use = [&](const Output& o) {
      Buffer& b = BufferOf(o);
      b.last_step = std::max(b.last_step, static_cast<int>(s));
    };
    for (const Output& in : n->inputs()) use(in);
    for (int i = 0; i < n->num_outputs(); ++i) use({pending_[s].node, i});
  }
  for (const Output& f : work_.fetches) {
    Buffer& b = BufferOf(f);
    b.last_step = static_cast<int>(pending_.size());
    b.fetched = true;
  }
}

// Merges an output's buffer into that of an input which dies in this step.
void PlanBuilder::ShareInPlace() {
  for (size_t s = 0; s < pending_.size(); ++s) {
    if (pending_[s].dynamic) continue;
    Node* n = pending_[s].node;
    for (auto [out, in] : n->traits().in_place) {
      if (out >= n->num_outputs() || in >= n->num_inputs()) continue;
      const int from = BufferIndex(n->input(in));
      Buffer& a = buffers_[static_cast<size_t>(from)];
      Buffer& b = BufferOf(n->output(out));
      if (&a == &b || a.storage != Storage::kArena ||
          b.storage != Storage::kArena || a.bytes != b.bytes || a.fetched ||
          a.last_step != static_cast<int>(s) ||
          b.first_step != static_cast<int>(s)) {  // shares already
        continue;
      }
      a.last_step = b.last_step;
      a.fetched = b.fetched;
      a.views.insert(a.views.end(), b.views.begin(), b.views.end());
      b = Buffer{.merged_into = from};
      break;  // in one input's place, not also in another's
    }
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
    return InvalidArgument(WhereIs(n, request_.options.task,
                                   request_.options.tasks),
                           ": attribute '", attr, "' is ", DTypeName(*type),
                           ", variable '", variable.name(), "' has dtype ",
                           DTypeName(variable.dtype()));
  }
  return Ok();
}

Status PlanBuilder::PrepareSteps() {
  for (size_t s = 0; s < pending_.size(); ++s) {
    Pending& step = pending_[s];
    Node* n = step.node;
    const auto types = ArgTypes(n->def(), n->def().inputs, n->attrs());
    for (int i = 0; i < n->num_inputs(); ++i) {
      const Output& in = n->input(i);
      step.operands.input_shapes.push_back(in.shape());
      const Tensor& value = in.node->output_value(in.index);
      step.operands.input_values.push_back(value.defined() ? &value : nullptr);
      Variable* variable = nullptr;
      const Output behind = VariableBehind(in);
      if (types.ok() && IsHandle((*types)[static_cast<size_t>(i)]) &&
          behind.defined()) {
        LS_ASSIGN_OR_RETURN(variable, VariableOf(behind.node));
        LS_RETURN_IF_ERROR(CheckVariableType(*n, *variable));
      }
      step.operands.variables.push_back(variable);
    }
    for (int i = 0; i < n->num_outputs(); ++i) {
      step.operands.output_shapes.push_back(n->output_shape(i));
    }
    if (step.dynamic || step.snapshot || !step.kernel->prepare) continue;
    StepPrepare context(*n, step.operands, *request_.resources);
    Status prepared = step.kernel->prepare(context);
    if (!prepared.ok()) {
      return prepared.WithContext(
          WhereIs(*n, request_.options.task, request_.options.tasks));
    }
    step.state = context.TakeState();
    if (context.scratch_bytes() > 0) {
      step.scratch_buffer = static_cast<int>(buffers_.size());
      buffers_.push_back({.storage = Storage::kArena,
                          .bytes = context.scratch_bytes(),
                          .first_step = static_cast<int>(s),
                          .last_step = static_cast<int>(s),
                          .owner = n->name() + " (scratch)"});
    }
  }
  return Ok();
}

Status PlanBuilder::PlaceBuffers() {
  std::vector<BufferRequest> requests;
  std::vector<Buffer*> owners;
  for (Buffer& b : buffers_) {
    if (b.storage != Storage::kArena) continue;
    requests.push_back({.bytes = b.bytes,
                        .first_step = b.first_step,
                        .last_step = std::max(b.first_step, b.last_step)});
    owners.push_back(&b);
  }
  const MemoryPlan memory = PlanMemory(&requests);
  plan_->info_.arena_bytes = memory.arena_bytes;
  plan_->info_.lower_bound_bytes = memory.lower_bound_bytes;
  plan_->info_.variable_bytes = request_.resources->variables().TotalBytes();
  const size_t need = memory.arena_bytes + plan_->info_.variable_bytes;
  const size_t limit = request_.options.cpu_memory_limit;
  if (limit > 0 && need > limit) return OverLimit(need, limit);
  LS_RETURN_IF_ERROR(request_.arena->Grow(memory.arena_bytes));
  char* base = request_.arena->base();
  for (size_t i = 0; i < requests.size(); ++i) {
    for (Tensor* view : owners[i]->views) {
      view->Rebind(base + requests[i].offset);
    }
    owners[i]->offset = requests[i].offset;
  }
  return Ok();
}

Status PlanBuilder::OverLimit(size_t need, size_t limit) const {
  std::vector<std::pair<size_t, std::string>> largest;
  for (const Buffer& b : buffers_) {
    if (b.storage == Storage::kArena) largest.emplace_back(b.bytes, b.owner);
  }
  for (const auto& [name, v] : request_.resources->variables().all()) {
    largest.emplace_back(v->value().bytes(), "variable " + name);
  }
  std::ranges::sort(largest, std::greater<>());
  if (largest.size() > 5) largest.resize(5);
  std::vector<std::string> texts;
  for (const auto& [bytes, name] : largest) {
    texts.push_back(StrCat(name, " ", HumanBytes(bytes)));
  }
  return ResourceExhausted("/cpu:0: the plan needs ", HumanBytes(need), " (",
                           need, " bytes), the limit is ", HumanBytes(limit),
                           " (", limit, " bytes); largest: ",
                           Join(texts, ", "));
}

void PlanBuilder::BindSteps() {
  plan_->resources_ = request_.resources;
  plan_->task_ = request_.options.task;
  plan_->tasks_ = request_.options.tasks;
  for (Pending& p : pending_) {
    Plan::Step step;
    step.node = p.node;
    std::vector<Tensor*> inputs, outputs;
    for (int i = 0; i < p.node->num_inputs(); ++i) {
      inputs.push_back(ValueOf(p.node->input(i)).tensor);
      const Output variable = VariableBehind(p.node->input(i));
      const bool reference = p.operands.variables[static_cast<size_t>(i)];
      if (variable.defined() &&
          !(reference && p.node->traits().allows_uninitialized)) {
        Result<Variable*> v = VariableOf(variable.node);
        if (v.ok()) step.reads.push_back(*v);
      }
    }
    if (p.snapshot && !p.dynamic) {
      inputs = {inputs[static_cast<size_t>(p.node->traits().alias.second)]};
    }
    for (int i = 0; i < p.node->num_outputs(); ++i) {
      outputs.push_back(ValueOf(p.node->output(i)).tensor);
    }
    plan_->operands_.push_back(std::move(inputs));
    step.inputs = plan_->operands_.back();
    plan_->operands_.push_back(std::move(outputs));
    step.outputs = plan_->operands_.back();
    plan_->random_ = plan_->random_ || p.node->traits().random;
    if (p.dynamic) {
      Result<std::unique_ptr<DynamicStep>> dynamic =
          DynamicStep::Create(*p.node, std::move(p.operands.variables),
                              &plan_->run_, request_.resources, p.snapshot);
      // MakeStep saw to it that there is a kernel.
      plan_->dynamic_.push_back(*std::move(dynamic));
      step.dynamic = plan_->dynamic_.back().get();
    } else {
      plan_->variables_.push_back(std::move(p.operands.variables));
      void* scratch = nullptr;
      if (p.scratch_buffer >= 0) {
        scratch = request_.arena->base() +
                  buffers_[static_cast<size_t>(p.scratch_buffer)].offset;
      }
      step.run = p.snapshot ? CopyAlias : p.kernel->run;
      step.state = std::move(p.state);
      step.context = KernelBinder::Bind({.inputs = step.inputs,
                                         .outputs = step.outputs,
                                         .variables = plan_->variables_.back(),
                                         .scratch = scratch,
                                         .state = step.state.get(),
                                         .run = &plan_->run_,
                                         .resources = request_.resources,
                                         .node = p.node});
    }
    plan_->steps_.push_back(std::move(step));
  }
}

void PlanBuilder::BindEnds() {
  for (size_t i = 0; i < work_.feeds.size(); ++i) {
    Plan::Feed feed;
    feed.spec = request_.feeds[i];
    feed.views = BufferOf(work_.feeds[i]).views;
    plan_->feeds_.push_back(std::move(feed));
  }
  for (const Output& f : work_.fetches) {
    Plan::Fetch fetch{.value = ValueOf(f).tensor};
    const Output variable = VariableBehind(f);
    if (variable.defined()) {
      Result<Variable*> v = VariableOf(variable.node);
      if (v.ok()) fetch.variable = *v;
    }
    plan_->fetches_.push_back(fetch);
  }
}

void PlanBuilder::Describe() {
  PlanInfo& info = plan_->info_;
  info.num_steps = static_cast<int>(plan_->steps_.size());
  info.num_dynamic_steps = static_cast<int>(plan_->dynamic_.size());
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
