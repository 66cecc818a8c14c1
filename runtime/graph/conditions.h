// SPDX-License-Identifier: Apache-2.0
#pragma once

// What has to hold for a node to run: the branches of the Switches above it.
//
// A node below output 1 of Switch(x, p) runs when p is true, and when whatever
// the Switch itself depends on holds. A Merge runs when one of its inputs does;
// where its inputs are the two sides of one Switch that is known beforehand.
//
//   LS_ASSIGN_OR_RETURN(auto order, graph.TopologicalOrder());
//   Conditions conditions(order);
//   for (int c : conditions.Of(node)) ...     // all of them, sorted

#include <unordered_map>
#include <vector>

#include "runtime/graph/graph.h"

namespace lockstep {

class Conditions {
 public:
  // One condition: `predicate` has the value `side`, or `merge` ran.
  struct Source {
    Output predicate;
    bool side = false;
    const Node* merge = nullptr;
  };

  // Requires an order in which inputs come first.
  explicit Conditions(const std::vector<Node*>& order);

  // Empty: runs always.
  const std::vector<int>& Of(const Node* n) const { return of_.at(n); }
  // When the output has a value: more than Of(o.node) for a Switch.
  std::vector<int> Of(Output o) const;
  int count() const { return static_cast<int>(sources_.size()); }
  const Source& source(int condition) const {
    return sources_[static_cast<size_t>(condition)];
  }
  // The condition that `merge` sets; -1 when it is known beforehand.
  int SetBy(const Node* merge) const;
  // The conditions (false, true) of a Switch's predicate.
  std::pair<int, int> Sides(const Node* a_switch) const;

 private:
  void Visit(const Node* n);
  void VisitMerge(const Node* n);
  bool AreBothSides(int a, int b) const;

  std::vector<Source> sources_;
  std::unordered_map<const Node*, std::vector<int>> of_;
  std::unordered_map<Output, int, OutputHash> first_side_;  // of predicates
  std::unordered_map<const Node*, int> set_by_;             // Merges
};

}  // namespace lockstep
