// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/fusion/element_groups.h"

#include <algorithm>
#include <set>

#include "runtime/graph/conditions.h"
#include "runtime/graph/control_flow.h"
#include "runtime/graph/fusion/element_program.h"
#include "runtime/graph/memory_spaces.h"
#include "runtime/op/element_functor.h"

namespace lockstep {
namespace {

constexpr size_t kMaxNodes = 4096;  // of a group

bool IsSource(const Node& n) {
  return n.num_inputs() == 0 && n.control_inputs().empty();
}

bool Updates(const Node& n) {
  if (n.traits().only_reads || n.traits().alias.first >= 0) return false;
  const auto types = ArgTypes(n.def(), n.def().inputs, n.attrs());
  for (int i = 0; i < n.num_inputs(); ++i) {
    if (PassesHandle(n, i) ||
        (types.ok() && IsHandle((*types)[static_cast<size_t>(i)]))) {
      return true;
    }
  }
  return false;
}

struct Group : ElementGroup {
  std::set<std::pair<const Node*, int>> outside;  // what they read
};

// Ops are numbered by stages: along an edge that is not fused the number
// grows, along one that is it stays. Two ops of one group have equal numbers,
// so a path between them that leaves the group does not exist.
class Grouper {
 public:
  Grouper(const std::vector<Node*>& order, const Conditions& conditions,
          bool gpus)
      : conditions_(conditions), gpus_(gpus) {
    for (Node* n : order) Visit(n);
  }

  // The groups that are worth a node.
  std::vector<ElementGroup> Take(
      const std::function<bool(const Node*)>& alone) {
    std::vector<ElementGroup> found;
    for (Group& g : groups_) {
      if (g.nodes.size() > 1 || (g.nodes.size() == 1 && alone(g.nodes[0]))) {
        found.push_back(std::move(g));
      }
    }
    return found;
  }

 private:
  struct Facts {
    int stage = -1;
    bool after_update = false;  // or one itself
    int group = -1;             // see Find
  };

  void Visit(Node* n) {
    Facts f;
    f.after_update = Updates(*n);
    for (const Output& in : n->inputs()) {
      f.after_update |= facts_.at(in.node).after_update;
    }
    for (const Node* c : n->control_inputs()) {
      f.after_update |= facts_.at(c).after_update;
    }
    const bool candidate = !f.after_update && Fusable(*n);
    f.stage = StageOf(*n, candidate);
    facts_[n] = f;
    if (candidate) Join(n);
  }

  int StageOf(const Node& n, bool candidate) const {
    const bool alias = IsPlainAlias(n);
    int stage = alias || IsSource(n) ? -1 : 0;
    for (const Output& in : n.inputs()) {
      const bool stays = alias || (candidate && Joins(n, in) != nullptr);
      stage = std::max(stage, facts_.at(in.node).stage + (stays ? 0 : 1));
    }
    for (const Node* c : n.control_inputs()) {
      stage = std::max(stage, facts_.at(c).stage + 1);
    }
    return stage;
  }

  bool Fusable(const Node& n) const {
    const OpTraits& t = n.traits();
    if (n.num_outputs() != 1 || n.num_inputs() == 0 || t.stateful ||
        t.constant || t.variable || t.placeholder || t.alias.first >= 0 ||
        !n.control_inputs().empty()) {
      return false;
    }
    const ElementRule* rule = FindElementRule(n.def(), n.attrs());
    if (!rule || (IsOnGpu(n) && !FusableOnGpu(n, *rule)) ||
        !IsPod(n.output_type(0)) || !n.output_shape(0).IsFullyKnown() ||
        n.output_shape(0).NumElements() == 0) {
      return false;
    }
    std::vector<Shape> shapes;
    for (const Output& in : n.inputs()) {
      if (!in.shape().IsFullyKnown() || !IsPod(BaseOf(in.dtype())))
        return false;
      shapes.push_back(in.shape());
    }
    if (rule->fits != nullptr && !rule->fits(n.attrs(), shapes)) return false;
    for (int i = 0; i < OperandsOf(n, *rule); ++i) {
      const Result<Shape> both =
          Shape::Broadcast(n.input(i).shape(), n.output_shape(0));
      if (!both.ok() || *both != n.output_shape(0)) return false;
    }
    if (rule->spreads()) {
      return n.input(0).shape().NumElements() !=
             n.output_shape(0).NumElements();
    }
    return ElementProgram::Of(n.def(), n.attrs(), {}).dtype == n.output_type(0);
  }

