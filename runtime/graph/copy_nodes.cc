// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/copy_nodes.h"

#include <queue>

#include "runtime/graph/control_flow.h"

namespace lockstep {

Result<std::vector<Node*>> OrderWithLoops(const std::vector<Node*>& nodes) {
  std::unordered_map<const Node*, int> waiting;
  std::unordered_map<const Node*, std::vector<Node*>> users;
  for (const Node* n : nodes) waiting[n] = 0;
  for (Node* n : nodes) {
    if (IsNextIteration(*n)) continue;
    auto depend = [&](const Node* on) {
      if (!waiting.contains(on)) return;
      users[on].push_back(n);
      ++waiting[n];
    };
    for (const Output& in : n->inputs()) depend(in.node);
    for (const Node* c : n->control_inputs()) depend(c);
  }
  auto later = [](const Node* a, const Node* b) { return a->id() > b->id(); };
  std::priority_queue<Node*, std::vector<Node*>, decltype(later)> ready(later);
  for (Node* n : nodes) {
    if (waiting[n] == 0) ready.push(n);
  }
  std::vector<Node*> order;
  while (!ready.empty()) {
    Node* n = ready.top();
    ready.pop();
    order.push_back(n);
    for (Node* u : users[n]) {
      if (--waiting[u] == 0) ready.push(u);
    }
  }
  if (order.size() == nodes.size()) return order;
  for (const Node* n : nodes) {
    if (waiting[n] > 0) {
      return FailedPrecondition("the graph has a cycle through node '",
                                n->name(), "' that is no loop");
    }
  }
  return Internal("a node was ordered twice");
}

Output NodeCopier::Now(Output from) const {
  auto it = outputs_.find(from);
  if (it != outputs_.end()) return it->second;
  Node* n = NodeNow(from.node);
  return n ? Output{n, from.index} : Output{};
}

Node* NodeCopier::NodeNow(const Node* from) const {
  auto it = nodes_.find(from);
  return it == nodes_.end() ? nullptr : it->second;
}

Result<Node*> NodeCopier::CopyOne(const Node* from) {
  const std::string name = to_.UniqueName(options_.prefix + from->name());
  NodeSpec spec{.name = name, .op = from->op(), .attrs = from->attrs()};
  spec.device = from->requested_device().empty() ? options_.device
                                                 : from->requested_device();
  for (const Output& in : from->inputs()) {
    if (IsNextIteration(*from)) {
      LS_ASSIGN_OR_RETURN(Node * later,
                          to_.AddNode({.name = to_.UniqueName(name + "/_later"),
                                       .op = "_BackEdge",
                                       .attrs = {{"T", BaseOf(in.dtype())}}}));
      spec.inputs.push_back(later->output(0));
      continue;
    }
    const Output now = Now(in);
    if (!now.defined()) {
      return Internal("node '", from->name(), "' needs '", in.name(),
                      "', which is not copied with it");
    }
    spec.inputs.push_back(now);
  }
  if (!options_.prefix.empty()) {
    spec.attrs.erase("_class");  // names nodes of the graph it came from
    if (IsEnter(*from)) {
      spec.attrs["frame_name"] =
          options_.prefix + from->Attr<std::string>("frame_name");
    }
    // The variable stays the same one whoever calls.
    if (auto* shared = GetIf<std::string>(spec.attrs, "shared_name");
        from->traits().variable && shared && shared->empty()) {
      spec.attrs["shared_name"] = from->name();
    }
  }
  return to_.AddNode(std::move(spec));
}

Status NodeCopier::Copy(const std::vector<Node*>& nodes) {
  std::vector<Node*> wanted;
  for (Node* n : nodes) {
    if (!nodes_.contains(n)) wanted.push_back(n);
  }
  LS_ASSIGN_OR_RETURN(std::vector<Node*> order, OrderWithLoops(wanted));
  for (Node* n : order) {
    LS_ASSIGN_OR_RETURN(nodes_[n], CopyOne(n));
  }
  for (Node* n : order) {
    Node* copy = nodes_.at(n);
    for (const Node* c : n->control_inputs()) {
      to_.AddControlEdge(NodeNow(c), copy);
    }
    if (!IsNextIteration(*n)) continue;
    Node* later = copy->input(0).node;
    const Output now = Now(n->input(0));
    if (!now.defined()) {
      return Internal("node '", n->name(), "' has lost its input");
    }
    to_.SetInput(copy, 0, now);
    to_.RemoveNode(later);
  }
  return Ok();
}

}  // namespace lockstep
