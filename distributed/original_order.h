// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where nodes stand in the graph as it was built. Plans of several ranks may
// differ (a last batch of another size is folded differently); this does not,
// so that all ranks agree on an order. Internal to distributed/.

#include <span>
#include <unordered_map>
#include <vector>

#include "distributed/gradient_bucket.h"
#include "runtime/graph/graph.h"

namespace lockstep {

class OriginalOrder {
 public:
  // `original` has to outlive it.
  static Result<OriginalOrder> Make(const Graph& original);

  std::span<const Node* const> nodes() const { return nodes_; }
  // The node of that name; null for what the planner made.
  const Node* Find(const Node* node) const {
    return original_->Find(node->name());
  }
  int Of(const Node* node) const;
  // Of what the node's input was made by.
  int OfInput(const Node* node, int input) const;
  // The output that was the gradient; the plan's own when it is not there.
  Output OutputOf(const Gradient& gradient) const;

 private:
  explicit OriginalOrder(const Graph& original) : original_(&original) {}
  const Graph* original_;
  std::vector<const Node*> nodes_;
  std::unordered_map<const Node*, int> positions_;
};

}  // namespace lockstep
