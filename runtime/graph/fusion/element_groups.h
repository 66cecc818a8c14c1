// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which nodes of a graph may be computed together: the groups that FuseElements
// makes nodes of (runtime/graph/passes/fuse_elements.h says by what rules).

#include <functional>
#include <vector>

#include "runtime/graph/graph.h"
#include "runtime/op/element_rule.h"

namespace lockstep {

class Conditions;

struct ElementGroup {
  std::vector<Node*> nodes;  // in order
};

// Requires an order in which inputs come first, and its conditions. The groups
// by their first nodes, of two at least or of one that is worth a node `alone`;
// no path leads out of one and back into it. `gpus`: also of ops on GPUs, those
// whose elements a GPU's compiler knows (ElementFunctorOf).
std::vector<ElementGroup> ElementGroups(
    const std::vector<Node*>& order, const Conditions& conditions, bool gpus,
    const std::function<bool(const Node*)>& alone);

// Reshape, Identity and their like, of values: only the shape is its own.
bool IsPlainAlias(const Node& n);
// What an output is but for shapes.
Output BehindAliases(Output o);
// The inputs that have elements to compute with are the first so many.
int OperandsOf(const Node& n, const ElementRule& rule);

}  // namespace lockstep
