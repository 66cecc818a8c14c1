// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/passes/fuse_elements.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "runtime/graph/conditions.h"
#include "runtime/graph/fusion/element_groups.h"
#include "runtime/graph/fusion/element_program.h"
#include "runtime/graph/fusion/move_widenings.h"
#include "runtime/graph/fusion/reduction_end.h"
#include "runtime/graph/memory_spaces.h"
#include "runtime/op/source_rule.h"

namespace lockstep {
namespace {

// Makes the node of one group.
class Fuser {
 public:
  Fuser(PlanGraph* plan, const Consumers& consumers,
        const Conditions& conditions, ElementGroup group)
      : plan_(*plan),
        consumers_(consumers),
        conditions_(conditions),
        group_(std::move(group)) {
    std::ranges::copy(group_.nodes, std::inserter(inside_, inside_.end()));
  }

  Status Run(bool always) {
    program_.size = group_.nodes[0]->output_shape(0).NumElements();
    FindSource();
    for (Node* n : group_.nodes) AddInputs(*n);
    AddSource();
    for (Node* n : group_.nodes) AddInstruction(*n);
    for (Node* n : group_.nodes) {
      if (IsNeeded({n, 0})) AddResult(n);
    }
    if (results_.size() == 1 && source_ == nullptr) {
      end_ = ReductionOf(results_[0]);
    }
    // A group of one is worth a node only when a reduction ends it.
    if (!end_ && group_.nodes.size() == 1) return Ok();
    return CanBe() && (always || end_ || Pays()) ? Replace() : Ok();
  }

 private:
  static const ElementRule& RuleOf(const Node& n) {
    return *FindElementRule(n.def(), n.attrs());
  }
  bool IsInside(Output o) const {
    return inside_.contains(BehindAliases(o).node);
  }

  // A node whose elements are functions of their numbers, that the group alone
  // reads; the first.
  void FindSource() {
    for (const Node* n : group_.nodes) {
      for (int i = 0; i < OperandsOf(*n, RuleOf(*n)); ++i) {
        if (source_ == nullptr && IsSource(n->input(i))) {
          source_ = n->input(i).node;
        }
      }
    }
  }
  bool IsSource(Output in) const {
    const Node& from = *in.node;
    return FindSourceRule(from.def(), from.attrs()) != nullptr &&
           !IsOnGpu(from) && from.num_outputs() == 1 &&
           from.assigned_device() == group_.nodes[0]->assigned_device() &&
           in.shape().IsFullyKnown() &&
           in.shape().NumElements() == program_.size &&
           from.control_inputs().empty() &&
           consumers_.ControlledBy(&from).empty() && !IsTarget(&from) &&
           !IsNeeded(in);
  }
  // The program's last input, which the node does not have.
  void AddSource() {
    if (source_ == nullptr) return;
    const Output made = source_->output(0);
    input_[{source_, 0, made.shape().ToString()}] =
        static_cast<int>(inputs_.size());
    program_.inputs.push_back({made.dtype(), made.shape(), made.shape()});
  }

  // An input, spread over the shape it is read as.
  void AddInputs(const Node& n) {
    for (int i = 0; i < OperandsOf(n, RuleOf(n)); ++i) {
      const Output in = n.input(i);
      if (IsInside(in) || in.node == source_) continue;
      const auto [it, added] =
          input_.try_emplace({in.node, in.index, OverOf(n, in).ToString()},
                             static_cast<int>(inputs_.size()));
      if (!added) continue;
      inputs_.push_back(in);
      readers_.push_back(StrCat("'", n.name(), "' (", n.op(), ")"));
      program_.inputs.push_back(
          {BaseOf(in.dtype()), in.shape(), OverOf(n, in)});
    }
  }
  Shape OverOf(const Node& n, Output in) const {
    const int64_t size = in.shape().NumElements();
    if (size == program_.size) return in.shape();
    return size == 1 ? Shape{program_.size} : n.output_shape(0);
  }
  int ValueOf(const Node& n, Output in) const {
    if (IsInside(in)) return value_.at(BehindAliases(in).node);
    return input_.at({in.node, in.index, OverOf(n, in).ToString()});
  }