  // With its elements in the GPU's memory.
  bool FusableOnGpu(const Node& n, const ElementRule& rule) const {
    if (!gpus_ || n.def().FindKernel(kGpu, n.attrs()) == nullptr ||
        (!rule.spreads() && ElementFunctorOf(n.def()) == nullptr)) {
      return false;
    }
    const OperandMemory memory = OperandMemoryOf(n);
    for (int i = 0; i < OperandsOf(n, rule); ++i) {
      if (!memory.input_on_gpu[static_cast<size_t>(i)]) return false;
    }
    return memory.output_on_gpu[0];
  }

  // The op behind `in`, when it may be computed together with `n`.
  const Node* Joins(const Node& n, Output in) const {
    const int operands = OperandsOf(n, *FindElementRule(n.def(), n.attrs()));
    const auto at = std::ranges::find(n.inputs(), in) - n.inputs().begin();
    if (at >= operands) return nullptr;
    const Node* from = BehindAliases(in).node;
    const auto it = facts_.find(from);
    if (it == facts_.end() || it->second.group < 0 ||
        from->assigned_device() != n.assigned_device() ||
        from->output_shape(0).NumElements() !=
            n.output_shape(0).NumElements() ||
        conditions_.Of(from) != conditions_.Of(&n)) {
      return nullptr;
    }
    return from;
  }

  void Join(Node* n) {
    Facts& f = facts_.at(n);
    Group own;
    own.nodes = {n};
    std::vector<int> joined;
    for (const Output& in : n->inputs()) {
      const Node* from = Joins(*n, in);
      if (from && facts_.at(from).stage == f.stage) {
        joined.push_back(Find(facts_.at(from).group));
      } else {
        own.outside.emplace(in.node, in.index);
      }
    }
    std::ranges::sort(joined);
    joined.erase(std::unique(joined.begin(), joined.end()), joined.end());
    size_t nodes = 1, outside = own.outside.size();
    for (const int g : joined) {
      nodes += groups_[static_cast<size_t>(g)].nodes.size();
      outside += groups_[static_cast<size_t>(g)].outside.size();
    }
    f.group = static_cast<int>(groups_.size());
    parent_.push_back(f.group);
    groups_.push_back(std::move(own));
    if (nodes > kMaxNodes || outside > kMaxFusedInputs) {
      ++f.stage;  // a group of its own, after them
      for (const Output& in : n->inputs()) {
        groups_.back().outside.emplace(in.node, in.index);
      }
      return;
    }
    for (const int g : joined) Unite(g, f.group);
  }

  int Find(int group) {
    while (parent_[static_cast<size_t>(group)] != group) {
      group = parent_[static_cast<size_t>(group)];
    }
    return group;
  }

  // The larger one takes in the other.
  void Unite(int a, int b) {
    a = Find(a);
    b = Find(b);
    if (a == b) return;
    Group* to = &groups_[static_cast<size_t>(a)];
    Group* from = &groups_[static_cast<size_t>(b)];
    if (to->nodes.size() < from->nodes.size()) {
      std::swap(a, b);
      std::swap(to, from);
    }
    parent_[static_cast<size_t>(b)] = a;
    to->nodes.insert(to->nodes.end(), from->nodes.begin(), from->nodes.end());
    to->outside.insert(from->outside.begin(), from->outside.end());
    *from = {};
  }

  const Conditions& conditions_;
  const bool gpus_;
  std::unordered_map<const Node*, Facts> facts_;
  std::vector<Group> groups_;
  std::vector<int> parent_;
};

}  // namespace

bool IsPlainAlias(const Node& n) {
  return n.num_outputs() == 1 && n.traits().alias.first == 0 &&
         n.control_inputs().empty() && !n.traits().variable && !IsSwitch(n) &&
         !IsMerge(n) && !IsHandle(n.output_type(0)) &&
         n.output_shape(0).IsFullyKnown();
}

Output BehindAliases(Output o) {
  while (IsPlainAlias(*o.node)) {
    o = o.node->input(o.node->traits().alias.second);
  }
  return o;
}

int OperandsOf(const Node& n, const ElementRule& rule) {
  return rule.operands > 0 ? rule.operands : n.num_inputs();
}

std::vector<ElementGroup> ElementGroups(
    const std::vector<Node*>& order, const Conditions& conditions, bool gpus,
    const std::function<bool(const Node*)>& alone) {
  std::unordered_map<const Node*, size_t> position;
  for (size_t i = 0; i < order.size(); ++i) position[order[i]] = i;
  const auto at = [&](const Node* n) { return position.at(n); };
  std::vector<ElementGroup> groups =
      Grouper(order, conditions, gpus).Take(alone);
  for (ElementGroup& g : groups) std::ranges::sort(g.nodes, {}, at);
  std::ranges::sort(groups, {},
                    [&](const ElementGroup& g) { return at(g.nodes[0]); });
  return groups;
}

}  // namespace lockstep
