// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/passes/fuse_elements.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "runtime/graph/fusion/element_groups.h"
#include "runtime/graph/fusion/element_program.h"

namespace lockstep {
namespace {

// Makes the node of one group.
class Fuser {
 public:
  Fuser(PlanGraph* plan, const Consumers& consumers, ElementGroup group)
      : plan_(*plan), consumers_(consumers), group_(std::move(group)) {
    std::ranges::copy(group_.nodes, std::inserter(inside_, inside_.end()));
  }

  Status Run(bool always) {
    program_.size = group_.nodes[0]->output_shape(0).NumElements();
    for (Node* n : group_.nodes) AddInputs(*n);
    for (Node* n : group_.nodes) AddInstruction(*n);
    for (Node* n : group_.nodes) {
      if (IsNeeded({n, 0})) AddResult(n);
    }
    return CanBe() && (always || Pays()) ? Replace() : Ok();
  }

 private:
  static const ElementRule& RuleOf(const Node& n) {
    return *FindElementRule(n.def(), n.attrs());
  }
  bool IsInside(Output o) const {
    return inside_.contains(BehindAliases(o).node);
  }

  // An input, spread over the shape it is read as.
  void AddInputs(const Node& n) {
    for (int i = 0; i < OperandsOf(n, RuleOf(n)); ++i) {
      const Output in = n.input(i);
      if (IsInside(in)) continue;
      const auto [it, added] = input_.try_emplace(
          {in.node, in.index, OverOf(n, in).ToString()},
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
    constexpr int64_t kMany = 4096;
    constexpr size_t kSavedByOp = 45, kProgram = 300, kOperand = 45;
    return program_.size >= kMany ||
           program_.code.size() * kSavedByOp >
               kProgram + kOperand * (inputs_.size() + results_.size());
  }

  bool CanBe() const {
    if (results_.empty() || results_.size() > kMaxFusedOutputs ||
        inputs_.size() > kMaxFusedInputs || program_.code.empty() ||
        !FitsRegisters(program_)) {
      return false;
    }
    // An output takes the place of an input of as many bytes, whose elements
    // must then be as large.
    for (const auto& in : program_.inputs) {
      for (const Node* r : results_) {
        const size_t size = DTypeSize(r->output_type(0));
        const auto bytes = static_cast<size_t>(in.shape.NumElements()) *
                           DTypeSize(in.dtype);
        if (bytes == static_cast<size_t>(program_.size) * size &&
            DTypeSize(in.dtype) != size) {
          return false;
        }
      }
    }
    return true;
  }

  Status Replace() {
    const Node* last = group_.nodes.back();
    std::vector<DType> in_types, out_types;
    std::vector<Shape> shapes;
    std::vector<std::string> names;
    for (const auto& in : program_.inputs) in_types.push_back(in.dtype);
    for (const Node* r : results_) {
      out_types.push_back(r->output_type(0));
      shapes.push_back(r->output_shape(0));
    }
    for (const Node* n : group_.nodes) names.push_back(n->name());
    AttrMap attrs{{"Tin", std::move(in_types)},
                  {"Tout", std::move(out_types)},
                  {"shapes", std::move(shapes)},
                  {"nodes", std::move(names)},
                  {"readers", readers_}};
    program_.WriteTo(&attrs);
    LS_ASSIGN_OR_RETURN(
        Node* fused,
        plan_.graph.AddNode(
            {.name = plan_.graph.UniqueName(last->name() + "/fused"),
             .op = "_Fused",
             .inputs = inputs_,
             .attrs = std::move(attrs),
             .device = last->requested_device()}));
    fused->set_assigned_device(last->assigned_device());
    for (size_t i = 0; i < results_.size(); ++i) {
      const Output from{results_[i], 0}, to{fused, static_cast<int>(i)};
      plan_.graph.ReplaceUses(from, to, fused);
      std::ranges::replace(plan_.fetches, from, to);
    }
    for (Node* n : group_.nodes) {
      std::ranges::replace(plan_.targets, n, fused);
      for (Node* waiter : consumers_.ControlledBy(n)) {
        plan_.graph.RemoveControlEdge(n, waiter);
        plan_.graph.AddControlEdge(fused, waiter);
      }
    }
    return Ok();
  }

  PlanGraph& plan_;
  const Consumers& consumers_;
  const ElementGroup group_;
  std::set<const Node*> inside_;
  ElementProgram program_;
  std::vector<Output> inputs_;
  std::vector<std::string> readers_;  // by input, the op that it comes from
  std::map<std::tuple<const Node*, int, std::string>, int> input_;
  std::unordered_map<const Node*, int> value_;
  std::vector<Node*> results_;
};

}  // namespace

Fusion FusionOf(const SessionResources& resources) {
  if (const Fusion* fusion = resources.Service<Fusion>()) return *fusion;
  const char* text = std::getenv("LOCKSTEP_FUSE");
  return {.on = !text || std::string_view(text) != "0"};
}

Status FuseElements(PlanGraph* plan, const Fusion& fusion) {
  if (!fusion.on) return Ok();
  LS_ASSIGN_OR_RETURN(const std::vector<Node*> order,
                      plan->graph.TopologicalOrder());
  const Consumers consumers(plan->graph);
  for (ElementGroup& g : ElementGroups(order)) {
    LS_RETURN_IF_ERROR(
        Fuser(plan, consumers, std::move(g)).Run(fusion.always));
  }
  // Only now: who reads an op that has gone is asked of later groups, too.
  RemoveDeadNodes(&plan->graph, plan->feeds, plan->fetches, plan->targets);
  return Ok();
}

}  // namespace lockstep
