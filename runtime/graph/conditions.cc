// SPDX-License-Identifier: Apache-2.0
#include "runtime/graph/conditions.h"

#include <algorithm>
#include <iterator>

#include "runtime/graph/control_flow.h"

namespace lockstep {
namespace {

void Unite(std::vector<int>* into, const std::vector<int>& more) {
  if (more.empty()) return;
  std::vector<int> all;
  std::ranges::set_union(*into, more, std::back_inserter(all));
  *into = std::move(all);
}

}  // namespace

Conditions::Conditions(const std::vector<Node*>& order) {
  for (const Node* n : order) Visit(n);
}

std::vector<int> Conditions::Of(Output o) const {
  std::vector<int> all = Of(o.node);
  if (IsSwitch(*o.node)) {
    const auto [when_false, when_true] = Sides(o.node);
    Unite(&all, {o.index == 1 ? when_true : when_false});
  }
  return all;
}

int Conditions::SetBy(const Node* merge) const {
  auto it = set_by_.find(merge);
  return it == set_by_.end() ? -1 : it->second;
}

std::pair<int, int> Conditions::Sides(const Node* a_switch) const {
  const int first = first_side_.at(a_switch->input(1));
  return {first, first + 1};
}

void Conditions::Visit(const Node* n) {
  if (IsMerge(*n)) return VisitMerge(n);
  std::vector<int> all;
  for (const Output& in : n->inputs()) Unite(&all, Of(in));
  for (const Node* c : n->control_inputs()) Unite(&all, Of(c));
  of_[n] = std::move(all);
  if (!IsSwitch(*n)) return;
  const Output predicate = n->input(1);
  if (first_side_.try_emplace(predicate, count()).second) {
    sources_.push_back({.predicate = predicate, .side = false});
    sources_.push_back({.predicate = predicate, .side = true});
  }
}

bool Conditions::AreBothSides(int a, int b) const {
  const Source& x = source(a);
  const Source& y = source(b);
  return !x.merge && !y.merge && x.predicate == y.predicate && x.side != y.side;
}

void Conditions::VisitMerge(const Node* n) {
  std::vector<std::vector<int>> inputs;
  for (const Output& in : n->inputs()) inputs.push_back(Of(in));
  std::vector<int> common = inputs[0];
  for (const auto& set : inputs) {
    std::vector<int> kept;
    std::ranges::set_intersection(common, set, std::back_inserter(kept));
    common = std::move(kept);
  }
  std::vector<std::vector<int>> rest;
  bool always = false;  // given what is common
  for (const auto& set : inputs) {
    std::vector<int> own;
    std::ranges::set_difference(set, common, std::back_inserter(own));
    always = always || own.empty();
    rest.push_back(std::move(own));
  }
  for (size_t i = 0; i < rest.size(); ++i) {
    for (size_t j = i + 1; j < rest.size(); ++j) {
      always = always || (rest[i].size() == 1 && rest[j].size() == 1 &&
                          AreBothSides(rest[i][0], rest[j][0]));
    }
  }
  if (!always) {
    set_by_[n] = count();
    common = {count()};
    sources_.push_back({.merge = n});
  }
  of_[n] = std::move(common);
}

}  // namespace lockstep