  void AddInstruction(const Node& n) {
    const ElementRule& rule = RuleOf(n);
    if (rule.spreads()) {
      value_[&n] = ValueOf(n, n.input(0));
      return;
    }
    std::vector<int> args;
    for (int i = 0; i < OperandsOf(n, rule); ++i) {
      args.push_back(ValueOf(n, n.input(i)));
    }
    value_[&n] =
        static_cast<int>(program_.inputs.size() + program_.code.size());
    program_.code.push_back(
        ElementProgram::Of(n.def(), n.attrs(), std::move(args)));
  }

  // The reduction that nothing but the program's result goes to.
  Node* ReductionOf(const Node* result) const {
    const Output o{const_cast<Node*>(result), 0};
    Node* end = ReductionAtEndOf(o, consumers_);
    const bool fetched =
        std::ranges::find(plan_.fetches, o) != plan_.fetches.end();
    return !end || fetched || IsTarget(result) ||
                   conditions_.Of(end) != conditions_.Of(result)
               ? nullptr
               : end;
  }

  // By something that is not in the group.
  bool IsNeeded(Output o) const {
    if (std::ranges::find(plan_.fetches, o) != plan_.fetches.end()) return true;
    for (const auto& [reader, index] : consumers_.Of(o)) {
      if (inside_.contains(reader)) continue;
      const bool passes_on = IsPlainAlias(*reader) &&
                             consumers_.ControlledBy(reader).empty() &&
                             !IsTarget(reader);
      if (!passes_on || IsNeeded({reader, 0})) return true;
    }
    return false;
  }
  bool IsTarget(const Node* n) const {
    return std::ranges::find(plan_.targets, n) != plan_.targets.end();
  }

  void AddResult(Node* n) {
    results_.push_back(n);
    program_.results.push_back(value_.at(n));
  }

  // Of elements that are in the first-level cache anyway fusion saves steps
  // alone; the figures are instructions, as valgrind counts them.
  bool Pays() const {
    constexpr size_t kSavedByOp = 45, kProgram = 300, kOperand = 45;
    return program_.size >= kManyElements || IsOnGpu(*group_.nodes[0]) ||
           program_.code.size() * kSavedByOp >
               kProgram + kOperand * (inputs_.size() + results_.size());
  }

  bool CanBe() const {
    if (results_.empty() || results_.size() > kMaxFusedOutputs ||
        inputs_.size() > kMaxFusedInputs || program_.code.empty() ||
        !FitsRegisters(program_)) {
      return false;
    }
    if (end_) return true;
    // An output takes the place of an input of as many bytes, whose elements
    // must then be as large.
    for (const auto& in : program_.inputs) {
      for (const Node* r : results_) {
        const size_t size = DTypeSize(r->output_type(0));
        const auto bytes =
            static_cast<size_t>(in.shape.NumElements()) * DTypeSize(in.dtype);
        if (bytes == static_cast<size_t>(program_.size) * size &&
            DTypeSize(in.dtype) != size) {
          return false;
        }
      }
    }
    return true;
  }

  Status Replace() {
    const Node* last = end_ ? end_ : group_.nodes.back();
    std::vector<DType> in_types;
    std::vector<std::string> names;
    for (const Output& in : inputs_) in_types.push_back(BaseOf(in.dtype()));
    if (source_) names.push_back(source_->name());
    for (const Node* n : group_.nodes) names.push_back(n->name());
    if (end_) names.push_back(end_->name());
    AttrMap attrs{{"Tin", std::move(in_types)},
                  {"nodes", std::move(names)},
                  {"readers", readers_}};
    if (end_) {
      DescribeReduction(&attrs);
    } else {
      DescribeResults(&attrs);
    }
    if (source_) DescribeSource(&attrs);
    program_.WriteTo(&attrs);
    LS_ASSIGN_OR_RETURN(
        Node * fused,
        plan_.graph.AddNode(
            {.name = plan_.graph.UniqueName(last->name() + "/fused"),
             .op = end_      ? "_FusedReduce"
                   : source_ ? "_FusedRandom"
                             : "_Fused",
             .inputs = inputs_,
             .attrs = std::move(attrs),
             .device = last->requested_device()}));
    fused->set_assigned_device(last->assigned_device());
    if (end_) {
      TakePlace(end_, fused, 0);
    } else {
      for (size_t i = 0; i < results_.size(); ++i) {
        TakePlace(results_[i], fused, static_cast<int>(i));
      }
    }
    for (Node* n : group_.nodes) TakeWaiters(n, fused);
    if (end_) TakeWaiters(end_, fused);
    return Ok();
  }

