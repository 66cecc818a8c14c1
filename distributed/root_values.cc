// SPDX-License-Identifier: Apache-2.0
#include "distributed/root_values.h"

#include "distributed/divided_updates.h"
#include "distributed/gradient_facts.h"
#include "runtime/exec/schedule.h"

namespace lockstep {

std::vector<std::pair<Node*, int>> FindRootValues(const PassContext& context,
                                                  bool divided) {
  const std::unordered_set<std::string> slots = FindSlots(context.original);
  std::vector<std::pair<Node*, int>> found;
  for (Node* node : context.graph.nodes()) {
    const int gradient = node->traits().applies_gradient;
    if (node->traits().assigns) {
      const Output value = node->input(1);
      if (!IsPod(BaseOf(value.dtype()))) continue;  // strings: each rank's own
      const bool meets =
          slots.contains(VariableBehind(node->input(0)).node->name());
      if (meets || !EqualOnAllRanks(value)) found.emplace_back(node, 1);
    } else if (divided && gradient >= 0 && HasSlots(*node) &&
               SynchronizingAbove(node->input(gradient)).empty()) {
      found.emplace_back(node, gradient);
    }
  }
  return found;
}

}  // namespace lockstep
