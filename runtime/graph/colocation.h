// SPDX-License-Identifier: Apache-2.0
#pragma once

// ColocationGroups: which nodes of a graph have to be on one device, and why.
//
// Nodes belong together by `_class` ("loc:@name": nodes with the same name in
// it, and the node of that name), by a reference (a variable of TensorFlow 1
// and what updates it) and by a handle (a resource and what takes it); groups
// are transitive. Reading a reference as a value joins nothing, and a call
// joins nothing to its arguments: its body is looked at when it is inlined.
// Not thread-safe; the graph must not change in the meantime.
//
//   ColocationGroups groups(graph);
//   groups.GroupOf(v) == groups.GroupOf(assign);       // true
//   groups.Chain({assign}, {v})[0].ToString();
//       // "'assign' updates 'v' by reference"

#include <string>
#include <vector>

#include "runtime/graph/graph.h"

namespace lockstep {

struct ColocationLink {
  enum class Kind { kClass, kReference, kHandle };
  // `node` has to be where `with` is; for references and handles it is the
  // one that takes them.
  const Node* node = nullptr;
  const Node* with = nullptr;
  Kind kind = Kind::kClass;

  std::string ToString() const;
};

class ColocationGroups {
 public:
  explicit ColocationGroups(const Graph& graph);

  // A number for each group; equal for nodes that belong together.
  int GroupOf(const Node* node) const;
  // In order of node id.
  const std::vector<Node*>& Members(int group) const;
  // Input links of `node` that carry a reference or a handle: the first of
  // them, null when there is none.
  const ColocationLink* TakesFrom(const Node* node) const;
  // The links by which `node` is joined to others.
  std::vector<const ColocationLink*> LinksOf(const Node* node) const;
  // The fewest links that join one of `from` to one of `to`, in order from the
  // former; empty when nothing does or a node is in both.
  std::vector<ColocationLink> Chain(const std::vector<const Node*>& from,
                                    const std::vector<const Node*>& to) const;

 private:
  int Root(int id);
  void Join(const Node* node, const Node* with, ColocationLink::Kind kind);
  void JoinByClass(const Graph& graph);
  void JoinByEdges(const Node* node);

  std::vector<int> parent_;                 // by node id
  std::vector<std::vector<int>> links_of_;  // by node id, into links_
  std::vector<ColocationLink> links_;
  std::vector<std::vector<Node*>> members_;  // by root
};

}  // namespace lockstep
