// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/passes/rewrite.h"

#include <algorithm>
#include <array>
#include <map>

#include "runtime/graph/memory_spaces.h"
#include "runtime/graph/passes/prune.h"

namespace lockstep {
namespace {

using RuleMap = std::multimap<std::string, RewriteFn, std::less<>>;

RuleMap& Rules(RewritePhase phase) {
  // Never destroyed, like the op registry.
  static auto* rules = new std::array<RuleMap, 2>;
  return (*rules)[static_cast<size_t>(phase)];
}

}  // namespace

RewriteRegistrar::RewriteRegistrar(std::string_view root_op, RewriteFn fn,
                                   RewritePhase phase) {
  Rules(phase).emplace(std::string(root_op), fn);
}

Node* RewriteContext::Producer(Output output, std::string_view op) const {
  Node* producer = output.node;
  const bool fits = producer && producer->op() == op &&
                    producer->assigned_device() == node_->assigned_device();
  return fits ? producer : nullptr;
}

bool RewriteContext::IsFetched(Output output) const {
  return std::ranges::find(pass_.fetches, output) != pass_.fetches.end();
}

bool RewriteContext::IsFed(const Node* node) const {
  return std::ranges::any_of(pass_.feeds,
                             [&](const Output& f) { return f.node == node; });
}

bool RewriteContext::OnlyUse(Output output) const {
  return consumers_.Of(output).size() == 1 && !IsFetched(output) &&
         !IsFed(output.node);
}

Result<Node*> RewriteContext::Add(std::string name, std::string op,
                                  std::vector<Output> inputs, AttrMap attrs) {
  LS_ASSIGN_OR_RETURN(
      Node * added,
      pass_.graph.AddNode({.name = pass_.graph.UniqueName(name),
                           .op = std::move(op),
                           .inputs = std::move(inputs),
                           .control_inputs = node_->control_inputs(),
                           .attrs = std::move(attrs),
                           .device = node_->requested_device()}));
  added->set_assigned_device(node_->assigned_device());
  return added;
}

void RewriteContext::Replace(Output from, Output to, Node* awaited) {
  pass_.graph.ReplaceUses(from, to, to.node);
  for (Output& f : pass_.fetches) {
    if (f == from) f = to;
  }
  ReplaceNode(from.node, awaited != nullptr ? awaited : to.node);
}

void RewriteContext::ReplaceNode(Node* from, Node* to) {
  MoveControlEdges(from, to);
  std::ranges::replace(pass_.targets, from, to);
}

void RewriteContext::MoveControlEdges(Node* from, Node* to) {
  for (Node* waiter : consumers_.ControlledBy(from)) {
    pass_.graph.RemoveControlEdge(from, waiter);
    pass_.graph.AddControlEdge(to, waiter);
  }
  for (Node* before : from->control_inputs()) {
    pass_.graph.AddControlEdge(before, to);
  }
}

Status ApplyRewrites(PassContext& context, RewritePhase phase) {
  const RuleMap& rules = Rules(phase);
  // Every rule moves the graph towards internal ops, so this ends; the bound
  // guards against a pair of rules that undo each other.
  for (int round = 0; round < 1000; ++round) {
    LS_ASSIGN_OR_RETURN(std::vector<Node*> order,
                        context.graph.TopologicalOrder());
    auto consumers = std::make_unique<Consumers>(context.graph);
    std::unordered_set<const Node*> dead;
    bool changed = false;
    for (Node* node : order) {
      if (dead.contains(node) || IsOnGpu(*node)) continue;
      auto [first, last] = rules.equal_range(node->op());
      for (auto it = first; it != last; ++it) {
        RewriteContext rule(context, *consumers, node);
        Result<bool> applied = it->second(rule);
        if (!applied.ok()) {
          return applied.status().WithContext(
              StrCat("rewriting node '", node->name(), "'"));
        }
        if (!*applied) continue;
        changed = true;
        dead.merge(RemoveDeadNodes(&context.graph, context.feeds,
                                   context.fetches, context.targets));
        consumers = std::make_unique<Consumers>(context.graph);
        break;
      }
    }
    if (!changed) return Ok();
  }
  return Internal("the rewrite rules do not come to an end");
}

}  // namespace lockstep
