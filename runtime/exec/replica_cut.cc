// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/replica_cut.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "runtime/exec/batch_probe.h"
#include "runtime/exec/composed_updates.h"
#include "runtime/exec/schedule.h"
#include "runtime/exec/training_variables.h"
#include "runtime/graph/control_flow.h"
#include "runtime/graph/function.h"

namespace lockstep {
namespace {

using OutputSet = std::unordered_set<Output, OutputHash>;
using NodeSet = std::unordered_set<const Node*>;

bool Writes(const Node& n) {
  for (int i = 0; i < n.num_inputs(); ++i) {
    if (WritesVariable(n, i)) return true;
  }
  return false;
}

Status Refuse(const Node& n, std::string_view what) {
  return Unimplemented("reproducible mode: node '", n.name(), "' (", n.op(),
                       "): ", what);
}

class Cutter : public SampleFlow {
 public:
  explicit Cutter(const PlanRequest& request)
      : request_(request),
        options_(*request.environment.options),
        consumers_(request.graph) {}

  Result<std::optional<ReplicaCut>> Run() {
    LS_ASSIGN_OR_RETURN(const bool has_batch, FindSliced());
    if (!has_batch) return std::optional<ReplicaCut>();
    FindDependents();
    const int64_t size = std::max<int64_t>(
        1, ReplicaSizes::Of(samples_, LocalReplicas(options_)).small);
    LS_RETURN_IF_ERROR(probe_.Make(request_, sliced_, size));
    LS_ASSIGN_OR_RETURN(composed_, FindComposedUpdates(NodesThatRun(), *this));
    gradients_.insert(composed_.gradients.begin(), composed_.gradients.end());
    for (const Output& f : request_.signature.fetches) {
      LS_RETURN_IF_ERROR(Need(f));
    }
    for (const Node* t : request_.signature.targets) Visit(t);
    while (!stack_.empty()) {
      const Node* n = stack_.back();
      stack_.pop_back();
      LS_RETURN_IF_ERROR(Follow(*n));
    }
    if (outputs_.empty()) return std::optional<ReplicaCut>();
    LS_RETURN_IF_ERROR(CheckBody());
    LS_ASSIGN_OR_RETURN(ReplicaCut cut, MakeGraph());
    return std::optional<ReplicaCut>(std::move(cut));
  }

 private:
  struct CutOutput {
    Output tensor;
    ReplicaUse use;
    Shape shape;
  };

  bool IsFed(Output o) const override { return fed_.contains(o); }
  bool Depends(Output o) const override {
    return IsFed(o) ? fed_sliced_.contains(o) : dependents_.contains(o.node);
  }
  bool HasRows(const Node& user, int input) const override {
    const Output o = user.input(input);
    return Depends(o) && (IsFed(o) || probe_.RowsOfSample(o) > 0 ||
                          !FixedShape(o).IsFullyKnown());
  }
  bool Trains(const Node& variable) const override {
    if (!training_) training_ = TrainingVariables(request_.graph);
    return training_->contains(variable.name());
  }
  // The planner may have dropped the node: what it was built with, then.
  Shape FixedShape(Output o) const {
    const Shape probed = probe_.FixedShape(o);
    return probed.IsFullyKnown() ? probed : o.shape();
  }

  Result<bool> FindSliced();
  void FindDependents();
  std::vector<Node*> NodesThatRun() const;
  Status Need(Output o);
  void Visit(const Node* n) {
    if (seen_.insert(n).second) stack_.push_back(n);
  }
  Status Follow(const Node& n);
  Status FollowWriter(const Node& n);
  Status FollowInput(const Node& n, int i);
  Status CutSum(const Node& n, Output gradient, const Shape& shape);
  void Cut(Output o, ReplicaUse use, const Shape& shape) {
    if (cut_.insert(o).second) outputs_.push_back({o, use, shape});
  }
  Status CheckBody() const;
  Status CheckFunctions(const Node& n, int depth) const;
  Result<ReplicaCut> MakeGraph() const;

