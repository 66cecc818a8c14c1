// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/group_updates.h"

#include <algorithm>
#include <map>

#include "runtime/exec/schedule.h"
#include "runtime/graph/conditions.h"
#include "runtime/graph/memory_spaces.h"
#include "runtime/op/inner_update.h"

namespace lockstep {
namespace {

using NodeSet = std::unordered_set<const Node*>;

// Whether input i of an update is its variable or a slot.
bool IsUpdated(const Node& n, int i) {
  const ArgDef& arg = n.def().inputs[static_cast<size_t>(i)];
  return arg.is_ref || arg.type == kResource;
}

// What equal updates have in common, as text.
std::string KindOf(const Node& n, const Conditions& conditions) {
  std::string kind = StrCat(n.op(), " on ", n.assigned_device());
  for (const auto& [name, value] : n.attrs()) {
    if (name[0] != '_') kind += StrCat(" ", name, "=", value.ToString());
  }
  for (int i = 0; i < n.num_inputs(); ++i) {
    if (IsUpdated(n, i) || i == n.traits().applies_gradient) continue;
    kind += StrCat(" ", n.input(i).name());  // a hyper-parameter
  }
  for (const int c : conditions.Of(&n)) kind += StrCat(" if ", c);
  return kind;
}

class Grouper {
 public:
  explicit Grouper(PlanGraph* plan) : plan_(*plan), consumers_(plan->graph) {}

  Status Run() {
    LS_ASSIGN_OR_RETURN(const std::vector<Node*> order,
                        plan_.graph.TopologicalOrder());
    const Conditions conditions(order);
    // By their first nodes, so that all tasks number new nodes alike.
    std::vector<std::vector<Node*>> kinds;
    std::map<std::string, size_t> known;
    for (Node* n : order) {
      if (!Fits(*n)) continue;
      const auto [it, added] =
          known.try_emplace(KindOf(*n, conditions), kinds.size());
      if (added) kinds.emplace_back();
      kinds[it->second].push_back(n);
    }
    bool changed = false;
    for (const std::vector<Node*>& updates : kinds) {
      if (updates.size() < 2 || !MayWait(updates)) continue;
      LS_RETURN_IF_ERROR(Join(updates));
      changed = true;
    }
    if (changed) {
      RemoveDeadNodes(&plan_.graph, plan_.feeds, plan_.fetches, plan_.targets);
    }
    return Ok();
  }

 private:
  bool Fits(const Node& n) const {
    if (!IsOnGpu(n) || !InnerUpdate::Fits(n.def(), n.attrs()) ||
        n.def().FindKernel(kGpu, n.attrs()) == nullptr) {
      return false;
    }
    const Shape& gradient = n.input(n.traits().applies_gradient).shape();
    if (!gradient.IsFullyKnown() || gradient.NumElements() > kMostGrouped) {
      return false;
    }
    for (int i = 0; i < n.num_outputs(); ++i) {
      const Output out{const_cast<Node*>(&n), i};
      if (!consumers_.Of(out).empty() ||
          std::ranges::find(plan_.fetches, out) != plan_.fetches.end()) {
        return false;
      }
    }
    return true;
  }

  // All that comes after the node.
  NodeSet After(const Node* n) const {
    NodeSet after;
    std::vector<const Node*> stack = {n};
    const auto visit = [&](const Node* next) {
      if (after.insert(next).second) stack.push_back(next);
    };
    while (!stack.empty()) {
      const Node* at = stack.back();
      stack.pop_back();
      for (const Node* next : consumers_.ControlledBy(at)) visit(next);
      for (int i = 0; i < at->num_outputs(); ++i) {
        for (const auto& [reader, index] :
             consumers_.Of({const_cast<Node*>(at), i})) {
          visit(reader);
        }
      }
    }
    return after;
  }

  // Whether each may be made when the last of them is.
  bool MayWait(const std::vector<Node*>& updates) const {
    std::vector<NodeSet> after;
    NodeSet after_any;
    std::map<const Node*, size_t> updated;  // by variable, the update
    for (size_t u = 0; u < updates.size(); ++u) {
      after.push_back(After(updates[u]));
      after_any.insert(after[u].begin(), after[u].end());
      for (int i = 0; i < updates[u]->num_inputs(); ++i) {
        if (!IsUpdated(*updates[u], i)) continue;
        const Output variable = VariableBehind(updates[u]->input(i));
        if (!variable.defined() ||
            !updated.try_emplace(variable.node, u).second) {
          return false;
        }
      }
    }
    if (std::ranges::any_of(
            updates, [&](const Node* n) { return after_any.contains(n); })) {
      return false;
    }
    for (const Node* n : after_any) {
      for (const Output& in : n->inputs()) {
        const auto it = updated.find(VariableBehind(in).node);
        if (it != updated.end() && !after[it->second].contains(n)) return false;
      }
    }
    return true;
  }

  Status Join(const std::vector<Node*>& updates) {
    Node* first = updates[0];
    std::vector<Output> inputs;
    std::vector<DType> types;
    std::vector<std::string> names;
    for (const Node* n : updates) {
      for (int i = 0; i < n->num_inputs(); ++i) {
        const Output in = n->input(i);
        inputs.push_back(in);
        // A rate that is a variable is read: it may be another device's.
        types.push_back(IsUpdated(*n, i) ? in.dtype() : BaseOf(in.dtype()));
      }
      names.push_back(n->name());
    }
    LS_ASSIGN_OR_RETURN(
        Node * joined,
        plan_.graph.AddNode(
            {.name = plan_.graph.UniqueName(first->name() + "/grouped"),
             .op = "_GroupedUpdate",
             .inputs = std::move(inputs),
             .attrs = {{"Tin", std::move(types)},
                       {"nodes", std::move(names)},
                       {"update",
                        FunctionRef{first->op(), std::make_shared<AttrMap>(
                                                     first->attrs())}}},
             .device = first->requested_device()}));
    joined->set_assigned_device(first->assigned_device());
    for (Node* n : updates) {
      std::ranges::replace(plan_.targets, n, joined);
      for (Node* waiter : consumers_.ControlledBy(n)) {
        plan_.graph.RemoveControlEdge(n, waiter);
        plan_.graph.AddControlEdge(joined, waiter);
      }
      for (Node* before : n->control_inputs()) {
        plan_.graph.AddControlEdge(before, joined);
      }
    }
    consumers_ = Consumers(plan_.graph);
    return Ok();
  }

  PlanGraph& plan_;
  Consumers consumers_;
};

}  // namespace

Status GroupUpdates(PlanGraph* plan) { return Grouper(plan).Run(); }

}  // namespace lockstep
