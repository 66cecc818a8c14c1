// SPDX-License-Identifier: Apache-2.0
#include "distributed/original_order.h"

namespace lockstep {

Result<OriginalOrder> OriginalOrder::Make(const Graph& original) {
  OriginalOrder order(original);
  LS_ASSIGN_OR_RETURN(std::vector<Node*> nodes, original.TopologicalOrder());
  for (size_t i = 0; i < nodes.size(); ++i) {
    order.positions_[nodes[i]] = static_cast<int>(i);
    order.nodes_.push_back(nodes[i]);
  }
  return order;
}

int OriginalOrder::Of(const Node* node) const {
  const Node* found = Find(node);
  return found == nullptr ? kLastPosition : positions_.at(found);
}

int OriginalOrder::OfInput(const Node* node, int input) const {
  const Node* found = Find(node);
  if (found == nullptr || input >= found->num_inputs()) return kLastPosition;
  return positions_.at(found->input(input).node);
}

Output OriginalOrder::OutputOf(const Gradient& gradient) const {
  const auto& [node, input] = gradient.uses[0];
  const Node* found = Find(node);
  return found == nullptr || input >= found->num_inputs() ? gradient.output
                                                          : found->input(input);
}

}  // namespace lockstep
