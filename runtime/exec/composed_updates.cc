// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/composed_updates.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "runtime/exec/schedule.h"

namespace lockstep {
namespace {

using NodeSet = std::unordered_set<const Node*>;
using OutputSet = std::unordered_set<Output, OutputHash>;

// Of one tensor: gradients of rows have their indices beside them.
bool AppliesWhole(const Node& n) {
  return n.traits().applies_gradient >= 0 &&
         std::ranges::find(n.def().inputs, std::string_view("indices"),
                           &ArgDef::name) == n.def().inputs.end();
}

struct Update {
  const Node* node = nullptr;
  int value = 1;
  const Node* variable = nullptr;
  bool composed = false;
  // What the walk from its value upwards met.
  std::vector<Output> gradients;
  NodeSet arithmetic, reads;
  bool has_rows = false;  // the value itself
  bool fed = false;       // no rows up to something fed
};

class Finder {
 public:
  Finder(const std::vector<Node*>& nodes, const SampleFlow& samples)
      : nodes_(nodes), samples_(samples) {}

  Result<ComposedUpdates> Run() {
    if (!FindUpdates()) return ComposedUpdates();
    for (Update& u : updates_) Walk(&u);
    FindModel();
    for (const Update& u : updates_) {
      if (u.composed) {
        LS_RETURN_IF_ERROR(TakeComposed(u));
      } else {
        TakeApply(u);
      }
    }
    if (found_.gradients.empty()) return ComposedUpdates();
    for (const Update& u : updates_) {
      found_.readers.insert(u.node);
      found_.readers.insert(u.arithmetic.begin(), u.arithmetic.end());
      if (u.composed && IsTaken(u)) found_.updates.insert(u.node);
    }
    return std::move(found_);
  }

 private:
  bool FindUpdates();
  void Walk(Update* update) const;
  void FindModel();
  void AddModelReads(const Update& update);
  std::vector<const Update*> Behind(const Update& update) const;
  Status TakeComposed(const Update& update);
  void TakeApply(const Update& update);
  void Take(const std::vector<const Update*>& updates);
  bool IsTaken(const Update& u) const {
    return !u.fed && !u.gradients.empty() &&
           std::ranges::all_of(u.gradients, [&](const Output& g) {
             return taken_.contains(g);
           });
  }