  void DescribeResults(AttrMap* attrs) const {
    std::vector<DType> types;
    std::vector<Shape> shapes;
    for (const Node* r : results_) {
      types.push_back(r->output_type(0));
      shapes.push_back(r->output_shape(0));
    }
    (*attrs)["Tout"] = std::move(types);
    (*attrs)["shapes"] = std::move(shapes);
  }
  void DescribeSource(AttrMap* attrs) const {
    (*attrs)["source"] =
        FunctionRef{source_->op(), std::make_shared<AttrMap>(source_->attrs())};
    (*attrs)["source_name"] = source_->name();
    (*attrs)["source_shape"] = source_->output_shape(0);
  }
  void DescribeReduction(AttrMap* attrs) const {
    (*attrs)["Tout"] = end_->output_type(0);
    (*attrs)["T"] = results_[0]->output_type(0);
    (*attrs)["reduction"] = end_->op();
    (*attrs)["shape"] = end_->output_shape(0);
  }

  // What read and fetched `from` has output `index` of `fused` instead.
  void TakePlace(Node* from, Node* fused, int index) {
    const Output old{from, 0}, now{fused, index};
    plan_.graph.ReplaceUses(old, now, fused);
    std::ranges::replace(plan_.fetches, old, now);
  }
  void TakeWaiters(Node* n, Node* fused) {
    std::ranges::replace(plan_.targets, n, fused);
    for (Node* waiter : consumers_.ControlledBy(n)) {
      plan_.graph.RemoveControlEdge(n, waiter);
      plan_.graph.AddControlEdge(fused, waiter);
    }
  }

  PlanGraph& plan_;
  const Consumers& consumers_;
  const Conditions& conditions_;
  const ElementGroup group_;
  std::set<const Node*> inside_;
  ElementProgram program_;
  std::vector<Output> inputs_;
  std::vector<std::string> readers_;  // by input, the op that it comes from
  std::map<std::tuple<const Node*, int, std::string>, int> input_;
  std::unordered_map<const Node*, int> value_;
  std::vector<Node*> results_;
  Node* end_ = nullptr;  // a reduction of the one result
  Node* source_ = nullptr;
};

}  // namespace

Fusion FusionOf(const SessionResources& resources) {
  if (const Fusion* fusion = resources.Service<Fusion>()) return *fusion;
  const char* text = std::getenv("LOCKSTEP_FUSE");
  return {.on = !text || std::string_view(text) != "0"};
}

Status FuseElements(PlanGraph* plan, const Fusion& fusion, bool gpus) {
  if (!fusion.on) return Ok();
  LS_ASSIGN_OR_RETURN(std::vector<Node*> order, plan->graph.TopologicalOrder());
  auto consumers = std::make_unique<Consumers>(plan->graph);
  auto conditions = std::make_unique<Conditions>(order);
  const auto alone = [&](const Node* n) {
    return ReductionAtEndOf({const_cast<Node*>(n), 0}, *consumers) != nullptr;
  };
  std::vector<ElementGroup> groups =
      ElementGroups(order, *conditions, gpus, alone);
  LS_ASSIGN_OR_RETURN(const bool moved,
                      MoveWidenings(plan, *conditions, &groups));
  if (moved) {
    LS_ASSIGN_OR_RETURN(order, plan->graph.TopologicalOrder());
    consumers = std::make_unique<Consumers>(plan->graph);
    conditions = std::make_unique<Conditions>(order);
  }
  for (ElementGroup& g : groups) {
    LS_RETURN_IF_ERROR(
        Fuser(plan, *consumers, *conditions, std::move(g)).Run(fusion.always));
  }
  // Only now: who reads an op that has gone is asked of later groups, too.
  RemoveDeadNodes(&plan->graph, plan->feeds, plan->fetches, plan->targets);
  return Ok();
}

}  // namespace lockstep
