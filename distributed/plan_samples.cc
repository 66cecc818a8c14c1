// SPDX-License-Identifier: Apache-2.0
#include "distributed/plan_samples.h"

#include <algorithm>

#include "distributed/gradient_facts.h"
#include "runtime/exec/sample_rows.h"
#include "runtime/exec/training_variables.h"

namespace lockstep {

Result<PlanSamples> PlanSamples::Make(const PassContext& context,
                                      const OriginalOrder& order) {
  PlanSamples samples(context.original, order);
  LS_ASSIGN_OR_RETURN(const std::vector<Node*> nodes,
                      context.graph.TopologicalOrder());
  for (Node* n : nodes) {
    if (n->op() == "_Feed") {
      samples.depends_.insert(n);
      if (!samples.FedWithRows(context, *n)) continue;
      samples.rows_.insert(n->output(0));
      samples.of_rows_.insert(n);
      continue;
    }
    // Rows of gradients are the same on all ranks once they are exchanged.
    if (RowsOf(*n).values >= 0) continue;
    const bool depends = std::ranges::any_of(
        n->inputs(), [&](const Output& in) { return samples.Depends(in); });
    if (!depends) continue;
    samples.depends_.insert(n);
    if (std::ranges::any_of(n->inputs(), [&](const Output& in) {
          return samples.of_rows_.contains(in.node);
        })) {
      samples.of_rows_.insert(n);
    }
    for (int i = 0; i < n->num_outputs(); ++i) {
      if (samples.MakesRows(*n, i)) samples.rows_.insert(n->output(i));
    }
  }
  return samples;
}

bool PlanSamples::FedWithRows(const PassContext& context,
                              const Node& feed) const {
  const auto* marks = GetIf<std::vector<bool>>(feed.attrs(), kRowsAttr);
  if (marks != nullptr) return (*marks)[0];
  if (feed.output_shape(0).HasRank() && feed.output_shape(0).rank() == 0) {
    return false;
  }
  const auto* tensor = GetIf<std::string>(feed.attrs(), "_tensor");
  if (tensor == nullptr) return true;
  const Result<Output> original = context.original.FindOutput(*tensor);
  return !original.ok() || !original->shape().IsFullyKnown();
}

// A node that the planner made tells by its dimension 0 alone.
bool PlanSamples::MakesRows(const Node& n, int output) const {
  const auto* marks = GetIf<std::vector<bool>>(n.attrs(), kRowsAttr);
  if (marks != nullptr) return (*marks)[static_cast<size_t>(output)];
  const Shape& shape = n.output_shape(output);
  const Node* original = order_->Find(&n);
  const bool known = original != nullptr && original->op() == n.op() &&
                     output < original->num_outputs();
  if (known) {
    const Shape& declared = original->output_shape(output);
    if (declared.IsFullyKnown()) return false;
    // In a plan for one sample, sums over dimension 0 are reshapes, which drop
    // it; what has it back has rows again.
    if (of_rows_.contains(&n) && declared.rank() > 0 &&
        declared.dim(0) == kUnknownDim && shape.rank() > 0 &&
        shape.dim(0) == 1) {
      return true;
    }
  }
  for (int i = 0; i < n.num_inputs(); ++i) {
    if (!HasRows(n, i)) continue;
    const Shape& in = n.input(i).shape();
    if (known || !shape.HasRank() || !in.HasRank() ||
        (in.rank() > 0 && shape.rank() > 0 && in.dim(0) == shape.dim(0))) {
      return true;
    }
  }
  return false;
}

bool PlanSamples::HasRows(const Node& user, int input) const {
  return rows_.contains(user.input(input));
}

bool PlanSamples::Trains(const Node& variable) const {
  if (!training_) training_ = TrainingVariables(*original_);
  return training_->contains(variable.name());
}

}  // namespace lockstep