  const PlanRequest& request_;
  const SessionOptions& options_;
  const Consumers consumers_;
  int64_t samples_ = 0;
  std::vector<bool> sliced_;  // by feed
  OutputSet fed_, fed_sliced_;
  NodeSet dependents_;
  // Found when asked for.
  mutable std::optional<std::unordered_set<std::string>> training_;
  BatchProbe probe_;
  ComposedUpdates composed_;
  OutputSet gradients_;  // of composed_
  NodeSet seen_;         // nodes that stay
  std::vector<const Node*> stack_;
  OutputSet cut_;
  std::vector<CutOutput> outputs_;
};

// Fed with as many rows as the batch, and open for any number of them.
Result<bool> Cutter::FindSliced() {
  const std::vector<Output>& feeds = request_.signature.feeds;
  sliced_.resize(feeds.size());
  const FeedSpec* batch = nullptr;
  for (size_t i = 0; i < feeds.size(); ++i) {
    fed_.insert(feeds[i]);
    if (feeds[i].name() == options_.batch) batch = &request_.feeds[i];
  }
  if (batch == nullptr) {
    const Result<Output> found = request_.graph.FindOutput(options_.batch);
    if (!found.ok()) {
      return found.status().WithContext("reproducible mode: option batch");
    }
    return false;
  }
  if (batch->shape.rank() < 1) {
    return InvalidArgument("reproducible mode: '", options_.batch,
                           "' has shape ", batch->shape,
                           ", its dimension 0 has to be the samples");
  }
  samples_ = batch->shape.dim(0);
  for (size_t i = 0; i < feeds.size(); ++i) {
    const Shape& declared = feeds[i].shape();
    const Shape& fed = request_.feeds[i].shape;
    const bool open =
        !declared.HasRank() || (declared.rank() > 0 && declared.dim(0) < 0);
    sliced_[i] = open && fed.rank() > 0 && fed.dim(0) == samples_;
    if (sliced_[i]) fed_sliced_.insert(feeds[i]);
    if (batch == &request_.feeds[i] && !open) {
      return InvalidArgument("reproducible mode: '", options_.batch,
                             "' has shape ", declared,
                             ", it has to take any number of samples");
    }
  }
  return true;
}

void Cutter::FindDependents() {
  std::vector<Output> stack(fed_sliced_.begin(), fed_sliced_.end());
  while (!stack.empty()) {
    const Output o = stack.back();
    stack.pop_back();
    for (const auto& [user, input] : consumers_.Of(o)) {
      if (!dependents_.insert(user).second) continue;
      for (int i = 0; i < user->num_outputs(); ++i) {
        if (!IsFed({user, i})) stack.push_back({user, i});
      }
    }
  }
}

std::vector<Node*> Cutter::NodesThatRun() const {
  NodeSet seen;
  std::vector<Node*> nodes = request_.signature.targets;
  for (const Output& f : request_.signature.fetches) {
    if (!IsFed(f)) nodes.push_back(f.node);
  }
  std::erase_if(nodes, [&](Node* n) { return !seen.insert(n).second; });
  for (size_t i = 0; i < nodes.size(); ++i) {
    Node* const n = nodes[i];
    for (const Output& in : n->inputs()) {
      if (!IsFed(in) && seen.insert(in.node).second) nodes.push_back(in.node);
    }
    for (Node* c : n->control_inputs()) {
      if (seen.insert(c).second) nodes.push_back(c);
    }
  }
  return nodes;
}

// `o` is used by something that stays.
Status Cutter::Need(Output o) {
  if (IsFed(o)) return Ok();
  if (Depends(o) && IsPod(BaseOf(o.dtype())) && !IsRef(o.dtype()) &&
      probe_.RowsOfSample(o) > 0) {
    Cut(o, ReplicaUse::kEach, probe_.ShapeFor(o, samples_));
    return Ok();
  }
  Visit(o.node);
  return Ok();
}

Status Cutter::Follow(const Node& n) {
  for (const Node* c : n.control_inputs()) {
    if (!dependents_.contains(c) || HasEffect(*c)) Visit(c);
  }
  if (Writes(n)) return FollowWriter(n);
  for (int i = 0; i < n.num_inputs(); ++i) {
    LS_RETURN_IF_ERROR(FollowInput(n, i));
  }
  return Ok();
}

Status Cutter::FollowInput(const Node& n, int i) {
  const Output in = n.input(i);
  if (gradients_.contains(in) && composed_.readers.contains(&n)) {
    return CutSum(n, in, FixedShape(in));
  }
  return Need(in);
}

Status Cutter::CutSum(const Node& n, Output gradient, const Shape& shape) {
  const DType dtype = BaseOf(gradient.dtype());
  if (IsFed(gradient)) return Refuse(n, "its gradient is fed");
  if (dtype != kFloat && dtype != kDouble) {
    return Refuse(n, StrCat("a gradient of dtype ", DTypeName(dtype),
                            " is rounded at each addition"));
  }
  Cut(gradient, ReplicaUse::kSum, shape);
  return Ok();
}

Status Cutter::FollowWriter(const Node& n) {
  for (int i = 0; i < n.num_inputs(); ++i) {
    const Output in = n.input(i);
    if (WritesVariable(n, i)) {
      Visit(in.node);
    } else if (composed_.updates.contains(&n) ||
               (composed_.applies.contains(&n) &&
                i == n.traits().applies_gradient)) {
      LS_RETURN_IF_ERROR(FollowInput(n, i));
    } else if (i == n.traits().applies_gradient) {
      const Shape& variable = VariableBehind(n.input(0)).shape();
      LS_RETURN_IF_ERROR(CutSum(
          n, in, variable.IsFullyKnown() ? variable : probe_.FixedShape(in)));
    } else if (!Depends(in)) {
      if (!IsFed(in)) Visit(in.node);
    } else if (n.traits().assigns && i == 1 && !IsFed(in) &&
               IsPod(BaseOf(in.dtype()))) {
      Cut(in, ReplicaUse::kFirst, probe_.FixedShape(in));
    } else {
      return Refuse(n, StrCat("updates a variable by '", in.name(),
                              "', which depends on the samples and is no "
                              "gradient"));
    }
  }
  return Ok();
}

// What the replicas compute must not change anything.
Status Cutter::CheckBody() const {
  NodeSet seen;
  std::vector<const Node*> stack;
  const auto visit = [&](const Node* n) {
    if (seen.insert(n).second) stack.push_back(n);
  };
  for (const CutOutput& o : outputs_) visit(o.tensor.node);
  while (!stack.empty()) {
    const Node& n = *stack.back();
    stack.pop_back();
    if (Writes(n) && HasEffect(n)) {
      return Refuse(n, "updates a variable that gradients come of");
    }
    LS_RETURN_IF_ERROR(CheckFunctions(n, 0));
    for (const Output& in : n.inputs()) {
      if (!IsFed(in)) visit(in.node);
    }
    for (const Node* c : n.control_inputs()) visit(c);
  }
  return Ok();
}

// Random numbers are counted by runs of functions, which replicas would share.
Status Cutter::CheckFunctions(const Node& n, int depth) const {
  constexpr int kDeepest = 64;  // functions may call themselves
  if (n.traits().random && depth > 0) {
    return Refuse(n, "draws random numbers in a function");
  }
  const auto& library = request_.graph.functions();
  if (!library || depth == kDeepest) return Ok();
  for (const std::string& name : FunctionsOf(n)) {
    const auto function = library->Find(name);
    if (!function) continue;
    // A call is replaced by the function's nodes; its numbers are the plan's.
    const int inner = IsCall(n) ? depth : depth + 1;
    for (const Node* of : function->body.nodes()) {
      LS_RETURN_IF_ERROR(CheckFunctions(*of, inner + (IsCall(n) ? 1 : 0)));
    }
  }
  return Ok();
}

Result<ReplicaCut> Cutter::MakeGraph() const {
  ReplicaCut cut;
  std::unordered_map<const Node*, Node*> copy;
  cut.graph = request_.graph.Clone(&copy);
  const auto here = [&](Output o) { return Output{copy.at(o.node), o.index}; };
  std::vector<DType> in_types, out_types;
  std::vector<Shape> shapes;
  std::vector<int64_t> uses;
  std::vector<std::string> tensors;
  NodeSpec spec{.name = cut.graph.UniqueName("_replicas"), .op = "_Replicas"};
  for (const Output& f : request_.signature.feeds) {
    spec.inputs.push_back(here(f));
    in_types.push_back(BaseOf(f.dtype()));
    cut.signature.feeds.push_back(here(f));
  }
  for (const CutOutput& o : outputs_) {
    out_types.push_back(BaseOf(o.tensor.dtype()));
    shapes.push_back(o.shape);
    uses.push_back(static_cast<int64_t>(o.use));
    tensors.push_back(o.tensor.name());
  }
  spec.attrs = {{"Tin", in_types},    {"Tout", out_types},  {"shapes", shapes},
                {"uses", uses},       {"tensors", tensors}, {"sliced", sliced_},
                {"samples", samples_}};
  LS_ASSIGN_OR_RETURN(Node * replicas, cut.graph.AddNode(std::move(spec)));
  for (const Node* before : request_.graph.nodes()) {
    Node* const now = copy.at(before);
    if (Writes(*before)) cut.graph.AddControlEdge(replicas, now);
    if (!seen_.contains(before)) continue;
    for (Node* c : before->control_inputs()) {
      if (seen_.contains(c)) continue;
      cut.graph.RemoveControlEdge(copy.at(c), now);
      cut.graph.AddControlEdge(replicas, now);
    }
  }
  std::unordered_map<Output, Output, OutputHash> instead;
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const Output to = replicas->output(static_cast<int>(i));
    instead[outputs_[i].tensor] = to;
    cut.graph.ReplaceUses(here(outputs_[i].tensor), to);
  }
  for (const Output& f : request_.signature.fetches) {
    const auto it = instead.find(f);
    cut.signature.fetches.push_back(it == instead.end() ? here(f) : it->second);
  }
  for (const Node* t : request_.signature.targets) {
    cut.signature.targets.push_back(copy.at(t));
  }
  return cut;
}

}  // namespace

Result<std::optional<ReplicaCut>> CutReplicas(const PlanRequest& request) {
  const PlanEnvironment& environment = request.environment;
  if (environment.options->reproducible == 0 || environment.depth > 0) {
    return std::optional<ReplicaCut>();
  }
  return Cutter(request).Run();
}

}  // namespace lockstep
