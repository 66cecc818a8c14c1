// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/passes/prune.h"

#include <algorithm>

#include "runtime/graph/control_flow.h"

namespace lockstep {
namespace {

using OutputSet = std::unordered_set<Output, OutputHash>;
using NodeSet = std::unordered_set<const Node*>;

// A feed stands for the placeholder as a whole: what waits for it need not.
bool IsFedPlaceholder(const Node* n, const OutputSet& cut) {
  return n->traits().placeholder && n->num_inputs() == 0 &&
         cut.contains({const_cast<Node*>(n), 0});
}

// Everything above the roots, not looking above outputs in `cut`.
NodeSet Ancestors(const std::vector<Output>& fetches,
                  const std::vector<Node*>& targets, const OutputSet& cut) {
  NodeSet seen;
  std::vector<const Node*> stack;
  auto visit = [&](const Node* n) {
    if (seen.insert(n).second) stack.push_back(n);
  };
  for (const Output& f : fetches) {
    if (!cut.contains(f)) visit(f.node);
  }
  for (const Node* t : targets) visit(t);
  while (!stack.empty()) {
    const Node* n = stack.back();
    stack.pop_back();
    for (const Output& in : n->inputs()) {
      if (!cut.contains(in)) visit(in.node);
    }
    for (const Node* c : n->control_inputs()) {
      if (!IsFedPlaceholder(c, cut)) visit(c);
    }
  }
  return seen;
}

Status CheckFeed(const Output& tensor, const FeedSpec& feed) {
  if (BaseOf(tensor.dtype()) != feed.dtype) {
    return InvalidArgument("tensor '", tensor.name(), "' has dtype ",
                           DTypeName(BaseOf(tensor.dtype())),
                           ", the value fed has ", DTypeName(feed.dtype));
  }
  if (!tensor.shape().IsCompatibleWith(feed.shape)) {
    return InvalidArgument("tensor '", tensor.name(), "' has shape ",
                           tensor.shape(), ", the value fed has ", feed.shape);
  }
  return Ok();
}

Status CheckPlaceholders(const NodeSet& needed) {
  const Node* missing = nullptr;
  for (const Node* n : needed) {
    if (n->traits().placeholder && n->num_inputs() == 0 &&
        (!missing || n->id() < missing->id())) {
      missing = n;
    }
  }
  if (!missing) return Ok();
  return InvalidArgument("You must feed a value for placeholder tensor '",
                         missing->name(), "' with dtype ",
                         DTypeName(missing->output_type(0)), " and shape ",
                         missing->output_shape(0));
}

void RemoveEdgesOfFeeds(const OutputSet& cut,
                        const std::unordered_map<const Node*, Node*>& copy_of,
                        Graph* graph) {
  NodeSet fed;
  for (const Output& o : cut) {
    if (IsFedPlaceholder(o.node, cut)) fed.insert(copy_of.at(o.node));
  }
  if (fed.empty()) return;
  for (Node* n : graph->nodes()) {
    for (Node* c : std::vector<Node*>(n->control_inputs())) {
      if (fed.contains(c)) graph->RemoveControlEdge(c, n);
    }
  }
}

}  // namespace

Result<PlanGraph> Prune(const Graph& full, const RunSignature& signature,
                        const std::vector<FeedSpec>& feeds) {
  OutputSet cut;
  for (size_t i = 0; i < feeds.size(); ++i) {
    LS_RETURN_IF_ERROR(CheckFeed(signature.feeds[i], feeds[i]));
    if (!cut.insert(signature.feeds[i]).second) {
      return InvalidArgument("tensor '", signature.feeds[i].name(),
                             "' is fed twice");
    }
  }
  const NodeSet needed = Ancestors(signature.fetches, signature.targets, cut);
  LS_RETURN_IF_ERROR(CheckPlaceholders(needed));

  PlanGraph plan;
  std::unordered_map<const Node*, Node*> copy_of;
  plan.graph = full.Clone(&copy_of);
  std::unordered_map<Output, Output, OutputHash> replaced;
  for (size_t i = 0; i < feeds.size(); ++i) {
    const Output& fed = signature.feeds[i];
    LS_ASSIGN_OR_RETURN(
        Node * feed, plan.graph.AddNode({.name = plan.graph.UniqueName(StrCat(
                                             "_feed/", fed.node->name())),
                                         .op = "_Feed",
                                         .attrs = {{"dtype", feeds[i].dtype},
                                                   {"shape", feeds[i].shape},
                                                   {"_tensor", fed.name()}}}));
    feed->set_assigned_device(fed.node->assigned_device());
    plan.feeds.push_back({feed, 0});
    replaced[{copy_of.at(fed.node), fed.index}] = {feed, 0};
  }
  RemoveEdgesOfFeeds(cut, copy_of, &plan.graph);
  for (Node* n : plan.graph.nodes()) {
    for (int i = 0; i < n->num_inputs(); ++i) {
      auto it = replaced.find(n->input(i));
      if (it != replaced.end()) plan.graph.SetInput(n, i, it->second);
    }
  }
  for (const Output& f : signature.fetches) {
    const Output copy{copy_of.at(f.node), f.index};
    auto it = replaced.find(copy);
    plan.fetches.push_back(it == replaced.end() ? copy : it->second);
  }
  for (const Node* t : signature.targets) plan.targets.push_back(copy_of.at(t));
  RemoveDeadNodes(&plan.graph, plan.feeds, plan.fetches, plan.targets);
  return plan;
}

namespace {

// As TensorFlow's optimizer has it: checks are kept for what they report.
bool MayGoUnread(const Node& n) {
  const OpTraits& t = n.traits();
  if (n.num_outputs() == 0 || n.op() == "_Feed" || n.op() == "CheckNumerics" ||
      t.stateful || t.placeholder || t.variable || t.constant ||
      IsControlFlowOp(n.op()) || RunsFunctions(n)) {
    return false;
  }
  // A control edge from a Switch does not say which side it is of.
  return std::ranges::none_of(
      n.inputs(), [](const Output& in) { return IsSwitch(*in.node); });
}

}  // namespace

void DropUnreadNodes(PlanGraph* plan) {
  const Result<std::vector<Node*>> order = plan->graph.TopologicalOrder();
  if (!order.ok()) return;  // whoever plans it says so
  NodeSet kept;
  for (const Output& o : plan->feeds) kept.insert(o.node);
  for (const Output& o : plan->fetches) kept.insert(o.node);
  for (const Node* n : plan->targets) kept.insert(n);
  std::unordered_map<const Node*, std::vector<Node*>> waiting;
  for (Node* n : *order) {
    for (Node* c : n->control_inputs()) waiting[c].push_back(n);
  }
  // From the end, so that whoever reads a node has been decided on.
  for (auto at = order->rbegin(); at != order->rend(); ++at) {
    Node* n = *at;
    const auto after = waiting.find(n);
    if (after == waiting.end() || kept.contains(n) || !MayGoUnread(*n)) {
      for (const Output& in : n->inputs()) kept.insert(in.node);
      continue;
    }
    std::vector<Node*> before = n->control_inputs();
    for (const Output& in : n->inputs()) before.push_back(in.node);
    for (Node* next : after->second) {
      plan->graph.RemoveControlEdge(n, next);
      for (Node* b : before) plan->graph.AddControlEdge(b, next);
    }
    for (Node* b : before) {
      auto& more = waiting[b];
      std::erase(more, n);
      more.insert(more.end(), after->second.begin(), after->second.end());
    }
    plan->graph.RemoveNode(n);
  }
}

std::unordered_set<const Node*> RemoveDeadNodes(
    Graph* graph, const std::vector<Output>& feeds,
    const std::vector<Output>& fetches, const std::vector<Node*>& targets) {
  NodeSet needed = Ancestors(fetches, targets, {});
  for (const Output& f : feeds) needed.insert(f.node);
  NodeSet removed;
  for (Node* n : graph->nodes()) {
    if (needed.contains(n)) continue;
    removed.insert(n);
    graph->RemoveNode(n);
  }
  return removed;
}

}  // namespace lockstep
