// SPDX-License-Identifier: Apache-2.0
#include "distributed/gradient_facts.h"

#include <algorithm>
#include <string_view>

namespace lockstep {
namespace {

// Calls visit(node) for all that the output is made from; whether to go on
// above it.
template <class F>
void ForAllAbove(Output o, F visit) {
  std::unordered_set<const Node*> seen = {o.node};
  std::vector<Node*> stack = {o.node};
  while (!stack.empty()) {
    Node* n = stack.back();
    stack.pop_back();
    if (!visit(*n)) continue;
    for (const Output& in : n->inputs()) {
      if (seen.insert(in.node).second) stack.push_back(in.node);
    }
  }
}

bool DependsOnFeed(Output o) {
  bool depends = false;
  ForAllAbove(o, [&](const Node& n) {
    depends = depends || n.op() == "_Feed";
    return !depends;
  });
  return depends;
}

// An update hands on what it made of its inputs.
bool IsUpdateOfVariable(const Node& n) {
  return n.num_inputs() > 0 && n.num_outputs() > 0 &&
         IsHandle(n.input(0).dtype()) && IsHandle(n.output_type(0));
}

// `*shared`: variables or exchanged values are among what it is made of.
bool IndependentAbove(Output o, bool* shared) {
  bool equal = true;
  ForAllAbove(o, [&](const Node& n) {
    const bool source = n.traits().variable || n.traits().synchronizes;
    *shared = *shared || source;
    equal = equal &&
            (source || IsUpdateOfVariable(n) ||
             (!n.traits().stateful && !n.traits().random && n.op() != "_Feed"));
    return equal && !source;
  });
  return equal;
}

}  // namespace

bool EqualOnAllRanks(Output o) {
  bool shared = false;
  const bool equal = IndependentAbove(o, &shared);
  return equal && shared;
}

bool IndependentOfRank(Output o) {
  bool shared = false;
  return IndependentAbove(o, &shared);
}

std::vector<Node*> SynchronizingAbove(Output o) {
  std::vector<Node*> found;
  ForAllAbove(o, [&](Node& n) {
    if (n.traits().synchronizes) found.push_back(&n);
    return !n.traits().synchronizes;
  });
  return found;
}

void MarkUsers(Node* node, const Consumers& consumers,
               std::unordered_set<const Node*>* users) {
  std::vector<Node*> stack = {node};
  const auto visit = [&](Node* user) {
    if (users->insert(user).second) stack.push_back(user);
  };
  while (!stack.empty()) {
    Node* at = stack.back();
    stack.pop_back();
    for (int i = 0; i < at->num_outputs(); ++i) {
      for (const auto& [user, input] : consumers.Of(at->output(i))) visit(user);
    }
    for (Node* user : consumers.ControlledBy(at)) visit(user);
  }
}

RowInputs RowsOf(const Node& n) {
  const bool adds =
      n.op().ends_with("ScatterAdd") || n.op().ends_with("ScatterSub");
  if (adds && n.num_inputs() == 3 && IsFloating(n.input(2).dtype()) &&
      DependsOnFeed(n.input(2))) {
    return {.values = 2, .indices = 1};
  }
  if (n.traits().applies_gradient < 0) return {};
  const auto& inputs = n.def().inputs;
  const auto indices =
      std::ranges::find(inputs, std::string_view("indices"), &ArgDef::name);
  if (indices == inputs.end()) return {};
  return {.values = n.traits().applies_gradient,
          .indices = static_cast<int>(indices - inputs.begin())};
}

}  // namespace lockstep
