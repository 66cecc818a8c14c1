// SPDX-License-Identifier: Apache-2.0
#pragma once

// Cuts a graph down to what one kind of run needs.
//
// Pruned means not run: a node that no fetch or target needs has no effect. A
// fed tensor, whichever it is, cuts off everything above it and becomes the
// output of a `_Feed` node.

#include <unordered_set>
#include <vector>

#include "runtime/graph/passes/pass.h"

namespace lockstep {

// What is fed, fetched and targeted, as nodes of the session's graph.
struct RunSignature {
  std::vector<Output> feeds;
  std::vector<Output> fetches;
  std::vector<Node*> targets;
};

struct FeedSpec {
  DType dtype = kInvalidType;
  Shape shape;
};

// A private graph on its way to a plan; feeds[i] is the `_Feed` node of the
// signature's feed i.
struct PlanGraph {
  Graph graph;
  std::vector<Output> feeds;
  std::vector<Output> fetches;
  std::vector<Node*> targets;
};

// INVALID_ARGUMENT when a feed's dtype or shape disagrees with its tensor, a
// tensor is fed twice, or a needed placeholder is not fed.
Result<PlanGraph> Prune(const Graph& full, const RunSignature& signature,
                        const std::vector<FeedSpec>& feeds);

// Removes the nodes that no fetch or target needs any more (never those of
// `feeds`) and returns their former addresses.
std::unordered_set<const Node*> RemoveDeadNodes(
    Graph* graph, const std::vector<Output>& feeds,
    const std::vector<Output>& fetches, const std::vector<Node*>& targets);

// Nodes without side effects that are there for control edges alone, as the
// gradient to an input in tf.gradients' groups, go too: what waited for one
// waits for what it waited for. For graphs without frames of loops.
void DropUnreadNodes(PlanGraph* plan);

}  // namespace lockstep
