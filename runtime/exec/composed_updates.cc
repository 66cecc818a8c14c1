// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/composed_updates.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "runtime/exec/gradient_arithmetic.h"
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
  bool fed = false;       // no rows up to something fed that is no scalar
};

class Finder {
 public:
  Finder(const std::vector<Node*>& nodes, const SampleFlow& samples)
      : nodes_(nodes), samples_(samples) {}

  Result<ComposedUpdates> Run() {
    if (!FindUpdates()) return ComposedUpdates();
    const bool walks = any_composed_ || AnyRows();
    for (Update& u : updates_) {
      if (walks) {
        Walk(&u);
      } else {
        u.fed = samples_.Depends(u.node->input(u.value));
      }
    }
    FindModel();
    FindArithmetic();
    for (const Update& u : updates_) {
      LS_RETURN_IF_ERROR(u.composed ? TakeComposed(u) : CheckApply(u));
    }
    TakeApplies();
    if (found_.gradients.empty()) return ComposedUpdates();
    for (const Update& u : updates_) {
      if (u.composed && IsTaken(u)) found_.updates.insert(u.node);
    }
    MoveDown();
    return std::move(found_);
  }

 private:
  bool FindUpdates();
  bool AnyRows() const;
  void Walk(Update* update) const;
  void FindModel();
  void AddModelReads(const Update& update);
  void FindArithmetic();
  std::vector<const Update*> Behind(const Update& update) const;
  Status Refuse(const Update& update, std::string_view why) const;
  Status TakeComposed(const Update& update);
  Status TakeFed(const Update& update);
  Status CheckApply(const Update& update) const;
  void TakeApplies();
  bool SharesTaken(const std::vector<const Update*>& updates) const;
  bool IsAffine(const Update& update) const;
  void Take(const std::vector<const Update*>& updates);
  void Take(Output gradient) {
    if (taken_.insert(gradient).second) found_.gradients.push_back(gradient);
  }
  const Node* OnlyUser(Output gradient, const OutputSet& gradients) const;
  void MoveDown();
  bool IsTaken(const Update& u) const {
    return !u.fed && !u.gradients.empty() &&
           std::ranges::all_of(u.gradients, [&](const Output& g) {
             return taken_.contains(g);
           });
  }

  const std::vector<Node*>& nodes_;
  const SampleFlow& samples_;
  std::vector<Update> updates_;
  bool any_composed_ = false;
  std::unordered_map<const Node*, std::vector<size_t>> composed_of_;
  OutputSet of_composed_;  // gradients of composed updates
  // Variables of which rows of samples are made; the same where the graph has
  // no rows: those of which something of another shape is made.
  NodeSet model_, closed_model_;
  std::optional<GradientArithmetic> arithmetic_;
  OutputSet taken_;
  ComposedUpdates found_;
};

// False when no update depends on samples.
bool Finder::FindUpdates() {
  bool any = false;
  for (const Node* n : nodes_) {
    const bool composed = IsComposedUpdate(*n);
    if (!composed && !AppliesWhole(*n)) continue;
    const Output variable = VariableBehind(n->input(0));
    if (!variable.defined()) continue;
    const int value = composed ? 1 : n->traits().applies_gradient;
    const bool depends = samples_.Depends(n->input(value));
    any = any || depends;
    any_composed_ = any_composed_ || (composed && depends);
    if (composed) composed_of_[variable.node].push_back(updates_.size());
    updates_.push_back({.node = n,
                        .value = value,
                        .variable = variable.node,
                        .composed = composed});
  }
  return any;
}

bool Finder::AnyRows() const {
  return std::ranges::any_of(nodes_, [&](const Node* n) {
    for (int i = 0; i < n->num_inputs(); ++i) {
      if (samples_.HasRows(*n, i)) return true;
    }
    return false;
  });
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
        update->fed =
            update->fed || !o.shape().HasRank() || o.shape().rank() > 0;
        continue;
      }
      bool rows = false;
      for (int i = 0; i < n.num_inputs(); ++i) {
        rows = rows || samples_.HasRows(n, i);
      }
      if (rows) {
        if (IsFloating(BaseOf(o.dtype()))) update->gradients.push_back(o);
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

void Finder::FindArithmetic() {
  std::vector<Output> gradients;
  for (const Update& u : updates_) {
    found_.readers.insert(u.node);
    found_.readers.insert(u.arithmetic.begin(), u.arithmetic.end());
    gradients.insert(gradients.end(), u.gradients.begin(), u.gradients.end());
  }
  arithmetic_.emplace(found_.readers, gradients);
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
    for (const Output& g : u->gradients) Take(g);
  }
}

