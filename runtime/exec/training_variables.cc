// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/training_variables.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "runtime/exec/composed_updates.h"
#include "runtime/exec/schedule.h"

namespace lockstep {
namespace {

using NodeSet = std::unordered_set<const Node*>;

bool Applies(const Node& n) { return n.traits().applies_gradient >= 0; }

NodeSet DependOnPlaceholders(const Graph& graph) {
  const Consumers consumers(graph);
  std::vector<Node*> stack;
  for (Node* n : graph.nodes()) {
    if (n->op().starts_with("Placeholder")) stack.push_back(n);
  }
  NodeSet depends(stack.begin(), stack.end());
  while (!stack.empty()) {
    Node* const n = stack.back();
    stack.pop_back();
    for (int i = 0; i < n->num_outputs(); ++i) {
      for (const auto& [user, input] : consumers.Of(n->output(i))) {
        if (depends.insert(user).second) stack.push_back(user);
      }
    }
  }
  return depends;
}

class Search {
 public:
  explicit Search(const Graph& graph)
      : graph_(graph), depends_(DependOnPlaceholders(graph)) {}

  std::unordered_set<std::string> Run() {
    FindModel();
    for (const Node* n : graph_.nodes()) {
      if (!Applies(*n) && !IsComposedUpdate(*n)) continue;
      const Output variable = VariableBehind(n->input(0));
      if (!variable.defined()) continue;
      updates_[variable.node].push_back(n);
      if (Applies(*n) || model_.contains(variable.node)) Follow(*n);
    }
    for (size_t i = 0; i < found_.size(); ++i) {
      for (const Node* update : updates_[found_[i]]) Follow(*update);
    }
    std::unordered_set<std::string> names;
    for (const Node* n : found_) names.insert(n->name());
    return names;
  }

 private:
  void FindModel();
  bool HasRows(Output o) const {
    return depends_.contains(o.node) && !o.shape().IsFullyKnown();
  }
  bool MakesOtherShape(const Node& n, Output variable) const;
  void Follow(const Node& update);

  const Graph& graph_;
  const NodeSet depends_;
  NodeSet model_;  // variables of which rows of samples are made
  std::unordered_map<const Node*, std::vector<const Node*>> updates_;
  NodeSet seen_;
  std::vector<const Node*> found_;
};

// As a product with samples, where their number is fixed.
bool Search::MakesOtherShape(const Node& n, Output variable) const {
  return n.num_outputs() > 0 && variable.dtype() != kResource &&
         n.output_shape(0).IsFullyKnown() && variable.shape().IsFullyKnown() &&
         n.output_shape(0) != variable.shape();
}

void Search::FindModel() {
  NodeSet seen;
  std::vector<const Node*> stack;
  for (const Node* n : graph_.nodes()) {
    if (!depends_.contains(n) || Applies(*n) || IsComposedUpdate(*n)) continue;
    bool rows = false;
    for (int i = 0; i < n->num_outputs(); ++i) {
      rows = rows || HasRows({const_cast<Node*>(n), i});
    }
    if (rows && seen.insert(n).second) stack.push_back(n);
    for (const Output& in : n->inputs()) {
      const Output variable = VariableBehind(in);
      if (variable.defined() && MakesOtherShape(*n, in)) {
        model_.insert(variable.node);
      }
    }
  }
  while (!stack.empty()) {
    const Node* const n = stack.back();
    stack.pop_back();
    if (n->traits().variable) model_.insert(n);
    if (Applies(*n) || IsComposedUpdate(*n)) continue;
    for (const Output& in : n->inputs()) {
      if (seen.insert(in.node).second) stack.push_back(in.node);
    }
  }
}

// The variables that the update's value is made of, but for its own.
void Search::Follow(const Node& update) {
  const Node* const own = VariableBehind(update.input(0)).node;
  NodeSet seen;
  std::vector<const Node*> stack;
  const auto visit = [&](Output o) {
    if (HasRows(o) || !seen.insert(o.node).second) return;
    stack.push_back(o.node);
  };
  for (int i = 1; i < update.num_inputs(); ++i) visit(update.input(i));
  while (!stack.empty()) {
    const Node& n = *stack.back();
    stack.pop_back();
    if (n.traits().variable) {
      const auto* dtype = GetIf<DType>(n.attrs(), "dtype");
      if (&n != own && dtype != nullptr && IsFloating(*dtype) &&
          seen_.insert(&n).second) {
        found_.push_back(&n);
      }
      continue;
    }
    // What these give is the same on all ranks.
    if (Applies(n)) continue;
    const bool sums_samples =
        std::ranges::any_of(n.inputs(), [&](Output in) { return HasRows(in); });
    if (sums_samples) continue;
    for (const Output& in : n.inputs()) visit(in);
  }
}

// Upwards from the value, which passes something of another shape than the
// variable's that depends on placeholders.
bool TrainsItsVariable(const Node& update, const Node* variable,
                       const NodeSet& depends) {
  const Shape& shape = variable->output_type(0) == kResource
                           ? update.input(1).shape()
                           : variable->output_shape(0);
  NodeSet plain, beyond;  // seen before such a thing, and after it
  std::vector<std::pair<Output, bool>> stack = {{update.input(1), false}};
  while (!stack.empty()) {
    auto [o, passed] = stack.back();
    stack.pop_back();
    if (o.node == variable && passed) return true;
    passed = passed || (depends.contains(o.node) && o.shape() != shape);
    if (!(passed ? beyond : plain).insert(o.node).second) continue;
    for (const Output& in : o.node->inputs()) stack.emplace_back(in, passed);
  }
  return false;
}

}  // namespace

std::unordered_set<std::string> TrainingVariables(const Graph& graph) {
  return Search(graph).Run();
}

std::unordered_set<const Node*> ComposedTraining(const Graph& graph) {
  const NodeSet depends = DependOnPlaceholders(graph);
  NodeSet found;
  for (const Node* n : graph.nodes()) {
    if (!IsComposedUpdate(*n) || !depends.contains(n->input(1).node)) continue;
    const Output variable = VariableBehind(n->input(0));
    if (variable.defined() && TrainsItsVariable(*n, variable.node, depends)) {
      found.insert(n);
    }
  }
  return found;
}

}  // namespace lockstep
