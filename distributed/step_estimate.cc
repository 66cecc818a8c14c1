// SPDX-License-Identifier: Apache-2.0
#include "distributed/step_estimate.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "runtime/graph/node_work.h"

namespace lockstep {
namespace {

constexpr double kStepMicros = 0.5;

}  // namespace

std::vector<double> EstimateReady(std::span<const Node* const> order,
                                  std::span<const Output> outputs) {
  std::unordered_set<const Node*> needed;
  std::vector<const Node*> stack;
  const auto need = [&](const Node* n) {
    if (needed.insert(n).second) stack.push_back(n);
  };
  for (const Output& o : outputs) need(o.node);
  while (!stack.empty()) {
    const Node* n = stack.back();
    stack.pop_back();
    for (const Output& in : n->inputs()) need(in.node);
    for (const Node* c : n->control_inputs()) need(c);
  }
  std::unordered_map<const Node*, double> done;
  double now = 0;
  for (const Node* n : order) {
    if (needed.contains(n)) done[n] = now += EstimateMicros(*n, kStepMicros);
  }
  std::vector<double> ready;
  for (const Output& o : outputs) ready.push_back(done[o.node]);
  return ready;
}

}  // namespace lockstep
