// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec/sample_rows.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>

#include "runtime/exec/composed_updates.h"
#include "runtime/exec/schedule.h"
#include "runtime/exec/training_variables.h"

namespace lockstep {
namespace {

// An Apply* op's gradient depends on a feed; or a composed update's value, as
// does something that reads its variable, or other variables are trained by
// that one.
Result<bool> MayTrain(const Graph& graph, const Graph& whole) {
  LS_ASSIGN_OR_RETURN(const std::vector<Node*> nodes, graph.TopologicalOrder());
  std::unordered_set<const Node*> depends, variables;
  for (const Node* n : nodes) {
    if (n->op() == "_Feed" ||
        std::ranges::any_of(n->inputs(), [&](const Output& in) {
          return depends.contains(in.node);
        })) {
      depends.insert(n);
    }
    const int gradient = n->traits().applies_gradient;
    if (gradient >= 0 && depends.contains(n->input(gradient).node)) return true;
    if (IsComposedUpdate(*n) && depends.contains(n->input(1).node)) {
      const Output variable = VariableBehind(n->input(0));
      if (variable.defined()) variables.insert(variable.node);
    }
  }
  for (const Node* n : variables.empty() ? std::vector<Node*>() : nodes) {
    if (!depends.contains(n)) continue;
    for (int i = IsComposedUpdate(*n) ? 1 : 0; i < n->num_inputs(); ++i) {
      const Output variable = VariableBehind(n->input(i));
      if (variable.defined() && variables.contains(variable.node)) return true;
    }
  }
  if (variables.empty()) return false;
  const std::unordered_set<std::string> training = TrainingVariables(whole);
  return std::ranges::any_of(variables, [&](const Node* variable) {
    return training.contains(variable->name());
  });
}

// The feeds that have samples along dimension 0, as many as `batch`, or the
// first that is open there.
std::vector<size_t> FindSliced(const PlanRequest& request,
                               const std::string& batch) {
  const std::vector<Output>& feeds = request.signature.feeds;
  std::vector<size_t> open, sliced;
  for (size_t i = 0; i < feeds.size(); ++i) {
    const Shape& declared = feeds[i].shape();
    const bool is_open =
        !declared.HasRank() || (declared.rank() > 0 && declared.dim(0) < 0);
    if (is_open && request.feeds[i].shape.rank() > 0) open.push_back(i);
  }
  if (open.empty()) return {};
  const auto counts = std::ranges::find_if(open, [&](size_t i) {
    return feeds[i].name() == batch || feeds[i].node->name() == batch;
  });
  const auto fed = [&](size_t i) { return request.feeds[i].shape.dim(0); };
  const int64_t samples = fed(counts == open.end() ? open[0] : *counts);
  std::ranges::copy_if(open, std::back_inserter(sliced),
                       [&](size_t i) { return fed(i) == samples; });
  return sliced;
}

Result<PlanGraph> Inferred(const PlanRequest& request,
                           const std::vector<size_t>& sliced, int64_t samples) {
  std::vector<FeedSpec> feeds = request.feeds;
  for (const size_t i : sliced) feeds[i].shape.set_dim(0, samples);
  return SpecializedGraph({.graph = request.graph,
                           .signature = request.signature,
                           .feeds = feeds,
                           .environment = request.environment});
}

}  // namespace

Status MarkSampleRows(const PlanRequest& request, PlanGraph* plan) {
  LS_ASSIGN_OR_RETURN(const bool may_train,
                      MayTrain(plan->graph, request.graph));
  if (!may_train) return Ok();
  const std::vector<size_t> sliced =
      FindSliced(request, request.environment.options->batch);
  if (sliced.empty()) return Ok();
  // Of one sample, dimensions of 1 would be taken for it.
  const int64_t samples =
      std::max<int64_t>(2, request.feeds[sliced[0]].shape.dim(0));
  const Result<PlanGraph> once = Inferred(request, sliced, samples);
  const Result<PlanGraph> twice = Inferred(request, sliced, 2 * samples);
  if (!once.ok() || !twice.ok()) return Ok();
  for (Node* n : plan->graph.nodes()) {
    const Node* a = once->graph.Find(n->name());
    const Node* b = twice->graph.Find(n->name());
    if (a == nullptr || b == nullptr || a->op() != n->op() ||
        b->op() != n->op() || a->num_outputs() != n->num_outputs() ||
        b->num_outputs() != n->num_outputs()) {
      continue;
    }
    std::vector<bool> rows;
    for (int i = 0; i < n->num_outputs(); ++i) {
      rows.push_back(!a->output_shape(i).IsFullyKnown() ||
                     a->output_shape(i) != b->output_shape(i));
    }
    n->mutable_attrs()[std::string(kRowsAttr)] = std::move(rows);
  }
  return Ok();
}

void DropSampleRows(Graph* graph) {
  for (Node* n : graph->nodes()) {
    n->mutable_attrs().erase(std::string(kRowsAttr));
  }
}

}  // namespace lockstep
