// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/fusion/move_widenings.h"

#include <algorithm>

namespace lockstep {
namespace {

class Widenings {
 public:
  Widenings(PlanGraph* plan, const Conditions& conditions,
            std::vector<ElementGroup>* groups)
      : plan_(*plan), conditions_(conditions), groups_(*groups) {
    for (size_t g = 0; g < groups_.size(); ++g) {
      for (const Node* n : groups_[g].nodes) group_[n] = g;
    }
  }

  Result<bool> Move() {
    for (size_t g = 0; g < groups_.size(); ++g) {
      LS_RETURN_IF_ERROR(MoveInto(g));
    }
    if (moved_) DropUnread();
    return moved_;
  }

 private:
  bool Widens(const Node& n) const {
    const ElementRule* rule = FindElementRule(n.def(), n.attrs());
    const Output in = n.input(0);
    return rule != nullptr && n.num_inputs() == 1 && rule->cost <= 1 &&
           !IsRef(in.dtype()) && in.shape().NumElements() >= kManyElements &&
           in.shape().NumElements() == n.output_shape(0).NumElements() &&
           DTypeSize(in.dtype()) < DTypeSize(n.output_type(0));
  }

  Status MoveInto(size_t g) {
    std::unordered_map<const Node*, Node*> copies;
    std::vector<Node*> all;
    for (Node* n : groups_[g].nodes) {
      for (int i = 0; i < n->num_inputs(); ++i) {
        Node* from = n->input(i).node;
        const auto it = group_.find(from);
        if (it == group_.end() || it->second == g || !Widens(*from) ||
            conditions_.Of(from) != conditions_.Of(n)) {
          continue;
        }
        Node*& copy = copies[from];
        if (copy == nullptr) {
          LS_ASSIGN_OR_RETURN(copy, Copy(*from));
          all.push_back(copy);
        }
        plan_.graph.SetInput(n, i, {copy, 0});
        moved_ = true;
      }
      all.push_back(n);
    }
    groups_[g].nodes = std::move(all);
    return Ok();
  }

  Result<Node*> Copy(const Node& from) {
    LS_ASSIGN_OR_RETURN(
        Node * copy,
        plan_.graph.AddNode({.name = plan_.graph.UniqueName(from.name()),
                             .op = from.op(),
                             .inputs = from.inputs(),
                             .attrs = from.attrs(),
                             .device = from.requested_device()}));
    copy->set_assigned_device(from.assigned_device());
    return copy;
  }

  void DropUnread() {
    const Consumers consumers(plan_.graph);
    for (ElementGroup& group : groups_) {
      std::erase_if(group.nodes, [&](const Node* n) {
        const auto is_it = [&](const Output& f) { return f.node == n; };
        return consumers.Unused(n) &&
               std::ranges::none_of(plan_.fetches, is_it) &&
               std::ranges::find(plan_.targets, n) == plan_.targets.end();
      });
    }
    std::erase_if(groups_,
                  [](const ElementGroup& g) { return g.nodes.empty(); });
  }

  PlanGraph& plan_;
  const Conditions& conditions_;
  std::vector<ElementGroup>& groups_;
  std::unordered_map<const Node*, size_t> group_;
  bool moved_ = false;
};

}  // namespace

Result<bool> MoveWidenings(PlanGraph* plan, const Conditions& conditions,
                           std::vector<ElementGroup>* groups) {
  return Widenings(plan, conditions, groups).Move();
}

}  // namespace lockstep