  const std::vector<Node*>& nodes_;
  const SampleFlow& samples_;
  std::vector<Update> updates_;
  std::unordered_map<const Node*, std::vector<size_t>> composed_of_;
  OutputSet of_composed_;  // gradients of composed updates
  // Variables of which rows of samples are made; the same where the graph has
  // no rows: those of which something of another shape is made.
  NodeSet model_, closed_model_;
  OutputSet taken_;
  ComposedUpdates found_;
};

// False when no update is composed of what depends on samples.
bool Finder::FindUpdates() {
  bool any = false;
  for (const Node* n : nodes_) {
    const bool composed = IsComposedUpdate(*n);
    if (!composed && !AppliesWhole(*n)) continue;
    const Output variable = VariableBehind(n->input(0));
    if (!variable.defined()) continue;
    const int value = composed ? 1 : n->traits().applies_gradient;
    any = any || (composed && samples_.Depends(n->input(value)));
    if (composed) composed_of_[variable.node].push_back(updates_.size());
    updates_.push_back({.node = n,
                        .value = value,
                        .variable = variable.node,
                        .composed = composed});
  }
  return any;
}

void Finder::Walk(Update* update) const {
  const Node& node = *update->node;
  if (samples_.HasRows(node, update->value)) {
    update->has_rows = true;
    return;
  }
  OutputSet seen = {node.input(update->value)};
  std::vector<Output> stack(seen.begin(), seen.end());
  while (!stack.empty()) {
    const Output o = stack.back();
    stack.pop_back();
    const Node& n = *o.node;
    if (n.traits().variable) update->reads.insert(&n);
    // What these give is the same on all ranks.
    if (n.traits().applies_gradient >= 0 || n.traits().synchronizes) continue;
    if (samples_.Depends(o)) {
      if (samples_.IsFed(o)) {
        update->fed = true;
        continue;
      }
      bool rows = false;
      for (int i = 0; i < n.num_inputs(); ++i) {
        rows = rows || samples_.HasRows(n, i);
      }
      if (rows) {
        update->gradients.push_back(o);
        continue;
      }
      update->arithmetic.insert(&n);
    }
    for (const Output& in : n.inputs()) {
      if (seen.insert(in).second) stack.push_back(in);
    }
  }
}

// Below no rows: what is made of the variable by a product with samples, or of
// its rows, has another shape.
void Finder::AddModelReads(const Update& update) {
  if (!update.fed) return;
  for (const Node* n : update.arithmetic) {
    if (n->num_outputs() == 0 || IsComposedUpdate(*n)) continue;
    for (const Output& in : n->inputs()) {
      const Output variable = VariableBehind(in);
      if (!variable.defined() || in.dtype() == kResource) continue;
      const Shape& made = n->output_shape(0);
      if (made.IsFullyKnown() && in.shape().IsFullyKnown() &&
          made != in.shape()) {
        closed_model_.insert(variable.node);
      }
    }
  }
}

void Finder::FindModel() {
  OutputSet seen;
  std::vector<Output> stack;
  for (const Update& u : updates_) {
    for (const Output& g : u.gradients) {
      if (seen.insert(g).second) stack.push_back(g);
      if (u.composed) of_composed_.insert(g);
    }
    const Output value = u.node->input(u.value);
    if (u.has_rows && seen.insert(value).second) stack.push_back(value);
    if (u.composed) AddModelReads(u);
  }
  while (!stack.empty()) {
    const Node& n = *stack.back().node;
    stack.pop_back();
    if (n.traits().variable) model_.insert(&n);
    for (const Output& in : n.inputs()) {
      if (seen.insert(in).second) stack.push_back(in);
    }
  }
}

// The update and the composed ones of the variables that its value is made of,
// and so on.
std::vector<const Update*> Finder::Behind(const Update& update) const {
  std::vector<const Update*> all = {&update};
  std::unordered_set<const Update*> seen = {&update};
  for (size_t i = 0; i < all.size(); ++i) {
    for (const Node* variable : all[i]->reads) {
      const auto found = composed_of_.find(variable);
      if (found == composed_of_.end()) continue;
      for (const size_t at : found->second) {
        if (seen.insert(&updates_[at]).second) all.push_back(&updates_[at]);
      }
    }
  }
  return all;
}

void Finder::Take(const std::vector<const Update*>& updates) {
  for (const Update* u : updates) {
    for (const Output& g : u->gradients) {
      if (taken_.insert(g).second) found_.gradients.push_back(g);
    }
  }
}

Status Finder::TakeComposed(const Update& update) {
  const auto refuse = [&](std::string_view why) {
    return Unimplemented("node '", update.node->name(), "' (",
                         update.node->op(), ") trains variable '",
                         update.variable->name(), "' by a gradient that ", why,
                         ": it cannot be summed over ranks");
  };
  const std::vector<const Update*> behind = Behind(update);
  if (model_.contains(update.variable)) {
    if (update.has_rows) {
      return refuse("has rows of samples or a shape that is not known");
    }
    Take(behind);
    if (std::ranges::any_of(
            behind, [](const Update* u) { return !u->gradients.empty(); })) {
      found_.trained.insert(update.variable);
    }
  } else if (closed_model_.contains(update.variable)) {
    return refuse(
        "is not to be told from its samples, their number being fixed in the "
        "graph (a placeholder with an open dimension 0 would do)");
  }
  return Ok();
}

// An Apply* op for part of whose gradients slots are kept by simple ops.
void Finder::TakeApply(const Update& update) {
  const std::vector<const Update*> behind = Behind(update);
  const bool shared = std::ranges::any_of(behind, [&](const Update* u) {
    return std::ranges::any_of(u->gradients, [&](const Output& g) {
      return of_composed_.contains(g);
    });
  });
  if (!shared) return;
  Take(behind);
  found_.applies.insert(update.node);
}

}  // namespace

bool IsComposedUpdate(const Node& n) {
  return n.traits().assigns || n.op().starts_with("AssignAdd") ||
         n.op().starts_with("AssignSub");
}

Result<ComposedUpdates> FindComposedUpdates(const std::vector<Node*>& nodes,
                                            const SampleFlow& samples) {
  return Finder(nodes, samples).Run();
}

}  // namespace lockstep
