// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/colocation.h"

#include <algorithm>
#include <deque>
#include <numeric>
#include <string_view>
#include <unordered_set>

#include "runtime/graph/control_flow.h"

namespace lockstep {

std::string ColocationLink::ToString() const {
  const char* how = " is colocated with ";
  const char* by = " by _class";
  if (kind == Kind::kReference) {
    how = " takes the reference of ";
    by = "";
  } else if (kind == Kind::kHandle) {
    how = " takes the handle of ";
    by = "";
  }
  return StrCat("'", node->name(), "'", how, "'", with->name(), "'", by);
}

ColocationGroups::ColocationGroups(const Graph& graph)
    : parent_(static_cast<size_t>(graph.max_id())),
      links_of_(parent_.size()),
      members_(parent_.size()) {
  std::iota(parent_.begin(), parent_.end(), 0);
  JoinByClass(graph);
  const std::vector<Node*> nodes = graph.nodes();
  for (const Node* n : nodes) JoinByEdges(n);
  for (Node* n : nodes) {
    const int root = Root(n->id());
    members_[static_cast<size_t>(root)].push_back(n);
  }
  // GroupOf reads without searching.
  for (size_t i = 0; i < parent_.size(); ++i) Root(static_cast<int>(i));
}

int ColocationGroups::Root(int id) {
  int root = id;
  while (parent_[static_cast<size_t>(root)] != root) {
    root = parent_[static_cast<size_t>(root)];
  }
  while (parent_[static_cast<size_t>(id)] != root) {
    id = std::exchange(parent_[static_cast<size_t>(id)], root);
  }
  return root;
}

void ColocationGroups::Join(const Node* node, const Node* with,
                            ColocationLink::Kind kind) {
  const int link = static_cast<int>(links_.size());
  links_.push_back({node, with, kind});
  links_of_[static_cast<size_t>(node->id())].push_back(link);
  links_of_[static_cast<size_t>(with->id())].push_back(link);
  const int a = Root(node->id()), b = Root(with->id());
  parent_[static_cast<size_t>(std::max(a, b))] = std::min(a, b);
}

// A name need not be that of a node: it joins those that give it.
void ColocationGroups::JoinByClass(const Graph& graph) {
  constexpr std::string_view kPrefix = "loc:@";
  std::unordered_map<std::string_view, const Node*> first;
  for (const Node* n : graph.nodes()) {
    const auto* names = GetIf<std::vector<std::string>>(n->attrs(), "_class");
    if (!names) continue;
    for (const std::string& text : *names) {
      if (!text.starts_with(kPrefix)) continue;
      const std::string_view name =
          std::string_view(text).substr(kPrefix.size());
      if (name == n->name()) continue;
      const Node* with = graph.Find(name);
      if (!with) with = first.emplace(name, n).first->second;
      if (with != n) Join(n, with, ColocationLink::Kind::kClass);
    }
  }
}

void ColocationGroups::JoinByEdges(const Node* node) {
  if (IsCall(*node)) return;
  const bool any = std::ranges::any_of(
      node->inputs(), [](const Output& in) { return IsHandle(in.dtype()); });
  if (!any) return;
  const auto types = ArgTypes(node->def(), node->def().inputs, node->attrs());
  for (int i = 0; i < node->num_inputs(); ++i) {
    const Output& in = node->input(i);
    if (in.node == node || IsCall(*in.node)) continue;
    if (BaseOf(in.dtype()) == kResource) {
      Join(node, in.node, ColocationLink::Kind::kHandle);
    } else if (IsRef(in.dtype()) &&
               (PassesHandle(*node, i) ||
                (types.ok() && IsRef((*types)[static_cast<size_t>(i)])))) {
      Join(node, in.node, ColocationLink::Kind::kReference);
    }
  }
}

int ColocationGroups::GroupOf(const Node* node) const {
  return parent_[static_cast<size_t>(node->id())];
}

const std::vector<Node*>& ColocationGroups::Members(int group) const {
  return members_[static_cast<size_t>(group)];
}

std::vector<const ColocationLink*> ColocationGroups::LinksOf(
    const Node* node) const {
  std::vector<const ColocationLink*> links;
  for (int i : links_of_[static_cast<size_t>(node->id())]) {
    links.push_back(&links_[static_cast<size_t>(i)]);
  }
  return links;
}

const ColocationLink* ColocationGroups::TakesFrom(const Node* node) const {
  for (const ColocationLink* link : LinksOf(node)) {
    if (link->node == node && link->kind != ColocationLink::Kind::kClass) {
      return link;
    }
  }
  return nullptr;
}

std::vector<ColocationLink> ColocationGroups::Chain(
    const std::vector<const Node*>& from,
    const std::vector<const Node*>& to) const {
  const std::unordered_set<const Node*> ends(to.begin(), to.end());
  std::unordered_map<const Node*, const ColocationLink*> reached_by;
  std::deque<const Node*> next;
  for (const Node* n : from) {
    if (reached_by.emplace(n, nullptr).second) next.push_back(n);
  }
  const Node* end = nullptr;
  while (!next.empty() && !end) {
    const Node* n = next.front();
    next.pop_front();
    if (ends.contains(n)) end = n;
    for (const ColocationLink* link : LinksOf(n)) {
      const Node* other = link->node == n ? link->with : link->node;
      if (reached_by.emplace(other, link).second) next.push_back(other);
    }
  }
  std::vector<ColocationLink> chain;
  while (end && reached_by.at(end)) {
    const ColocationLink* link = reached_by.at(end);
    chain.push_back(*link);
    end = link->node == end ? link->with : link->node;
  }
  std::ranges::reverse(chain);
  return chain;
}

}  // namespace lockstep
