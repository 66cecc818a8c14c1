// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/branch_lanes.h"

#include <algorithm>
#include <array>
#include <unordered_map>

namespace lockstep {
namespace {

struct Placed {
  Node* node = nullptr;
  int lane = 0;
  double begin = 0, end = 0;
};

class Divider {
 public:
  explicit Divider(const LaneCosts& costs) : costs_(costs) {}

  // On the lane where it ends first.
  void Add(Node* node, double micros) {
    std::array<double, 2> ready{};
    const auto wait = [&](const Node* before) {
      const auto it = at_.find(before);
      if (it == at_.end()) return;
      const Placed& p = placed_[it->second];
      for (int lane = 0; lane < 2; ++lane) {
        const double handover = p.lane == lane ? 0 : costs_.handover_us;
        double& r = ready[static_cast<size_t>(lane)];
        r = std::max(r, p.end + handover);
      }
    };
    for (const Output& in : node->inputs()) wait(in.node);
    for (const Node* c : node->control_inputs()) wait(c);
    const double first = std::max(ready[0], free_[0]);
    const double second = std::max(ready[1], free_[1]);
    const bool beside =
        micros > 0 && !node->traits().stateful && second < first;
    Placed p{.node = node, .lane = beside, .begin = beside ? second : first};
    // What takes no time is no step: it is there when its inputs are.
    if (micros == 0) p.begin = std::max(0.0, std::min(ready[0], ready[1]));
    p.end = p.begin + micros;
    if (micros > 0) free_[static_cast<size_t>(p.lane)] = p.end;
    at_[node] = placed_.size();
    placed_.push_back(p);
  }

  double end() const { return std::max(free_[0], free_[1]); }
  std::vector<Placed>& placed() { return placed_; }

 private:
  const LaneCosts& costs_;
  std::vector<Placed> placed_;
  std::unordered_map<const Node*, size_t> at_;
  std::array<double, 2> free_{};
};

// Nodes in the order in which they begin, each behind all that it needs.
std::vector<Node*> ByBegin(std::vector<Placed> placed) {
  std::ranges::stable_sort(placed, {}, &Placed::begin);
  std::vector<Node*> order;
  for (const Placed& p : placed) order.push_back(p.node);
  return order;
}

bool IsOrder(const std::vector<Node*>& order) {
  std::unordered_set<const Node*> seen;
  for (const Node* n : order) {
    for (const Output& in : n->inputs()) {
      if (!seen.contains(in.node)) return false;
    }
    for (const Node* c : n->control_inputs()) {
      if (!seen.contains(c)) return false;
    }
    seen.insert(n);
  }
  return true;
}

}  // namespace

std::optional<Branches> DivideBranches(
    const std::vector<Node*>& order,
    const std::function<double(const Node&)>& micros, const LaneCosts& costs) {
  Branches branches;
  Divider divider(costs);
  double split = 0;
  for (Node* n : order) {
    const double us = micros(*n);
    branches.one_lane_us += us;
    if (us >= costs.split_us) split += us;
    divider.Add(n, us);
  }
  branches.two_lanes_us = divider.end() + costs.start_us;
  // On one lane ops that are split have two threads at least.
  branches.one_lane_us -= split / 2;
  if (branches.one_lane_us < costs.min_total_us ||
      branches.one_lane_us < costs.gain * branches.two_lanes_us) {
    return std::nullopt;
  }
  for (const Placed& p : divider.placed()) {
    if (p.lane == 1) branches.beside.insert(p.node);
  }
  branches.order = ByBegin(divider.placed());
  if (!IsOrder(branches.order)) return std::nullopt;
  return branches;
}

}  // namespace lockstep
