// SPDX-License-Identifier: Apache-2.0
#pragma once

// Two lanes for one CPU: which nodes run beside the others when a graph has
// branches that do not need each other and ops too small to be split among
// threads: each lane is one thread. By list scheduling with estimated times
// (graph/node_work.h); nodes with effects stay on the first lane, in their
// order. Internal to runtime/exec.
//
//   if (const auto branches = DivideBranches(order, kLaneCosts)) {
//     order = branches->order;                       // by when they begin
//     lane = branches->beside.contains(node) ? 1 : 0;
//   }

#include <functional>
#include <optional>
#include <unordered_set>
#include <vector>

#include "runtime/graph/graph.h"

namespace lockstep {

struct LaneCosts {
  double handover_us = 1;     // a lane sees what the other one has done
  double start_us = 40;       // of the second lane, once a run
  double min_total_us = 400;  // shorter plans are not worth it
  double split_us = 50;       // from here on an op is split among all threads
  double gain = 1.3;          // how much faster it has to be
};

struct Branches {
  std::vector<Node*> order;
  std::unordered_set<const Node*> beside;
  double one_lane_us = 0, two_lanes_us = 0;
};

// `order` is a topological order, `micros` a node's time. Nothing when two
// lanes would not be enough faster.
std::optional<Branches> DivideBranches(
    const std::vector<Node*>& order,
    const std::function<double(const Node&)>& micros, const LaneCosts& costs);

}  // namespace lockstep
