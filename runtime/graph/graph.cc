// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/graph.h"

#include <algorithm>
#include <charconv>
#include <queue>

namespace lockstep {

std::string Output::name() const {
  return node ? StrCat(node->name(), ":", index) : std::string("<undefined>");
}

const Tensor& Node::output_value(int i) const {
  static const Tensor none;
  return output_values_.empty() ? none : output_values_[static_cast<size_t>(i)];
}

void Node::set_output_value(int i, Tensor v) {
  if (output_values_.empty()) output_values_.resize(output_types_.size());
  output_values_[static_cast<size_t>(i)] = std::move(v);
}

std::vector<Node*> Graph::nodes() const {
  std::vector<Node*> out;
  out.reserve(by_name_.size());
  for (const auto& n : nodes_) {
    if (n) out.push_back(n.get());
  }
  return out;
}

Node* Graph::Find(std::string_view name) const {
  auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : it->second;
}

Result<Output> Graph::FindOutput(std::string_view tensor_name) const {
  std::string_view name = tensor_name;
  int index = 0;
  const size_t colon = name.rfind(':');
  if (colon != name.npos) {
    const std::string_view number = name.substr(colon + 1);
    auto [ptr, error] =
        std::from_chars(number.data(), number.data() + number.size(), index);
    if (error != std::errc() || ptr != number.data() + number.size()) {
      return InvalidArgument("'", tensor_name,
                             "' is not a tensor name: want "
                             "'node' or 'node:output'");
    }
    name = name.substr(0, colon);
  }
  Node* node = Find(name);
  if (!node) {
    std::vector<std::string> names;
    for (const auto& [n, unused] : by_name_) names.push_back(n);
    std::ranges::sort(names);
    const std::string near = NearestName(name, names);
    return NotFound("there is no node '", name, "' in the graph",
                    near.empty() ? "" : StrCat("; did you mean '", near, "'?"));
  }
  if (node->num_outputs() == 0) {
    return InvalidArgument("there is no tensor '", tensor_name, "': node '",
                           name, "' produces no output; run it as a target");
  }
  if (index < 0 || index >= node->num_outputs()) {
    return InvalidArgument("there is no tensor '", tensor_name, "': node '",
                           name, "' has ", node->num_outputs(), " outputs");
  }
  return Output{node, index};
}

std::string Graph::UniqueName(std::string_view base) const {
  if (!by_name_.contains(base)) return std::string(base);
  int& next = next_suffix_.try_emplace(std::string(base), 1).first->second;
  for (;;) {
    std::string name = StrCat(base, "_", next++);
    if (!by_name_.contains(name)) return name;
  }
}

std::string Graph::UniqueScopeName(std::string_view base) {
  auto [it, is_new] = scopes_.try_emplace(std::string(base), 0);
  if (is_new && !by_name_.contains(base)) return it->first;
  for (;;) {
    std::string name = StrCat(base, "_", ++it->second);
    if (by_name_.contains(name)) continue;
    if (scopes_.try_emplace(name, 0).second) return name;
    it = scopes_.find(base);  // try_emplace may have moved it
  }
}

void Graph::SetInput(Node* node, int i, Output to) {
  node->inputs_[static_cast<size_t>(i)] = to;
}

void Graph::AddControlEdge(Node* from, Node* to) {
  if (!from || from == to) return;
  if (std::ranges::find(to->control_inputs_, from) ==
      to->control_inputs_.end()) {
    to->control_inputs_.push_back(from);
  }
}

void Graph::RemoveControlEdge(Node* from, Node* to) {
  std::erase(to->control_inputs_, from);
}

void Graph::ReplaceUses(Output from, Output to, const Node* except) {
  for (const auto& n : nodes_) {
    if (!n || n.get() == except) continue;
    for (Output& in : n->inputs_) {
      if (in == from) in = to;
    }
  }
}

void Graph::RemoveNode(Node* node) {
  by_name_.erase(node->name_);
  nodes_[static_cast<size_t>(node->id_)].reset();
}

Result<std::vector<Node*>> Graph::TopologicalOrder(
    const std::unordered_map<const Node*, int>& before) const {
  // Odd numbers come just before the node of the next even one.
  const auto turn = [&](const Node* n) {
    const auto it = before.empty() ? before.end() : before.find(n);
    const int turn = it == before.end() ? 2 * n->id() : 2 * it->second - 1;
    return std::pair(turn, n->id());
  };
  using Turn = std::pair<int, int>;
  std::vector<int> waiting(nodes_.size(), 0);
  std::vector<std::vector<Node*>> users(nodes_.size());
  std::priority_queue<Turn, std::vector<Turn>, std::greater<>> ready;
  for (const auto& n : nodes_) {
    if (!n) continue;
    auto depend = [&](const Node* on) {
      users[static_cast<size_t>(on->id())].push_back(n.get());
      ++waiting[static_cast<size_t>(n->id())];
    };
    for (const Output& in : n->inputs_) depend(in.node);
    for (const Node* c : n->control_inputs_) depend(c);
    if (waiting[static_cast<size_t>(n->id())] == 0) ready.push(turn(n.get()));
  }
  std::vector<Node*> order;
  order.reserve(by_name_.size());
  while (!ready.empty()) {
    const auto id = static_cast<size_t>(ready.top().second);
    ready.pop();
    order.push_back(nodes_[id].get());
    for (Node* u : users[id]) {
      if (--waiting[static_cast<size_t>(u->id())] == 0) ready.push(turn(u));
    }
  }
  if (order.size() != by_name_.size()) {
    for (const auto& n : nodes_) {
      if (n && waiting[static_cast<size_t>(n->id())] > 0) {
        return FailedPrecondition("the graph has a cycle through node '",
                                  n->name(), "'");
      }
    }
  }
  return order;
}

Graph Graph::Clone(std::unordered_map<const Node*, Node*>* map) const {
  std::unordered_map<const Node*, Node*> local;
  auto& to = map ? *map : local;
  Graph copy;
  for (const auto& n : nodes_) {
    if (!n) continue;
    auto node = std::make_unique<Node>(*n);
    node->id_ = static_cast<int>(copy.nodes_.size());
    to[n.get()] = node.get();
    copy.by_name_.emplace(node->name_, node.get());
    copy.nodes_.push_back(std::move(node));
  }
  for (auto& n : copy.nodes_) {
    for (Output& in : n->inputs_) in.node = to.at(in.node);
    for (Node*& c : n->control_inputs_) c = to.at(c);
  }
  copy.functions_ = functions_;
  copy.status_ = status_;
  return copy;
}

Consumers::Consumers(const Graph& graph) {
  for (Node* n : graph.nodes()) {
    for (int i = 0; i < n->num_inputs(); ++i) {
      data_[n->input(i)].emplace_back(n, i);
    }
    for (Node* c : n->control_inputs()) control_[c].push_back(n);
  }
}

const std::vector<std::pair<Node*, int>>& Consumers::Of(Output output) const {
  static const std::vector<std::pair<Node*, int>> kNone;
  auto it = data_.find(output);
  return it == data_.end() ? kNone : it->second;
}

const std::vector<Node*>& Consumers::ControlledBy(const Node* node) const {
  static const std::vector<Node*> kNone;
  auto it = control_.find(node);
  return it == control_.end() ? kNone : it->second;
}

bool Consumers::Unused(const Node* node) const {
  if (!ControlledBy(node).empty()) return false;
  for (int i = 0; i < node->num_outputs(); ++i) {
    if (!Of({const_cast<Node*>(node), i}).empty()) return false;
  }
  return true;
}

}  // namespace lockstep
