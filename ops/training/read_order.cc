// SPDX-License-Identifier: Apache-2.0
#include "ops/training/read_order.h"

#include <unordered_set>

namespace lockstep::detail {
namespace {

using NodeSet = std::unordered_set<Node*>;

// `from` and all it needs.
void AddAncestors(Node* from, NodeSet& set) {
  std::vector<Node*> todo = {from};
  while (!todo.empty()) {
    Node* node = todo.back();
    todo.pop_back();
    if (!set.insert(node).second) continue;
    for (const Output& input : node->inputs()) todo.push_back(input.node);
    for (Node* control : node->control_inputs()) todo.push_back(control);
  }
}

// What reads `value`, also through nodes that only pass its memory on.
void AddReaders(const Consumers& consumers, Output value,
                std::vector<Node*>& readers) {
  for (const auto& [node, number] : consumers.Of(value)) {
    readers.push_back(node);
    if (node->traits().alias.second == number) {
      AddReaders(consumers, node->output(node->traits().alias.first), readers);
    }
  }
}

}  // namespace

void OrderReadsBeforeUpdates(Graph* graph,
                             const std::vector<VariableUpdate>& updates) {
  NodeSet step;
  for (const VariableUpdate& u : updates) AddAncestors(u.gradient.node, step);
  const Consumers consumers(*graph);
  for (const VariableUpdate& u : updates) {
    if (!IsRef(u.variable.dtype())) continue;
    NodeSet before;
    AddAncestors(u.update, before);
    std::vector<Node*> readers;
    AddReaders(consumers, u.variable, readers);
    for (Node* reader : readers) {
      if (step.contains(reader) && !before.contains(reader)) {
        graph->AddControlEdge(reader, u.update);
      }
    }
  }
}

}  // namespace lockstep::detail
