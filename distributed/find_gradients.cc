// SPDX-License-Identifier: Apache-2.0
#include "distributed/find_gradients.h"

#include <algorithm>
#include <unordered_map>

#include "distributed/gradient_facts.h"
#include "distributed/plan_samples.h"
#include "distributed/row_gradients.h"
#include "runtime/exec/composed_updates.h"
#include "runtime/exec/replica_cut.h"

namespace lockstep {
namespace {

using Use = std::pair<Node*, int>;

bool IsSumOfReplicas(Output o) {
  return o.node->op() == "_Replicas" &&
         o.node->Attr<std::vector<int64_t>>(
             "uses")[static_cast<size_t>(o.index)] ==
             static_cast<int64_t>(ReplicaUse::kSum);
}

// In reproducible mode gradients are what the replicas sum; what is made of
// them is exchanged already.
ComposedUpdates ComposedOfReplicas(const Graph& graph) {
  ComposedUpdates found;
  const Consumers consumers(graph);
  std::unordered_set<const Node*> made;
  for (Node* n : graph.nodes()) {
    for (int i = 0; n->op() == "_Replicas" && i < n->num_outputs(); ++i) {
      if (!IsSumOfReplicas(n->output(i))) continue;
      found.gradients.push_back(n->output(i));
      for (const auto& [user, input] : consumers.Of(n->output(i))) {
        found.readers.insert(user);
        if (user->traits().applies_gradient < 0) {
          MarkUsers(user, consumers, &made);
        }
      }
    }
  }
  for (const Node* n : graph.nodes()) {
    const int input = n->traits().applies_gradient;
    if (input >= 0 && made.contains(n->input(input).node)) {
      found.applies.insert(n);
    }
  }
  return found;
}

std::vector<Use> UsesOf(const Graph& graph, const ComposedUpdates& composed) {
  std::vector<Use> uses;
  for (Node* node : graph.nodes()) {
    const int input = node->traits().applies_gradient;
    if (input < 0 || RowsOf(*node).values >= 0 ||
        composed.applies.contains(node) ||
        IndependentOfRank(node->input(input))) {
      continue;
    }
    uses.emplace_back(node, input);
  }
  const Consumers consumers(graph);
  for (const Output& gradient : composed.gradients) {
    for (const Use& use : consumers.Of(gradient)) {
      if (composed.readers.contains(use.first) &&
          std::ranges::find(uses, use) == uses.end()) {
        uses.push_back(use);
      }
    }
  }
  return uses;
}

}  // namespace

Result<FoundGradients> FindGradients(const PassContext& context,
                                     const OriginalOrder& order) {
  const Graph& graph = context.graph;
  ComposedUpdates composed;
  if (context.reproducible) {
    composed = ComposedOfReplicas(graph);
  } else {
    LS_ASSIGN_OR_RETURN(const PlanSamples samples,
                        PlanSamples::Make(context, order));
    LS_RETURN_IF_ERROR(CheckRowsAreNotClipped(graph, samples));
    LS_ASSIGN_OR_RETURN(composed, FindComposedUpdates(graph.nodes(), samples));
  }
  std::unordered_map<Output, size_t, OutputHash> index;
  std::vector<Gradient> gradients;
  for (const auto& [node, input] : UsesOf(graph, composed)) {
    const Output output = node->input(input);
    const DType dtype = BaseOf(output.dtype());
    if (!IsFloating(dtype)) {
      return Unimplemented("node '", node->name(), "': a gradient of dtype ",
                           DTypeName(dtype), " cannot be averaged over ranks");
    }
    const auto [at, is_new] = index.try_emplace(output, gradients.size());
    if (is_new) gradients.emplace_back().output = output;
    Gradient& gradient = gradients[at->second];
    gradient.uses.emplace_back(node, input);
    gradient.last_use = std::max(gradient.last_use, order.Of(node));
    const int position = order.OfInput(node, input);
    if (is_new || std::pair(position, node->name()) <
                      std::pair(gradient.position, gradient.first_use)) {
      gradient.position = position;
      gradient.first_use = node->name();
    }
  }
  std::ranges::sort(gradients, {}, [](const Gradient& g) {
    return std::pair(g.position, g.first_use);
  });
  return FoundGradients{std::move(gradients), std::move(composed.trained)};
}

}  // namespace lockstep