Status Finder::Refuse(const Update& update, std::string_view why) const {
  return Unimplemented("node '", update.node->name(), "' (", update.node->op(),
                       ") trains variable '", update.variable->name(),
                       "' by a gradient that ", why,
                       ": it cannot be summed over ranks");
}

constexpr std::string_view kFixedSamples =
    "is not to be told from its samples, their number being fixed in the graph "
    "(a placeholder with an open dimension 0 would do)";

Status Finder::TakeComposed(const Update& update) {
  const bool trains = samples_.Depends(update.node->input(update.value)) &&
                      samples_.Trains(*update.variable);
  if (model_.contains(update.variable) || trains) {
    if (update.has_rows) {
      return Refuse(update, "has rows of samples or a shape that is not known");
    }
    const std::vector<const Update*> behind = Behind(update);
    Take(behind);
    if (std::ranges::any_of(
            behind, [](const Update* u) { return !u->gradients.empty(); })) {
      found_.trained.insert(update.variable);
    } else if (update.fed) {
      return TakeFed(update);
    }
  } else if (closed_model_.contains(update.variable)) {
    return Refuse(update, kFixedSamples);
  }
  return Ok();
}

// A gradient that is fed, or made where no rows are told: its mean may be taken
// where the variable reads it if all that was done to it is affine. What is
// assigned as it is fed is a value to start from.
Status Finder::TakeFed(const Update& update) {
  if (closed_model_.contains(update.variable)) {
    return Refuse(update, kFixedSamples);
  }
  const Output value = update.node->input(update.value);
  const ElementPath path = ElementPathTo(value, samples_);
  if (update.node->traits().assigns && path.is_fed) return Ok();
  if (!path.affine) return Refuse(update, kFixedSamples);
  Take(value);
  found_.trained.insert(update.variable);
  return Ok();
}

// Where no rows are told the mean is taken of what the Apply* op reads.
Status Finder::CheckApply(const Update& update) const {
  if (!update.fed || !update.gradients.empty()) return Ok();
  const ElementPath path =
      ElementPathTo(update.node->input(update.value), samples_);
  if (path.is_fed || path.affine) return Ok();
  return Refuse(update, StrCat("was clipped or the like and ", kFixedSamples));
}

bool Finder::IsAffine(const Update& update) const {
  return std::ranges::all_of(update.arithmetic, [&](const Node* n) {
    return !arithmetic_->IsOfGradient({const_cast<Node*>(n), 0}) ||
           arithmetic_->IsAffine(*n);
  });
}

bool Finder::SharesTaken(const std::vector<const Update*>& updates) const {
  return std::ranges::any_of(updates, [&](const Update* u) {
    return std::ranges::any_of(u->gradients, [&](const Output& g) {
      return of_composed_.contains(g) || taken_.contains(g);
    });
  });
}

// Apply* ops of gradients that were clipped, or for part of whose gradients
// slots are kept by simple ops; and of others that these are made of.
void Finder::TakeApplies() {
  for (bool more = true; more;) {
    more = false;
    for (const Update& u : updates_) {
      if (u.composed || found_.applies.contains(u.node)) continue;
      const std::vector<const Update*> behind = Behind(u);
      if (IsAffine(u) && !SharesTaken(behind)) continue;
      Take(behind);
      found_.applies.insert(u.node);
      more = true;
    }
  }
}

// The node that alone reads the gradient and is affine in it, as in all other
// gradients that it reads and alone reads; or null.
const Node* Finder::OnlyUser(Output gradient,
                             const OutputSet& gradients) const {
  const std::vector<const Node*>& users = arithmetic_->UsersOf(gradient);
  if (users.size() != 1) return nullptr;
  const Node& user = *users[0];
  if (user.num_outputs() != 1 || !arithmetic_->IsAffine(user) ||
      !user.output_shape(0).IsFullyKnown()) {
    return nullptr;
  }
  const bool alone = std::ranges::all_of(user.inputs(), [&](Output in) {
    return !arithmetic_->IsOfGradient(in) ||
           (gradients.contains(in) && arithmetic_->UsersOf(in).size() == 1);
  });
  return alone ? &user : nullptr;
}

// To where the sum over the samples is complete: a mean is often the quotient
// of a sum and the number of this rank's samples.
void Finder::MoveDown() {
  std::vector<Output>& all = found_.gradients;
  OutputSet gradients(all.begin(), all.end());
  for (size_t i = 0; i < all.size(); ++i) {
    while (gradients.contains(all[i])) {
      const Node* const user = OnlyUser(all[i], gradients);
      if (user == nullptr) break;
      for (const Output& in : user->inputs()) gradients.erase(in);
      all[i] = {const_cast<Node*>(user), 0};
      gradients.insert(all[i]);
    }
  }
  std::erase_if(all, [&](Output g) { return !gradients.contains(g); });
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
