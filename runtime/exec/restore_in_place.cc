// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/restore_in_place.h"

#include <algorithm>

#include "runtime/exec/schedule.h"
#include "runtime/graph/memory_spaces.h"

namespace lockstep {
namespace {

// The variable that `value` is for and nothing but its assignment uses; empty
// when there is none.
std::string VariableFor(const PlanGraph& plan, const Consumers& consumers,
                        Output value) {
  for (;;) {
    const auto& users = consumers.Of(value);
    if (users.size() != 1 ||
        std::ranges::find(plan.fetches, value) != plan.fetches.end()) {
      return {};
    }
    const auto [user, input] = users[0];
    if (IsOnGpu(*user)) return {};
    if (user->op() == "Identity") {
      value = user->output(0);
      continue;
    }
    if (!user->traits().assigns || input != 1) return {};
    const Output target = user->input(0);
    const bool alone =
        VariableBehind(target) == target && consumers.Of(target).size() == 1 &&
        std::ranges::find(plan.fetches, target) == plan.fetches.end();
    return alone ? VariableName(*target.node) : std::string();
  }
}

}  // namespace

void RestoreInPlace(PlanGraph* plan) {
  const Consumers consumers(plan->graph);
  for (Node* n : plan->graph.nodes()) {
    if (n->op() != "RestoreV2") continue;
    std::vector<std::string> variables;
    for (int i = 0; i < n->num_outputs(); ++i) {
      variables.push_back(VariableFor(*plan, consumers, n->output(i)));
    }
    n->mutable_attrs()["_variables"] = std::move(variables);
  }
}

}  // namespace lockstep
